package attacks

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-22): rules of the types RateLimit and TimeWindow do what any rule does; their config is not read.
// Attack: the third request within the hour, and a request at a time at which the rule does not apply.
// Proof: the limit denies it with its own code; the window that never is denies nothing.
func TestFiction(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.policy(t, v1alpha1.Rule{
		Type: v1alpha1.RuleRateLimit, Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "limited"`,
		Config: &apiextensionsv1.JSON{Raw: []byte(`{"limit":2,"windowSeconds":3600,"scope":["agent","action"]}`)},
	})
	w.policy(t, v1alpha1.Rule{
		Type: v1alpha1.RuleTimeWindow, Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "timed"`,
		Config: &apiextensionsv1.JSON{Raw: []byte(`{"start":"00:00","end":"24:00","match":"outside"}`)},
	})
	for range 2 {
		state := w.submit(t, agent, "limited")
		if state.Phase == v1alpha1.PhaseDenied {
			t.Fatalf("denied before the limit: %+v", state.Denial)
		}
		w.as(t, agent, "POST", w.path(state.Name, "/failed"), "").is(t, 200, "Failed") // the target is one of the test's own
	}
	if state := w.submit(t, agent, "limited"); state.Denial == nil || state.Denial.Code != v1alpha1.DenialRateLimited || state.Denial.RetryAfterSeconds == nil {
		t.Errorf("phase %s, denial %+v", state.Phase, state.Denial)
	}
	if state := w.submit(t, agent, "timed"); state.Phase != v1alpha1.PhaseApproved {
		t.Errorf("phase %s, denial %+v", state.Phase, state.Denial)
	}
}
