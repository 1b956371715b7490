package attacks

import (
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// Hole (W-32b): an agent's record is a counter that is added to, and the list of what was counted is emptied by a recount, so
// verdicts count again; a recount counts verdicts that do not count; and what is counted goes with its request.
// Attack: the list is emptied, the summary is removed, a recount is asked for, the gateway is started anew, and the request that
// was graded badly is deleted.
// Proof: each verdict counts once, all the time, and a bad one is not to be got rid of.
func TestCountedTwice(t *testing.T) { //nolint:paralleltest // see own
	w := own(t, func(*gateway.Options) {})
	for _, verdict := range []string{`{"verdict":"correct"}`, `{"verdict":"incorrect","reasonCode":"wrong_diagnosis"}`, `{"verdict":"incorrect","reasonCode":"precautionary"}`} {
		w.as(t, reviewer, http.MethodPatch, w.path(w.ungraded(t, agent, agent), "/verdict"), verdict).is(t, http.StatusOK, "Completed")
	}
	s := &v1alpha1.DiagnosticAccuracySummary{}
	s.Namespace, s.Name = w.ns, store.ProfileName(agent)
	counted := func(after string) {
		t.Helper()
		eventually(t, "two verdicts count after "+after, func() bool {
			check(t, client.IgnoreNotFound(w.live.Get(t.Context(), client.ObjectKeyFromObject(s), s)))
			return s.Status.TotalReviewed == 2 && s.Status.CorrectCount == 1 && s.Status.IncorrectCount == 1 && len(s.Status.RecentVerdicts) == 2
		})
		got := w.as(t, agent, http.MethodGet, "/diagnostic-accuracy-summaries?namespace="+w.ns, "").is(t, http.StatusOK, `"totalReviewed":2`)
		if strings.Count(got.body, `"totalReviewed"`) != 1 {
			t.Errorf("after %s: %s", after, got.body)
		}
	}
	recount := func() {
		w.as(t, reviewer, http.MethodPost, "/agent-requests/recompute-accuracy?namespace="+w.ns, "").is(t, http.StatusOK, "recomputed")
	}
	counted("the verdicts")
	recount()
	counted("a recount")
	s.Status.RecentVerdicts, s.Status.TotalReviewed = nil, 0
	check(t, w.live.Status().Update(t.Context(), s))
	counted("the list was emptied")
	check(t, w.live.Delete(t.Context(), s))
	s.ResourceVersion, s.Status = "", v1alpha1.DiagnosticAccuracySummaryStatus{}
	counted("the summary was removed")
	var requests v1alpha1.AgentRequestList
	check(t, w.live.List(t.Context(), &requests, inNamespace(w.ns)))
	for i := range requests.Items {
		check(t, w.live.Delete(t.Context(), &requests.Items[i]))
	}
	again := own(t, func(*gateway.Options) {})
	again.ns = w.ns
	w = again
	recount()
	counted("the requests were deleted and a gateway began anew")
}
