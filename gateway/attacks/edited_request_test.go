package attacks

import (
	"net/http"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Hole (W-11): what was approved can be edited afterwards.
// Attack: with the right to write the object, its action, target, agent, parameters and decision are changed.
// Proof: the API server refuses each.
func TestEditedRequest(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.holds(t, "edited")
	name := w.submit(t, agent, "edited").Name
	w.as(t, reviewer, http.MethodPost, w.path(name, "/approve"), "").is(t, http.StatusOK, "Approved")
	for _, patch := range []string{
		`{"spec":{"action":"delete"}}`, `{"spec":{"target":{"uri":"test://everything"}}}`, `{"spec":{"agentIdentity":"rival"}}`,
		`{"spec":{"parameters":{"force":true}}}`, `{"spec":{"reason":"another"}}`, `{"spec":{"mode":"observe"}}`, `{"spec":{"dedupKey":"k"}}`,
		`{"spec":{"humanApproval":{"decision":"denied"}}}`, `{"spec":{"humanApproval":null}}`, `{"spec":{"governedResourceRef":{"name":"g","generation":1}}}`,
	} {
		if err := w.live.Patch(t.Context(), w.stored(t, name), client.RawPatch("application/merge-patch+json", []byte(patch))); err == nil {
			t.Errorf("%s was accepted", patch)
		}
	}
}
