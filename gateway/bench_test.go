package gateway

import (
	"net/http"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// BenchmarkSubmit is a submission that a policy decides, as an agent sees it.
func BenchmarkSubmit(b *testing.B) {
	w := start(b)
	token := w.Token(b, agent1)
	for b.Loop() {
		if got := w.do(b, "POST", "/agent-requests", token, w.submission("measured")); got.status != http.StatusCreated {
			b.Fatal(got.body)
		}
	}
}

// BenchmarkWrites is the part of BenchmarkSubmit that is the API server's: one create and one write of the status.
func BenchmarkWrites(b *testing.B) {
	w := start(b)
	check(b, w.end())
	for b.Loop() {
		r := &v1alpha1.AgentRequest{Spec: v1alpha1.AgentRequestSpec{AgentIdentity: agent1, Action: "a", Reason: "r", Target: v1alpha1.Target{URI: "u"}}}
		r.Namespace, r.GenerateName = w.ns, "bench-"
		check(b, w.live.Create(b.Context(), r))
		r.Status.Phase = v1alpha1.PhaseApproved
		check(b, w.live.Status().Update(b.Context(), r))
	}
}
