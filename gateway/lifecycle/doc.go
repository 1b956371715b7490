// Package lifecycle is the table of the states and events of an AgentRequest. The reconciler hands it a status and
// what happened and writes back the status that it returns; nothing else decides about a phase.
package lifecycle
