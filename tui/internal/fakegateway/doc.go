// Package fakegateway is a gateway with state and no cluster, for tests and for looking at the terminal queue. It
// keeps the rules of the real one about who may decide what, in memory or over HTTP.
package fakegateway
