package lifecycle

import (
	"cmp"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Reasons of the conditions that Next writes. Clients of the public AIP control plane know these words.
const (
	ReasonInitialization     = "Initialization"
	ReasonObserveMode        = "ObserveMode"
	ReasonGatewayDenied      = "GatewayDenied"
	ReasonSoakMode           = "SoakModeAdmission"
	ReasonTrustGate          = "TrustGateBlock"
	ReasonEvaluationComplete = "EvaluationComplete"
	ReasonApprovalRequired   = "ApprovalRequired"
	ReasonApproved           = "Approved"
	ReasonAutoApproved       = "AutoApprovedByTrustGate"
	ReasonDenied             = "Denied"
	ReasonManualDenial       = "ManualDenial"
	ReasonLockTimeout        = "LockTimeout"
	ReasonFailedLockTimeout  = "LOCK_TIMEOUT"
	ReasonNotGraded          = "NotGraded"
	ReasonSchemaMismatch     = "SchemaMismatch"
	// Reasons of a condition LockAcquired that is False.
	ReasonLockContention = "LockContention"
	ReasonLockExpired    = "LockExpired"
	ReasonLockLost       = "LockLost"
)

// Event is something that happened to an AgentRequest.
type Event interface {
	trigger() Trigger
	// apply writes what the event leaves in the status, besides the phase.
	apply(s *statusWriter)
}

// Admitted says that the reconciler saw the request for the first time.
type Admitted struct {
	// Resource governs the target; nil when none does.
	Resource *v1alpha1.GovernedResourceRef
}

func (Admitted) trigger() Trigger { return TriggerAdmitted }

func (a Admitted) apply(s *statusWriter) {
	s.status.GovernedResourceRef = a.Resource
	s.set(v1alpha1.ConditionRequestSubmitted, metav1.ConditionTrue, ReasonInitialization, "Request received")
}

// Observed says that the request only records an intent (spec.mode observe) and ends here, undecided.
type Observed struct{}

func (Observed) trigger() Trigger { return TriggerObserved }

func (Observed) apply(s *statusWriter) {
	s.set(v1alpha1.ConditionRequestSubmitted, metav1.ConditionTrue, ReasonObserveMode, "Intent recorded, nothing was decided")
}

// ShutOut says that the gateway refused the request at admission and keeps it as evidence.
type ShutOut struct {
	// Code is the denial code.
	Code string
}

func (ShutOut) trigger() Trigger { return TriggerShutOut }

func (o ShutOut) apply(s *statusWriter) {
	message := clip("Blocked at gateway admission: " + o.Code)
	s.set(v1alpha1.ConditionRequestSubmitted, metav1.ConditionTrue, ReasonGatewayDenied, message)
	s.status.Denial = &v1alpha1.Denial{Code: o.Code, Message: message}
}

// ToBeGraded says that the request is not decided or executed: a reviewer grades the intent.
type ToBeGraded struct {
	// Reason is ReasonSoakMode or ReasonTrustGate.
	Reason string
	// Resource governs the target; nil when none does.
	Resource *v1alpha1.GovernedResourceRef
}

func (ToBeGraded) trigger() Trigger { return TriggerToBeGraded }

func (g ToBeGraded) apply(s *statusWriter) {
	s.status.GovernedResourceRef = g.Resource
	message := "The target is in soak mode: nothing is executed, a reviewer grades the intent"
	if g.Reason == ReasonTrustGate {
		message = "The agent may not execute yet: a reviewer grades the intent"
	}
	s.set(v1alpha1.ConditionRequestSubmitted, metav1.ConditionTrue, cmp.Or(g.Reason, ReasonTrustGate), message)
}

// Outcome is what the policies say. The zero Outcome denies.
type Outcome int

// The outcomes of an evaluation.
const (
	Deny Outcome = iota
	Hold
	Allow
)

// Evaluated carries what the policies said.
type Evaluated struct {
	Outcome Outcome
	// Code is the denial code; it matters for Deny only, where empty means POLICY_VIOLATION.
	Code string
	// Message is for the agent and the reviewer.
	Message string
	// Results are the rules that spoke with something else than Allow.
	Results []v1alpha1.PolicyResult
	// RetryAfter says when asking again may help; nil when that is not known.
	RetryAfter *int32
	// Verification is what was seen of the target, nil when nothing was looked up.
	Verification *v1alpha1.ControlPlaneVerification
	// Context is what the context fetcher found, nil when there is none.
	Context *apiextensionsv1.JSON
	// Mismatch says how what it found is not as the contextSchema says; then there is no Context. Empty when it is.
	Mismatch string
	// Fingerprint stands for the outcome with all that led to it.
	Fingerprint string
}

func (e Evaluated) trigger() Trigger {
	switch e.Outcome {
	case Allow:
		return TriggerPolicyAllows
	case Hold:
		return TriggerPolicyHolds
	default:
		return TriggerPolicyDenies
	}
}

func (e Evaluated) apply(s *statusWriter) {
	if StateOf(s.before).Held {
		s.status.EvaluationGeneration++
	}
	message := cmp.Or(clip(e.Message), "All policies passed")
	switch e.Outcome {
	case Allow:
	case Hold:
		message = cmp.Or(clip(e.Message), "A policy asks for a reviewer's decision")
		s.set(v1alpha1.ConditionRequiresApproval, metav1.ConditionTrue, ReasonApprovalRequired, message)
	default:
		message = cmp.Or(clip(e.Message), "Denied by policy")
		s.clear(v1alpha1.ConditionRequiresApproval)
		s.deny(ReasonDenied, cmp.Or(e.Code, v1alpha1.DenialPolicyViolation), message, e.Results)
		s.status.Denial.RetryAfterSeconds = e.RetryAfter
	}
	e.record(s, message)
}

// record keeps what the evaluation said and saw.
func (e Evaluated) record(s *statusWriter, message string) {
	s.again(v1alpha1.ConditionPolicyEvaluated, metav1.ConditionTrue, ReasonEvaluationComplete, message)
	s.status.PolicyResults, s.status.EvaluationFingerprint = e.Results, e.Fingerprint
	s.status.ControlPlaneVerification, s.status.ProviderContext = e.Verification, e.Context
	if e.Mismatch == "" {
		s.clear(v1alpha1.ConditionFetcherSchemaViolation)
		return
	}
	s.set(v1alpha1.ConditionFetcherSchemaViolation, metav1.ConditionTrue, ReasonSchemaMismatch,
		clip("The request is decided without context, which is not as contextSchema says: "+e.Mismatch))
}

// Reviewed carries the decision of a reviewer. Any decision but "approved" denies.
type Reviewed struct {
	// Decision is v1alpha1.DecisionApproved or v1alpha1.DecisionDenied.
	Decision string
	// By is the identity of the reviewer; it may be empty when the decision came through kubectl.
	By string
	// Reason is what the reviewer tells the agent.
	Reason string
}

func (r Reviewed) trigger() Trigger {
	if r.Decision == v1alpha1.DecisionApproved {
		return TriggerReviewApproves
	}
	return TriggerReviewDenies
}

func (r Reviewed) apply(s *statusWriter) {
	s.clear(v1alpha1.ConditionRequiresApproval)
	s.clear(v1alpha1.ConditionLockAcquired)
	if r.trigger() == TriggerReviewDenies {
		s.deny(ReasonManualDenial, v1alpha1.DenialPolicyViolation, clip(withReason("Denied by "+r.by(), r.Reason)), nil)
	}
}

func (r Reviewed) by() string { return cmp.Or(r.By, "a reviewer who gave no name") }

// Voided says that a decision was recorded that may not count, for example by the requester itself. A recorded
// decision never changes, so the request cannot wait for another one and ends denied.
type Voided struct {
	// Why says in one sentence why the decision does not count.
	Why string
}

func (Voided) trigger() Trigger { return TriggerReviewVoid }

func (v Voided) apply(s *statusWriter) {
	s.clear(v1alpha1.ConditionRequiresApproval)
	s.clear(v1alpha1.ConditionLockAcquired)
	s.deny(ReasonDenied, v1alpha1.DenialPolicyViolation, clip("The recorded decision does not count: "+v.Why), nil)
}

// Drifted says that something else was approved than what is there now: the target or what the policies say changed after a
// reviewer had looked, or while the request waited for its target. Now is the evaluation that found it.
type Drifted struct {
	Now Evaluated
	// Why says in one sentence what changed.
	Why string
}

func (Drifted) trigger() Trigger { return TriggerDrifted }

func (d Drifted) apply(s *statusWriter) {
	s.status.EvaluationGeneration++
	s.status.DriftedFrom = fingerprints(s.before)
	message := clip("The approval does not count: " + d.Why + ". Submit the request again")
	s.clear(v1alpha1.ConditionRequiresApproval)
	s.clear(v1alpha1.ConditionLockAcquired)
	s.deny(ReasonDenied, v1alpha1.DenialStateDrifted, message, d.Now.Results)
	d.Now.record(s, cmp.Or(clip(d.Now.Message), message))
}
