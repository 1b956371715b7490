// Package deadline computes what happens to an AgentRequest by itself, and when, if nobody does anything. It is the
// reconciler's clockwork as reviewers see it; requests go in, a moment and a few words come out.
package deadline

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Limits are the times that the reconciler works with.
type Limits struct {
	// Start is how long an approved request may wait to be started, Lease how long its execution may take, Verdict how
	// long an observed one waits for its grade. 0 is no limit.
	Start, Lease, Verdict time.Duration
}

// Default are the limits that the chart sets.
func Default() Limits {
	return Limits{Start: 5 * time.Minute, Lease: 5 * time.Minute, Verdict: 7 * 24 * time.Hour}
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
	case v1alpha1.PhaseApproved:
		return after(since(r, v1alpha1.ConditionApproved), l.Start, "start window closes")
	case v1alpha1.PhaseExecuting:
		return after(since(r, v1alpha1.ConditionExecuting), l.Lease, "lease runs out")
	case v1alpha1.PhaseAwaitingVerdict:
		return after(r.CreationTimestamp.Time, l.Verdict, "expires ungraded")
	default:
		return Deadline{}
	}
}

func since(r *v1alpha1.AgentRequest, condition string) time.Time {
	if c := meta.FindStatusCondition(r.Status.Conditions, condition); c != nil && c.Status == metav1.ConditionTrue {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

func after(from time.Time, limit time.Duration, what string) Deadline {
	if from.IsZero() || limit <= 0 {
		return Deadline{}
	}
	return Deadline{At: from.Add(limit), What: what}
}
