package filter_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	waiting := fakegateway.Pending("one", "cost-bot", "scale-down", "k8s://prod/batch/etl", "Idle since noon", now)
	approved := waiting.DeepCopy()
	approved.Status.Phase = v1alpha1.PhaseApproved
	approved.Spec.HumanApproval = &v1alpha1.HumanApproval{Decision: "approved", ApprovedBy: "bob"}
	approved.Status.Conditions = []metav1.Condition{{Type: "Approved", Status: "True", LastTransitionTime: metav1.NewTime(now.Add(-4 * time.Minute))}}
	old := approved.DeepCopy()
	old.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-24 * time.Hour))
	old.Status.Phase = v1alpha1.PhaseDenied
	c := filter.Context{Now: now, Me: "bob", Limits: deadline.Default()}
	for _, each := range []struct {
		text string
		// want says whether waiting, approved and old match.
		want [3]bool
	}{
		{"", [3]bool{true, true, true}},
		{"ETL idle", [3]bool{true, true, true}},
		{"etl nothing", [3]bool{}},
		{"!etl", [3]bool{}},
		{"!!etl", [3]bool{true, true, true}},
		{"agent:cost", [3]bool{true, true, true}},
		{"action:cost", [3]bool{}},
		{"!action:cost", [3]bool{true, true, true}},
		{"phase:approved", [3]bool{false, true, false}},
		{"by:bob", [3]bool{false, true, true}},
		{"is:waiting", [3]bool{true, false, false}},
		{"!is:waiting", [3]bool{false, true, true}},
		{"is:expiring", [3]bool{false, true, false}},
		{"is:mine", [3]bool{false, true, true}},
		{"is:decided is:today", [3]bool{false, true, false}},
		{"k8s://prod", [3]bool{true, true, true}},
		{"is:unheard-of", [3]bool{}},
		{"!", [3]bool{}},
	} {
		q := filter.Parse(each.text)
		got := [3]bool{q.Match(waiting, c), q.Match(approved, c), q.Match(old, c)}
		if got != each.want {
			t.Errorf("%q: %v, want %v", each.text, got, each.want)
		}
	}
}
