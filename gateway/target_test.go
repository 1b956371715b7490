package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/gateway/wire"
)

// looked asks as somebody how the target is now.
func (w *world) looked(t *testing.T, who, name string) reply {
	t.Helper()
	return w.whenLookedUp(t, who, "GET", w.path(name, "/target"), "")
}

// targetsLookedAt: reviewers see the target as it is now, beside what was recorded.
func targetsLookedAt(t *testing.T, w *world) {
	w.holds(t, "looked")
	const service = "looked"
	body := fmt.Sprintf(`{"namespace":%[1]q,"action":"looked","targetURI":"k8s://c/%[1]s/deployment/%[2]s","reason":"r"}`, w.ns, service)
	var held wire.RequestState
	w.as(t, agent1, "POST", "/agent-requests", body).want(t, http.StatusCreated, "Pending").into(t, &held)
	before := w.stored(t, held.Name)

	var got wire.Target
	w.looked(t, reviewer1, held.Name).want(t, http.StatusOK, `"changed":""`).into(t, &got)
	if got.Recorded == nil || got.Current == nil || got.Recorded.HasActiveEndpoints || got.Current.HasActiveEndpoints ||
		got.Current.FetchedAt.Before(&got.Recorded.FetchedAt) || got.ResourceVersion != before.ResourceVersion {
		t.Errorf("%+v", got)
	}
	for _, agent := range []string{agent1, agent2} { // an agent could find out by it what is in the cluster
		w.looked(t, agent, held.Name).want(t, http.StatusForbidden, "reviewer role required")
	}
	w.looked(t, reviewer1, "none").want(t, http.StatusNotFound, "AgentRequest not found")

	check(t, w.live.Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: w.ns, Name: service + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}},
	}))
	w.looked(t, reviewer1, held.Name).want(t, http.StatusOK, "active endpoints was 0, is 1").into(t, &got)
	if got.Recorded.ActiveEndpointCount != 0 || got.Current.ActiveEndpointCount != 1 || !strings.Contains(got.Changed, "exists was false, is true") {
		t.Errorf("%+v", got)
	}
	if after := w.stored(t, held.Name); after.ResourceVersion != before.ResourceVersion {
		t.Error("looking at the target changed the request")
	}
}
