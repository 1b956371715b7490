// Package gateway is the HTTP server in front of AgentRequests. The pod, the embedded environment and the tests call
// New and Run; a bearer token and a JSON body go in, a decision and its reason come out.
//
// routes.go lists every endpoint with the role that it needs. handle.go is the one way from a request to a handler
// and back; handlers are functions from values to values. What a handler may do with an object is asked of authz.
package gateway
