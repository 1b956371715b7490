package attacks

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-08, W-09): an approval hands a credential of the agent to whoever approves, before anything is decided, and
// whoever names an approved request gets one too; hanging up ends a request.
// Attack: the reviewer looks for a token in its answer, another agent reports about the request, a client hangs up.
// Proof: the answer holds name and phase, reports are the owner's, and who hangs up changes nothing.
func TestLeakedToken(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.holds(t, "sealed")
	name := w.submit(t, agent, "sealed").Name
	answer := w.as(t, reviewer, http.MethodPost, w.path(name, "/approve"), `{"reason":"fine"}`).is(t, http.StatusOK, "Approved")
	fields := map[string]any{}
	check(t, json.Unmarshal([]byte(answer.body), &fields))
	delete(fields, "name")
	delete(fields, "phase")
	if len(fields) > 0 {
		t.Errorf("the reviewer's answer holds %v", fields)
	}
	for _, verb := range []string{"/executing", "/heartbeat", "/completed", "/failed"} {
		w.as(t, rival, http.MethodPost, w.path(name, verb), "").is(t, http.StatusForbidden, "only the creating agent")
		w.as(t, reviewer, http.MethodPost, w.path(name, verb), "").is(t, http.StatusForbidden, "agent role required")
	}
	w.as(t, rival, http.MethodPut, w.path(name, "/result"), `{"url":"https://x.example","summary":"s"}`).is(t, http.StatusForbidden, "only the creating agent")
	if r := w.stored(t, name); r.Status.Phase != v1alpha1.PhaseApproved {
		t.Errorf("phase %s", r.Status.Phase)
	}
}
