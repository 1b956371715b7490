// Package testkit is what the tests of several packages share: a real API server. Only tests import it.
package testkit
