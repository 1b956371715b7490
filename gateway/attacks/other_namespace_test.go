package attacks

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// Hole (W-02): policies and locks of the namespace that the agent writes into its own request.
// Attack: the request goes to a namespace without policies.
// Proof: it meets the policies of all namespaces, and the lock of its target.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.policy(t, v1alpha1.Rule{Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "elsewhere"`})
	body := strings.Replace(w.submission("elsewhere"), w.ns, testkit.Namespace(t, w.live), 1)
	state := w.as(t, agent, http.MethodPost, "/agent-requests", body).is(t, http.StatusCreated, "").state(t)
	if state.Phase != v1alpha1.PhaseDenied || state.Namespace == w.ns {
		t.Errorf("%s in %s, expected Denied in another namespace", state.Phase, state.Namespace)
	}

	first := w.submit(t, agent, "held-elsewhere")
	if first.Phase != v1alpha1.PhaseApproved {
		t.Fatalf("phase %s", first.Phase)
	}
	// The same target from another namespace: nobody gets it beside the first.
	other := testkit.Namespace(t, w.live)
	body = strings.Replace(w.submission("held-elsewhere"), `"namespace":"`+w.ns, `"namespace":"`+other, 1)
	done := make(chan reply, 1)
	go func() { done <- w.as(t, rival, http.MethodPost, "/agent-requests", body) }()
	var list v1alpha1.AgentRequestList
	eventually(t, "the second request waits for the lock", func() bool {
		check(t, w.live.List(t.Context(), &list, inNamespace(other)))
		return len(list.Items) == 1 && list.Items[0].Status.Phase != ""
	})
	if phase := list.Items[0].Status.Phase; phase != v1alpha1.PhasePending {
		t.Errorf("two requests hold one target: the second is %s", phase)
	}
	w.as(t, agent, http.MethodPost, w.path(first.Name, "/failed"), `{"reason":"makes way"}`).is(t, http.StatusOK, "Failed")
	<-done
}
