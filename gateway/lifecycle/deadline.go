package lifecycle

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Limits say for how long a request may wait.
type Limits struct {
	// LockWait is how long it may wait for its target, counted from when it began to wait.
	LockWait time.Duration
	// Start is how long after its approval the agent must begin.
	Start time.Duration
	// Verdict is how long after its creation a reviewer must grade it.
	Verdict time.Duration
}

// second is how exact the times in a status are: they are cut to whole seconds, so that a limit would end early.
const second = time.Second

// Deadline returns when the request has waited for too long in the place where it is, and what happens then. Without a
// limit there the event is nil. Nothing limits how long a request waits for a reviewer.
func (l Limits) Deadline(r *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) (time.Time, Event) {
	since := func(kind string, limit time.Duration, event Event) (time.Time, Event) {
		if c := meta.FindStatusCondition(status.Conditions, kind); c != nil {
			return c.LastTransitionTime.Add(limit + second), event
		}
		return time.Time{}, nil
	}
	switch state := StateOf(status); {
	case state.Queued:
		return since(v1alpha1.ConditionLockAcquired, l.LockWait, LockTimeout{})
	case state.Phase == v1alpha1.PhaseApproved:
		return since(v1alpha1.ConditionApproved, l.Start, NotStarted{})
	case state.Phase == v1alpha1.PhaseAwaitingVerdict:
		return r.CreationTimestamp.Add(l.Verdict), NotGraded{}
	default:
		return time.Time{}, nil
	}
}
