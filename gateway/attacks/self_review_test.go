package attacks

import (
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-04): only the approval compares names, and only one of the two names that a request has.
// Attack: who is agent and reviewer approves, denies and grades its own request; through kubectl, in its own name and as the
// one who submitted it.
// Proof: 403, and what is recorded past the gateway is void.
func TestSelfReview(t *testing.T) {
	t.Parallel()
	w := shared(t)
	w.holds(t, "own-deed")
	held := w.submit(t, both, "own-deed")
	for _, verb := range []string{"/approve", "/deny"} {
		w.as(t, both, http.MethodPost, w.path(held.Name, verb), `{"reason":"I am sure"}`).is(t, http.StatusForbidden, "self-approval not permitted")
	}

	soak := w.ungraded(t, both, both)
	w.as(t, both, http.MethodPatch, w.path(soak, "/verdict"), `{"verdict":"correct"}`).is(t, http.StatusForbidden, "self-approval not permitted")
	w.as(t, reviewer, http.MethodPatch, w.path(soak, "/verdict"), `{"verdict":"partial","reasonCode":"bad_timing"}`).is(t, http.StatusOK, "Completed")
	if r := w.stored(t, soak); r.Status.VerdictBy != reviewer {
		t.Errorf("graded by %q", r.Status.VerdictBy)
	}
	w.as(t, second, http.MethodPatch, w.path(soak, "/verdict"), `{"verdict":"correct"}`).is(t, http.StatusConflict, "already graded partial by "+reviewer)

	// A request that one identity submitted for another: neither decides.
	forAnother := w.ungraded(t, agent, both)
	w.as(t, both, http.MethodPatch, w.path(forAnother, "/verdict"), `{"verdict":"correct"}`).is(t, http.StatusForbidden, "self-approval not permitted")

	past := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"humanApproval":{"decision":"approved","forGeneration":0,"approvedBy":"`+both+`"}}}`))
	check(t, w.live.Patch(t.Context(), w.stored(t, held.Name), past))
	if r := w.phase(t, held.Name, v1alpha1.PhaseDenied); !strings.Contains(r.Status.Denial.Message, "does not count") {
		t.Errorf("denial %+v", r.Status.Denial)
	}
}

// ungraded stores a request of an agent, submitted by somebody, that waits for a verdict.
func (w *world) ungraded(t testing.TB, of, by string) string {
	t.Helper()
	r := &v1alpha1.AgentRequest{Spec: v1alpha1.AgentRequestSpec{AgentIdentity: of, Action: "soak", Reason: "r", Target: v1alpha1.Target{URI: "test://" + w.ns + "/soak"}}}
	r.Namespace, r.GenerateName = w.ns, "soak-"
	r.Annotations = map[string]string{v1alpha1.AnnotationCanExecute: "false", v1alpha1.AnnotationSubmittedBy: by}
	check(t, w.live.Create(t.Context(), r))
	w.phase(t, r.Name, v1alpha1.PhaseAwaitingVerdict)
	return r.Name
}
