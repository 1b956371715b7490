// Package trust says how far an agent is trusted. The audit trail is what it knows: the verdicts of reviewers, the agent's
// executions and the changes of its level are records that are written once, each under a name of its own, and never changed.
// So nothing counts twice, nothing is forgotten when a request is deleted, and nobody gives an agent a level by writing one
// somewhere. It does no I/O and reads no clock.
package trust
