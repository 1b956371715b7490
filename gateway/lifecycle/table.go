package lifecycle

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// State is a place in the lifecycle. A phase alone is not enough: a Pending request is either waiting for its
// evaluation or held for a reviewer.
type State struct {
	Phase v1alpha1.Phase
	// Held says that a reviewer must decide; it is only ever true in phase Pending.
	Held bool
}

// StateOf returns the place that a stored status is in.
func StateOf(s v1alpha1.AgentRequestStatus) State {
	held := s.Phase == v1alpha1.PhasePending &&
		meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionRequiresApproval)
	return State{Phase: s.Phase, Held: held}
}

// String returns the state as people read it, for example "Pending (held)".
func (s State) String() string {
	switch {
	case s.Phase == "":
		return "Submitted"
	case s.Held:
		return string(s.Phase) + " (held)"
	default:
		return string(s.Phase)
	}
}

// Trigger is the part of an Event that selects the row of the table.
type Trigger string

// The triggers. Each Event yields one of them.
const (
	TriggerAdmitted       Trigger = "admitted"
	TriggerObserved       Trigger = "observed"
	TriggerPolicyAllows   Trigger = "policy allows"
	TriggerPolicyHolds    Trigger = "policy asks for approval"
	TriggerPolicyDenies   Trigger = "policy denies"
	TriggerReviewApproves Trigger = "reviewer approves"
	TriggerReviewDenies   Trigger = "reviewer denies"
	TriggerReviewVoid     Trigger = "decision is void"
)

// Transition is one row of the table: in From, On leads to To.
type Transition struct {
	From State
	On   Trigger
	To   State
}

// Transitions returns the whole table. A pair that is not in it is an error, so that a phase can only change in a way
// that stands here.
func Transitions() []Transition {
	submitted := State{}
	pending := State{Phase: v1alpha1.PhasePending}
	held := State{Phase: v1alpha1.PhasePending, Held: true}
	approved := State{Phase: v1alpha1.PhaseApproved}
	denied := State{Phase: v1alpha1.PhaseDenied}
	observed := State{Phase: v1alpha1.PhaseObserved}
	return []Transition{
		{From: submitted, On: TriggerAdmitted, To: pending},
		{From: submitted, On: TriggerObserved, To: observed},

		{From: pending, On: TriggerPolicyAllows, To: approved},
		{From: pending, On: TriggerPolicyHolds, To: held},
		{From: pending, On: TriggerPolicyDenies, To: denied},
		// A denial counts at any time before the decision, an approval only where one was asked for.
		{From: pending, On: TriggerReviewDenies, To: denied},
		{From: pending, On: TriggerReviewVoid, To: denied},

		{From: held, On: TriggerReviewApproves, To: approved},
		{From: held, On: TriggerReviewDenies, To: denied},
		{From: held, On: TriggerReviewVoid, To: denied},
	}
}

// next returns where the table leads, and false when it has no such row.
func next(from State, on Trigger) (State, bool) {
	for _, t := range Transitions() {
		if t.From == from && t.On == on {
			return t.To, true
		}
	}
	return State{}, false
}
