package reconcile_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// TestDecisionsGoFirst: hole: agents that flood the gateway keep people and other agents waiting. Attack: 2,000 requests
// at once, and then a decision about one that came before them, whose agent starts and completes it. Proof: each of the
// three is confirmed while no more than a tenth of the flood gets its turn (0.1 to 0.6 s of 20 on a quiet machine), and
// the flood goes on. It does not run beside the other tests, whose managers would take part.
func TestDecisionsGoFirst(t *testing.T) { //nolint:paralleltest // see above
	const flood, writers, most = 2000, 25, 200
	w := startWith(t, setup{byDefault: v1alpha1.ActionAllow, flooded: true})
	w.policyIn(t, w.ns, "held-in-a-flood", v1alpha1.ActionRequireApproval)
	w.policyIn(t, w.ns, "flood", v1alpha1.ActionDeny) // which leaves no locks
	r := w.submit(t, "held-in-a-flood")
	t.Cleanup(func() { // the managers of the tests that come next must not find the rest
		w.stop()
		for _, all := range []client.Object{&v1alpha1.AgentRequest{}, &v1alpha1.AuditRecord{}} {
			check(t, w.live.DeleteAllOf(context.WithoutCancel(t.Context()), all, client.InNamespace(w.ns)))
		}
	})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range flood / writers {
				w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action = "flood" })
			}
		})
	}
	wg.Wait()
	eventually(t, func() bool {
		return w.count(t, func(r *v1alpha1.AgentRequest) bool { return r.Spec.Action == "flood" }) == flood
	})

	start := w.count(t, untouched)
	for _, step := range []struct {
		to  v1alpha1.Phase
		act func()
	}{
		{v1alpha1.PhaseApproved, func() { w.decide(t, r, v1alpha1.DecisionApproved, "rev", "") }},
		{v1alpha1.PhaseExecuting, func() { w.report(t, r, v1alpha1.ConditionExecuting) }},
		{v1alpha1.PhaseCompleted, func() { w.report(t, r, v1alpha1.ConditionCompleted) }},
	} {
		step.act()
		before, began := w.count(t, untouched), time.Now()
		w.until(t, r, step.to)
		after := w.count(t, untouched)
		t.Logf("%s after %s, %d untouched", step.to, time.Since(began).Round(time.Millisecond), after)
		if before-after > most || after == 0 {
			t.Errorf("%s was confirmed after %d of the flood, %d are left; want %d at most, and some left", step.to, before-after, after, most)
		}
	}
	eventually(t, func() bool { return w.count(t, untouched) < start })
}

// untouched reports whether nobody has looked at a request.
func untouched(r *v1alpha1.AgentRequest) bool { return r.Status.Phase == "" }

// count returns how many requests of the world match.
func (w world) count(t *testing.T, match func(*v1alpha1.AgentRequest) bool) int {
	t.Helper()
	list, err := w.store.List(t.Context(), w.ns, match)
	check(t, err)
	return len(list)
}
