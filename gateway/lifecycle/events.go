package lifecycle

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Reasons of the conditions that Next writes. Clients of the public AIP control plane know these words.
const (
	ReasonInitialization     = "Initialization"
	ReasonObserveMode        = "ObserveMode"
	ReasonEvaluationComplete = "EvaluationComplete"
	ReasonApprovalRequired   = "ApprovalRequired"
	ReasonApproved           = "Approved"
	ReasonDenied             = "Denied"
	ReasonManualDenial       = "ManualDenial"
)

// maxMessage bounds the messages that come from reviewers and policies, in characters. The schema of a condition
// ends at 32768; a longer message would make the status unwritable and the request would hang for ever.
const maxMessage = 4096

// Event is something that happened to an AgentRequest: Admitted, Observed, Evaluated, Reviewed or Voided.
type Event interface {
	trigger() Trigger
	// apply writes what the event leaves in the status, besides the phase.
	apply(s *statusWriter)
}

// Admitted says that the reconciler saw the request for the first time.
type Admitted struct{}

func (Admitted) trigger() Trigger { return TriggerAdmitted }

func (Admitted) apply(s *statusWriter) {
	s.set(v1alpha1.ConditionRequestSubmitted, metav1.ConditionTrue, ReasonInitialization, "Request received")
}

// Observed says that the request only records an intent (spec.mode observe) and ends here, undecided.
type Observed struct{}

func (Observed) trigger() Trigger { return TriggerObserved }

func (Observed) apply(s *statusWriter) {
	s.set(v1alpha1.ConditionRequestSubmitted, metav1.ConditionTrue, ReasonObserveMode, "Intent recorded, nothing was decided")
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
	// Results are the rules that spoke against the request; they are stored with a denial.
	Results []v1alpha1.PolicyResult
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
	message := cmp.Or(clip(e.Message), "All policies passed")
	switch e.Outcome {
	case Allow:
		s.set(v1alpha1.ConditionApproved, metav1.ConditionTrue, ReasonApproved, message)
	case Hold:
		message = cmp.Or(clip(e.Message), "A policy asks for a reviewer's decision")
		s.set(v1alpha1.ConditionRequiresApproval, metav1.ConditionTrue, ReasonApprovalRequired, message)
	default:
		message = cmp.Or(clip(e.Message), "Denied by policy")
		s.deny(ReasonDenied, cmp.Or(e.Code, v1alpha1.DenialPolicyViolation), message, e.Results)
	}
	s.set(v1alpha1.ConditionPolicyEvaluated, metav1.ConditionTrue, ReasonEvaluationComplete, message)
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
	by := cmp.Or(r.By, "a reviewer who gave no name")
	s.clear(v1alpha1.ConditionRequiresApproval)
	if r.trigger() == TriggerReviewApproves {
		s.set(v1alpha1.ConditionApproved, metav1.ConditionTrue, ReasonApproved, clip(withReason("Approved by "+by, r.Reason)))
		return
	}
	s.deny(ReasonManualDenial, v1alpha1.DenialPolicyViolation, clip(withReason("Denied by "+by, r.Reason)), nil)
}

// Voided says that a decision was recorded that may not count, for example by the requester itself. A recorded
// decision never changes, so the request cannot wait for another one and ends denied.
type Voided struct {
	// Why says in one sentence why the decision does not count.
	Why string
}

func (Voided) trigger() Trigger { return TriggerReviewVoid }

func (v Voided) apply(s *statusWriter) {
	s.clear(v1alpha1.ConditionRequiresApproval)
	s.deny(ReasonDenied, v1alpha1.DenialPolicyViolation, clip("The recorded decision does not count: "+v.Why), nil)
}

// statusWriter changes one status at one time.
type statusWriter struct {
	status *v1alpha1.AgentRequestStatus
	at     metav1.Time
}

func (w *statusWriter) set(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&w.status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: w.at,
	})
}

func (w *statusWriter) clear(kind string) { meta.RemoveStatusCondition(&w.status.Conditions, kind) }

func (w *statusWriter) deny(reason, code, message string, results []v1alpha1.PolicyResult) {
	w.status.Denial = &v1alpha1.Denial{Code: code, Message: message, PolicyResults: results}
	w.set(v1alpha1.ConditionApproved, metav1.ConditionFalse, reason, message)
}

func withReason(what, reason string) string {
	return fmt.Sprintf("%s: %s", what, cmp.Or(reason, "no reason given"))
}

// clip cuts s to maxMessage characters and marks the cut.
func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	if r := []rune(s); len(r) > maxMessage {
		return string(r[:maxMessage-1]) + "…"
	}
	return s
}
