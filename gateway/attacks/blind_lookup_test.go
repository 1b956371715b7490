package attacks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-12, W-18): a target that cannot be looked up counts as one that is not there, so "deny while it has endpoints"
// lets a deletion pass when the API server is slow or refuses; or the lookup hangs and everything with it.
// Attack: the Kubernetes API answers the lookup with an error.
// Proof: the rule counts as failed, its policy fails closed, and the next request is served.
func TestBlindLookup(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.policy(t, v1alpha1.Rule{Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "blind" && target.hasActiveEndpoints`})
	ask := func(uri string) string {
		body := strings.Replace(w.submission("blind"), "test://"+w.ns+"/blind", uri, 1)
		state := w.as(t, agent, http.MethodPost, "/agent-requests", body).is(t, http.StatusCreated, "").state(t)
		if state.Denial == nil {
			return string(state.Phase)
		}
		return string(state.Phase) + " " + state.Denial.Code
	}
	if got := ask("k8s://prod/" + w.ns + "/deployment/" + unreachable); got != "Denied EVALUATION_FAILURE" {
		t.Errorf("a target that cannot be looked up: %s", got)
	}
	if got := ask("k8s://prod/" + w.ns + "/deployment/absent"); got != "Approved" {
		t.Errorf("a target that is not there: %s", got)
	}
}
