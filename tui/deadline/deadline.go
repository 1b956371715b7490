// Package deadline computes what happens to an AgentRequest by itself, and when, if nobody does anything. It is the
// reconciler's clockwork as reviewers see it; requests go in, a moment and a few words come out.
package deadline

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Limits are the times that the reconciler works with. 0 is no limit.
type Limits struct {
	// LockWait is how long a request that may go on waits for its target, Start how long an approved one may wait to be
	// started, Verdict how long an observed one waits for its grade. How long an execution may take is not among them:
	// its agent puts that off with every heartbeat, of which the request does not tell.
	LockWait, Start, Verdict time.Duration
}

// Default are the limits that the gateway has unless its flags say otherwise.
func Default() Limits {
	return Limits{LockWait: time.Minute, Start: 5 * time.Minute, Verdict: 7 * 24 * time.Hour}
}

// Deadline is when something happens by itself, and what. The zero Deadline is none.
type Deadline struct {
	At time.Time
	// What says it in a few words, for example "start window closes".
	What string
}

// Of returns what happens to r next by itself.
func (l Limits) Of(r *v1alpha1.AgentRequest) Deadline {
	switch r.Status.Phase {
	case v1alpha1.PhasePending:
		return after(since(r, v1alpha1.ConditionLockAcquired, metav1.ConditionFalse), l.LockWait, "lock wait ends")
	case v1alpha1.PhaseApproved:
		return after(since(r, v1alpha1.ConditionApproved, metav1.ConditionTrue), l.Start, "start window closes")
	case v1alpha1.PhaseAwaitingVerdict:
		return after(r.CreationTimestamp.Time, l.Verdict, "expires ungraded")
	default:
		return Deadline{}
	}
}

func since(r *v1alpha1.AgentRequest, condition string, status metav1.ConditionStatus) time.Time {
	if c := meta.FindStatusCondition(r.Status.Conditions, condition); c != nil && c.Status == status {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// rounding is added to a limit: times in a status are cut to whole seconds, and the reconciler does not end early.
const rounding = time.Second

func after(from time.Time, limit time.Duration, what string) Deadline {
	if from.IsZero() || limit <= 0 {
		return Deadline{}
	}
	return Deadline{At: from.Add(limit + rounding), What: what}
}
