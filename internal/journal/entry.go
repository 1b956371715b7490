package journal

import "time"

// Kinds of lines.
const (
	// KindDecision is what was decided; its fields are those of Decision.
	KindDecision = "decision"
	// KindOutcome is what became of it; its fields are those of Outcome.
	KindOutcome = "outcome"
)

// Verbs of decisions.
const (
	Approve = "approve"
	Deny    = "deny"
	Grade   = "grade"
)

// How much of a request the reviewer had seen.
const (
	// SeenFull says that its record was on the screen to the end.
	SeenFull = "full"
	// SeenPartial says that the reviewer chose to decide without that.
	SeenPartial = "partial"
	// SeenNone says that nothing was shown: the decision named the request, or a grant decided.
	SeenNone = "none"
)

// What became of a decision.
const (
	// Confirmed says that the gateway told the phase that was decided.
	Confirmed = "confirmed"
	// Stored says that the gateway took the decision and that it had no effect yet.
	Stored = "stored"
	// Lost says that somebody else decided first.
	Lost = "lost the race"
	// Refused says that the gateway did not take it; Cause says why.
	Refused = "refused"
	// Unknown says that the connection broke before the answer came.
	Unknown = "not known"
)

// Decision is what a reviewer decided about one request. Texts of agents and people are kept as they are shown to
// people, without control characters and without anything that looks like a secret.
type Decision struct {
	// By is the reviewer as the gateway knows them, Via the part of the program that sent the decision.
	By          string `json:"by,omitempty"`
	Via         string `json:"via,omitempty"`
	Environment string `json:"environment,omitempty"`
	// Verb is what was decided.
	Verb      string `json:"decision,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	UID       string `json:"uid,omitempty"`
	// Version is the resourceVersion that was decided about.
	Version string `json:"version,omitempty"`
	Agent   string `json:"agent,omitempty"`
	Action  string `json:"action,omitempty"`
	Target  string `json:"target,omitempty"`
	// Asked is when the request was made.
	Asked  *time.Time `json:"asked,omitempty"`
	Reason string     `json:"reason,omitempty"`
	// Verdict and ReasonCode belong to a grade.
	Verdict    string `json:"verdict,omitempty"`
	ReasonCode string `json:"reasonCode,omitempty"`
	// Changed says what of the target was not as it had been verified, when the reviewer saw it looked at again.
	Changed string `json:"changed,omitempty"`
	// Seen says how much of the request was shown, Shown is the SHA-256 of exactly that, in hexadecimal digits.
	Seen  string `json:"seen,omitempty"`
	Shown string `json:"shown,omitempty"`
	// LiveEndpoints says that the target was verified to be in use.
	LiveEndpoints bool `json:"liveEndpoints,omitempty"`
	// Grant is the grant that decided in the reviewer's name, if one did.
	Grant string `json:"grant,omitempty"`
}

// Outcome is what became of a decision.
type Outcome struct {
	// Of is the number of the decision's entry.
	Of     int    `json:"of,omitempty"`
	Result string `json:"outcome,omitempty"`
	// Phase is that of the request afterwards, as far as it is known.
	Phase string `json:"phase,omitempty"`
	// Winner is who decided first.
	Winner string `json:"winner,omitempty"`
	Cause  string `json:"cause,omitempty"`
}

// Entry is one line. It is written in the canonical form of RFC 8785.
// Source: https://www.rfc-editor.org/rfc/rfc8785
type Entry struct {
	// Entry numbers the lines from 1.
	Entry int       `json:"entry"`
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"`
	*Decision
	*Outcome
	// Mended is how many bytes of a line that was never finished were cut off before this one was written.
	Mended int `json:"mended,omitempty"`
	// Previous is the Hash of the line before, empty in the first.
	Previous string `json:"previous"`
	// Hash is the SHA-256, in hexadecimal digits, of the line without this field, in canonical form.
	Hash string `json:"hash,omitempty"`
}

// Record is a decision with what became of it.
type Record struct {
	Entry int       `json:"entry"`
	At    time.Time `json:"at"`
	Decision
	// Outcome is what became of it; its Result is Unknown where none was written.
	Outcome
	// Ended is when the outcome was written.
	Ended *time.Time `json:"ended,omitempty"`
}
