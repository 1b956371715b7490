package attacks

import (
	"net/http"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-32): who submits for an identity that is not the name in its token can create requests and then not execute them,
// because every endpoint compares another name.
// Attack: such a request is executed by who submitted it; a third one tries too.
// Proof: the one may, the other may not, at every endpoint alike.
func TestMappedIdentity(t *testing.T) {
	t.Parallel()
	w := shared(t)
	r := &v1alpha1.AgentRequest{Spec: v1alpha1.AgentRequestSpec{AgentIdentity: "billing-bot", Action: "mapped", Reason: "r", Target: v1alpha1.Target{URI: "test://" + w.ns}}}
	r.Namespace, r.GenerateName = w.ns, "mapped-"
	r.Annotations = map[string]string{v1alpha1.AnnotationSubmittedBy: agent}
	check(t, w.live.Create(t.Context(), r))
	w.phase(t, r.Name, v1alpha1.PhaseApproved)
	for _, call := range []struct{ method, rest, body, text string }{
		{http.MethodGet, "", "", "Approved"}, {http.MethodPost, "/executing", "", "Executing"}, {http.MethodPost, "/heartbeat", "", "Executing"},
		{http.MethodPut, "/result", `{"url":"https://x.example","summary":"s"}`, "recorded"}, {http.MethodPost, "/completed", "", "Completed"},
	} {
		w.as(t, rival, call.method, w.path(r.Name, call.rest), call.body).is(t, http.StatusForbidden, "forbidden")
		w.as(t, agent, call.method, w.path(r.Name, call.rest), call.body).is(t, http.StatusOK, call.text)
	}
}
