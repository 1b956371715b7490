package contract_test

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// everyReport: an agent tells how its action goes, and reads its trail; a reviewer grades.
func everyReport(t *testing.T, w *world) {
	agent, ctx := w.as(t, "agent"), t.Context()
	phase := func(what string, got wire.Reported, err error, want v1alpha1.Phase) {
		t.Helper()
		if err != nil || got.Phase != want || got.Message == "" {
			t.Errorf("%s: found %+v, %v", what, got, err)
		}
	}
	name := w.submit(t, "scale-down", "every-report-1").Name
	_, early := agent.Completed(ctx, w.ns, name)
	if !errors.Is(early, client.ErrConflict) {
		t.Errorf("completed before it began: %v", early)
	}
	done, err := agent.Executing(ctx, w.ns, name)
	phase("executing", done, err, v1alpha1.PhaseExecuting)
	done, err = agent.Heartbeat(ctx, w.ns, name)
	phase("heartbeat", done, err, v1alpha1.PhaseExecuting)
	if out, err := agent.Result(ctx, w.ns, name, v1alpha1.Result{URL: "https://ci.example.org/7", Summary: "s"}); err != nil || out.Status == "" {
		t.Errorf("result: found %+v, %v", out, err)
	}
	done, err = agent.Completed(ctx, w.ns, name)
	phase("completed", done, err, v1alpha1.PhaseCompleted)
	trail, err := agent.AuditRecords(ctx, client.AuditOptions{Namespace: w.ns, Request: name})
	if err != nil || len(trail) == 0 || trail[len(trail)-1].Spec.Event != v1alpha1.AuditRequestSubmitted {
		t.Errorf("trail: found %d records, %v", len(trail), err)
	}

	name = w.submit(t, "scale-down", "every-report-2").Name
	done, err = agent.Failed(ctx, w.ns, name, wire.Failure{Reason: "disk full"})
	phase("failed", done, err, v1alpha1.PhaseFailed)

	soak := &v1alpha1.AgentRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "soak-", Annotations: map[string]string{v1alpha1.AnnotationCanExecute: "false"}},
		Spec:       v1alpha1.AgentRequestSpec{AgentIdentity: "agent", Action: "a", Reason: "r", Target: v1alpha1.Target{URI: "test://soak"}},
	}
	check(t, w.live.Create(ctx, soak))
	for {
		state, err := agent.Get(ctx, w.ns, soak.Name)
		check(t, err)
		if state.Phase == v1alpha1.PhaseAwaitingVerdict {
			break
		}
	}
	done, err = w.as(t, "reviewer").Grade(ctx, w.ns, soak.Name, wire.Verdict{Verdict: v1alpha1.VerdictPartial, ReasonCode: "bad_timing"})
	phase("graded", done, err, v1alpha1.PhaseCompleted)

	seen := map[string]bool{}
	for after, first := "", true; first || after != ""; first = false {
		var items []v1alpha1.AgentRequest
		items, after, err = w.as(t, "reviewer").Page(ctx, client.ListOptions{Namespace: w.ns}, 2, after)
		check(t, err)
		if len(items) > 2 {
			t.Errorf("a page of %d", len(items))
		}
		for i := range items {
			seen[items[i].Name] = true
		}
	}
	if !seen[name] || !seen[soak.Name] {
		t.Errorf("the pages do not hold %s and %s", name, soak.Name)
	}
}
