package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// verified asks as an agent whether what was approved is still there.
func (w *world) verified(t *testing.T, who, name, body string) reply {
	t.Helper()
	return w.whenLookedUp(t, who, "POST", w.path(name, "/verify"), body)
}

// whenLookedUp calls until the look-ups of the live state come in time, which on a busy machine they may not.
func (w *world) whenLookedUp(t *testing.T, who, method, path, body string) reply {
	t.Helper()
	var got reply
	eventually(t, func() bool {
		got = w.as(t, who, method, path, body)
		return got.status != http.StatusServiceUnavailable
	})
	return got
}

// verifications: right before it begins, an agent asks whether what was approved is still there.
func verifications(t *testing.T, w *world) {
	w.holds(t, "verified")
	const service = "verified"
	body := fmt.Sprintf(`{"namespace":%[1]q,"action":"verified","targetURI":"k8s://c/%[1]s/deployment/%[2]s","reason":"r"}`, w.ns, service)
	var held wire.RequestState
	w.as(t, agent1, "POST", "/agent-requests", body).want(t, http.StatusCreated, "Pending").into(t, &held)
	name := held.Name
	w.verified(t, agent1, name, `{"forGeneration":0}`).want(t, http.StatusConflict, `request is in phase \"Pending\" — only an Approved request can be verified`)
	w.as(t, reviewer1, "POST", w.path(name, "/approve"), "").want(t, http.StatusOK, "Approved")
	generation := w.stored(t, name).Status.EvaluationGeneration // policies of other tests may have it evaluated again
	current := fmt.Sprintf(`{"forGeneration":%d}`, generation)

	w.verified(t, agent1, name, current).want(t, http.StatusOK, fmt.Sprintf(`{"verified":true,"agentRequestName":%q,"evaluationGeneration":%d}`, name, generation))
	w.verified(t, agent1, name, `{"forGeneration":99}`).want(t, http.StatusOK, `{"verified":false,"code":"GENERATION_MISMATCH"`)
	w.verified(t, agent2, name, current).want(t, http.StatusForbidden, "only the creating agent")
	w.verified(t, reviewer1, name, current).want(t, http.StatusForbidden, "agent role required")
	w.verified(t, agent1, name, `{}`).want(t, http.StatusBadRequest, "forGeneration is required")
	w.verified(t, agent1, "none", current).want(t, http.StatusNotFound, "AgentRequest not found")

	check(t, w.live.Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: w.ns, Name: service + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}},
	}))
	got := w.verified(t, agent1, name, current).want(t, http.StatusOK, `{"verified":false,"code":"STATE_DRIFTED"`)
	if !strings.Contains(got.body, "active endpoints was 0, is 1") {
		t.Errorf("%s does not say what changed", got.body)
	}
	r := w.stored(t, name)
	if r.Status.Phase != v1alpha1.PhaseApproved {
		t.Errorf("phase %s: whether to go on is up to the agent", r.Status.Phase)
	}
	eventually(t, func() bool {
		var state wire.RequestState
		w.as(t, agent1, "GET", w.path(name, ""), "").into(t, &state)
		told := 0
		for _, event := range state.AuditEvents {
			if event == string(v1alpha1.AuditStateDriftedVerify) {
				told++
			}
		}
		return told == 2 && slices.Contains(state.AuditEvents, "request.approved")
	})
}
