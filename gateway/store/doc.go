// Package store keeps AgentRequests and reads SafetyPolicies in Kubernetes. The server's handlers and the reconciler
// call it: reads come from a cache that a watch fills, waiting is driven by that watch, and every write carries the
// resource version that it was decided on, so that nobody overwrites what they have not seen.
//
// Requests that it returns are shared with the cache: callers read them and never change them.
package store
