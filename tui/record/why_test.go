package record_test

import (
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/record"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	r := fakegateway.Rich(now)
	r.Status.PolicyResults = []v1alpha1.PolicyResult{{PolicyName: "guard", RuleName: "needs-human", Result: "RequireApproval", PolicyGeneration: 3}}
	r.Status.ProviderContext = &apiextensionsv1.JSON{Raw: []byte(`{"ciStatus":"failure"}`)}
	var p v1alpha1.SafetyPolicy
	p.Name, p.Generation = "guard", 4
	p.Spec.Rules = []v1alpha1.Rule{{
		Name: "needs-human", Action: "RequireApproval",
		Expression: `request.spec.action in ["delete"] && (target.activeEndpointCount > 0 || has(request.spec.mode)) && request.spec.target.uri.startsWith("k8s://prod") && context.ciStatus == ctxData.wanted`,
	}}
	got := record.Explain(r, []v1alpha1.SafetyPolicy{p})
	if len(got) != 1 || !got[0].Newer {
		t.Fatalf("found %+v", got)
	}
	var values []string
	for _, v := range got[0].Values {
		values = append(values, v.Name+"="+v.Value)
	}
	want := `request.spec.action="delete" target.activeEndpointCount=2 request.spec.mode="govern" request.spec.target.uri="k8s://prod/default/deployment/payment-api" context.ciStatus="failure" ctxData.wanted=not set`
	if joined := strings.Join(values, " "); joined != want {
		t.Errorf("found %s\nwant  %s", joined, want)
	}
	other := p
	other.Namespace, other.Generation = "elsewhere", 3
	other.Spec.Rules = []v1alpha1.Rule{{Name: "needs-human", Action: "RequireApproval", Expression: "true"}}
	if both := record.Explain(r, []v1alpha1.SafetyPolicy{p, other}); len(both) != 1 || both[0].Expression != "true" || both[0].Newer {
		t.Errorf("of two policies with one name the one that spoke is not the one that is shown: %+v", both)
	}
	lines := strings.Join(record.Lines(r, record.Options{Look: plain(), Zone: time.UTC, Width: 80, Why: got}), "\n")
	for _, part := range []string{"guard, rule needs-human: RequireApproval", `request.spec.action in ["delete"]`, "target.activeEndpointCount = 2", "changed since"} {
		if !strings.Contains(lines, part) {
			t.Errorf("no %q in\n%s", part, lines)
		}
	}
}
