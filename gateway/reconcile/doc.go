// Package reconcile drives each AgentRequest forward and owns its status: it hands what happened to the lifecycle's
// table and stores what comes out. It also tells the author of a SafetyPolicy whether its rules compile. The server
// runs it; several replicas may, and with leader election one of them works.
package reconcile
