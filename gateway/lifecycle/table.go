package lifecycle

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// State is a place in the lifecycle. A phase alone is not enough: a Pending request waits for its evaluation, for a
// reviewer or for the lock on its target.
type State struct {
	Phase v1alpha1.Phase
	// Held says that a reviewer must decide; it is only ever true in phase Pending.
	Held bool
	// Queued says that nothing is missing but the lock on the target; it is only ever true in phase Pending.
	Queued bool
}

// StateOf returns the place that a stored status is in.
func StateOf(s v1alpha1.AgentRequestStatus) State {
	pending := s.Phase == v1alpha1.PhasePending
	held := pending && meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionRequiresApproval)
	queued := pending && !held && meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionPolicyEvaluated)
	return State{Phase: s.Phase, Held: held, Queued: queued}
}

// WaitsForTarget reports whether nothing is missing but a target that another request holds.
func WaitsForTarget(s v1alpha1.AgentRequestStatus) bool {
	return StateOf(s).Queued && meta.IsStatusConditionFalse(s.Conditions, v1alpha1.ConditionLockAcquired)
}

// String returns the state as people read it, for example "Pending (held)".
func (s State) String() string {
	switch {
	case s.Phase == "":
		return "Submitted"
	case s.Held:
		return string(s.Phase) + " (held)"
	case s.Queued:
		return string(s.Phase) + " (queued)"
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
	TriggerShutOut        Trigger = "refused at admission"
	TriggerToBeGraded     Trigger = "to be graded"
	TriggerPolicyAllows   Trigger = "policy allows"
	TriggerPolicyHolds    Trigger = "policy asks for approval"
	TriggerPolicyDenies   Trigger = "policy denies"
	TriggerReviewApproves Trigger = "reviewer approves"
	TriggerReviewDenies   Trigger = "reviewer denies"
	TriggerReviewVoid     Trigger = "decision is void"
	TriggerDrifted        Trigger = "state drifted"
	TriggerUnbound        Trigger = "governed resource changed"
	TriggerLockBusy       Trigger = "lock is taken"
	TriggerLocked         Trigger = "lock acquired"
	TriggerLockTimeout    Trigger = "lock not free in time"
	TriggerLockLost       Trigger = "lock lost"
	TriggerStarted        Trigger = "agent started"
	TriggerNotStarted     Trigger = "not started in time"
	TriggerSucceeded      Trigger = "agent completed"
	TriggerFailed         Trigger = "agent failed"
	TriggerGraded         Trigger = "verdict given"
	TriggerNotGraded      Trigger = "no verdict in time"
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
	submitted, pending := State{}, State{Phase: v1alpha1.PhasePending}
	held, queued := State{Phase: v1alpha1.PhasePending, Held: true}, State{Phase: v1alpha1.PhasePending, Queued: true}
	approved, executing := State{Phase: v1alpha1.PhaseApproved}, State{Phase: v1alpha1.PhaseExecuting}
	ungraded := State{Phase: v1alpha1.PhaseAwaitingVerdict}
	denied, failed := State{Phase: v1alpha1.PhaseDenied}, State{Phase: v1alpha1.PhaseFailed}
	completed := State{Phase: v1alpha1.PhaseCompleted}
	return []Transition{
		{From: submitted, On: TriggerAdmitted, To: pending},
		{From: submitted, On: TriggerObserved, To: State{Phase: v1alpha1.PhaseObserved}},
		{From: submitted, On: TriggerShutOut, To: denied},
		{From: submitted, On: TriggerToBeGraded, To: ungraded},

		{From: pending, On: TriggerPolicyAllows, To: queued},
		{From: pending, On: TriggerPolicyHolds, To: held},
		{From: pending, On: TriggerPolicyDenies, To: denied},
		// A denial counts at any time before the decision, an approval only where one was asked for.
		{From: pending, On: TriggerReviewDenies, To: denied},
		{From: pending, On: TriggerReviewVoid, To: denied},

		{From: held, On: TriggerReviewApproves, To: queued},
		{From: held, On: TriggerReviewDenies, To: denied},
		{From: held, On: TriggerReviewVoid, To: denied},
		// A request that waits for a reviewer is evaluated again when policies change. It stays held even when they would
		// allow it now: somebody was asked.
		{From: held, On: TriggerPolicyHolds, To: held},
		{From: held, On: TriggerPolicyDenies, To: denied},
		{From: held, On: TriggerDrifted, To: denied},

		{From: queued, On: TriggerLockBusy, To: queued},
		{From: queued, On: TriggerLocked, To: approved},
		{From: queued, On: TriggerLockTimeout, To: denied},
		{From: queued, On: TriggerUnbound, To: denied},
		// What was decided before the target was free may not be so any more.
		{From: queued, On: TriggerDrifted, To: denied},
		{From: queued, On: TriggerReviewDenies, To: denied},
		{From: queued, On: TriggerReviewVoid, To: denied},

		{From: approved, On: TriggerStarted, To: executing},
		{From: approved, On: TriggerNotStarted, To: failed},
		{From: approved, On: TriggerLockLost, To: failed},
		{From: approved, On: TriggerFailed, To: failed},

		{From: executing, On: TriggerSucceeded, To: completed},
		{From: executing, On: TriggerFailed, To: failed},
		{From: executing, On: TriggerLockLost, To: failed},

		{From: ungraded, On: TriggerGraded, To: completed},
		{From: ungraded, On: TriggerNotGraded, To: State{Phase: v1alpha1.PhaseExpired}},
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
