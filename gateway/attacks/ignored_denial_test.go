package attacks

import (
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-25): a denial that was answered 200 is not looked at while the request waits for its target, and an approval
// before the evaluation counts for results that nobody has seen.
// Attack: a denial while the request waits for the lock, through the gateway and past it; an approval of a request that no policy
// holds.
// Proof: the denial ends the request, and the agent reads why; the approval is refused.
func TestIgnoredDenial(t *testing.T) {
	t.Parallel()
	w := shared(t)
	first := w.submit(t, agent, "busy")
	past := func(name string) {
		denial := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"humanApproval":{"decision":"denied","forGeneration":0,"reason":"not now","approvedBy":"reviewer"}}}`))
		check(t, w.live.Patch(t.Context(), w.stored(t, name), denial))
	}
	through := func(name string) {
		w.as(t, reviewer, http.MethodPost, w.path(name, "/approve"), "").is(t, http.StatusConflict, "no policy asks for a decision")
		w.as(t, reviewer, http.MethodPost, w.path(name, "/deny"), `{"reason":"not now"}`).is(t, http.StatusOK, `"phase":"Denied"`)
		w.as(t, reviewer, http.MethodPost, w.path(name, "/deny"), "").is(t, http.StatusConflict, "denied by reviewer")
	}
	for _, deny := range []func(string){past, through} {
		waiting := make(chan reply, 1)
		go func() { waiting <- w.as(t, rival, http.MethodPost, "/agent-requests", w.submission("busy")) }()
		name := w.waiting(t, first.Name)
		deny(name)
		r := w.phase(t, name, v1alpha1.PhaseDenied)
		if !strings.Contains(r.Status.Denial.Message, "not now") {
			t.Errorf("the agent does not learn why: %+v", r.Status.Denial)
		}
		if state := (<-waiting).is(t, http.StatusCreated, "").state(t); state.Phase != v1alpha1.PhaseDenied {
			t.Errorf("the agent reads %s", state.Phase)
		}
	}
}

// waiting returns the request of the test's namespace that is pending, once there is one besides the first.
func (w *world) waiting(t *testing.T, first string) (name string) {
	t.Helper()
	eventually(t, "the second waits for the lock", func() bool {
		var list v1alpha1.AgentRequestList
		check(t, w.live.List(t.Context(), &list, inNamespace(w.ns)))
		for i := range list.Items {
			if r := &list.Items[i]; r.Name != first && r.Status.Phase == v1alpha1.PhasePending {
				name = r.Name
			}
		}
		return name != ""
	})
	return name
}
