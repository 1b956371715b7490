// Package client is the one typed HTTP client of the gateway. The command line, the terminal queue, the proof that
// ends `aip-dev up` and the tests all use it.
package client
