package deadline_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/filter"
)

// What the queue counts down to is what the reconciler does, to the second.
func TestAsTheReconciler(t *testing.T) {
	t.Parallel()
	at := metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	ours := deadline.Default()
	theirs := lifecycle.Limits{LockWait: ours.LockWait, Start: ours.Start, Verdict: ours.Verdict}
	condition := func(kind string, status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: kind, Status: status, LastTransitionTime: at}}
	}
	for name, status := range map[string]v1alpha1.AgentRequestStatus{
		"held": {Phase: v1alpha1.PhasePending, Conditions: condition(v1alpha1.ConditionRequiresApproval, metav1.ConditionTrue)},
		"queued": {Phase: v1alpha1.PhasePending, Conditions: append(condition(v1alpha1.ConditionLockAcquired, metav1.ConditionFalse),
			condition(v1alpha1.ConditionPolicyEvaluated, metav1.ConditionTrue)...)},
		"approved":  {Phase: v1alpha1.PhaseApproved, Conditions: condition(v1alpha1.ConditionApproved, metav1.ConditionTrue)},
		"executing": {Phase: v1alpha1.PhaseExecuting, Conditions: condition(v1alpha1.ConditionExecuting, metav1.ConditionTrue)},
		"ungraded":  {Phase: v1alpha1.PhaseAwaitingVerdict},
		"denied":    {Phase: v1alpha1.PhaseDenied},
	} {
		r := &v1alpha1.AgentRequest{Status: status}
		r.CreationTimestamp = at
		want, _ := theirs.Deadline(r, status)
		got := ours.Of(r)
		if d := got.At.Sub(want); got.At.IsZero() != want.IsZero() || d < -time.Second || d > time.Second {
			t.Errorf("%s: %s, the reconciler acts at %s", name, got.At, want)
		}
		if soon := filter.Parse("is:expiring").Match(r, filter.Context{Now: want.Add(-time.Second), Limits: ours}); soon == want.IsZero() {
			t.Errorf("%s: expiring is %t", name, soon)
		}
	}
}
