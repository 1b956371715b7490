package policy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
)

func rule(name, action, expression string) v1alpha1.Rule {
	return v1alpha1.Rule{Name: name, Type: v1alpha1.RuleStateEvaluation, Action: action, Expression: expression}
}

func set(mode string, rules ...v1alpha1.Rule) v1alpha1.SafetyPolicy {
	return v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: 3},
		Spec:       v1alpha1.SafetyPolicySpec{FailureMode: mode, Rules: rules},
	}
}

func input() policy.Input {
	priority := int32(5)
	return policy.Input{
		Request: &v1alpha1.AgentRequest{
			ObjectMeta: metav1.ObjectMeta{Name: "r", Namespace: "default"},
			Spec: v1alpha1.AgentRequestSpec{
				AgentIdentity: "agent", Action: "delete", Reason: "idle", Priority: &priority,
				Target:     v1alpha1.Target{URI: "k8s://prod/default/deployment/api"},
				Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"replicas":2,"ratio":0.5,"tags":["a"]}`)},
			},
		},
		Target: policy.UnknownTarget(), Now: time.Unix(0, 0),
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const yes, no, broken = "true", "false", "request.spec.absent.more == 1"
	deny, hold := rule("d", v1alpha1.ActionDeny, yes), rule("h", v1alpha1.ActionRequireApproval, yes)
	log, allow := rule("l", v1alpha1.ActionLog, yes), rule("a", v1alpha1.ActionAllow, yes)
	told := rule("m", v1alpha1.ActionDeny, yes)
	told.Message = "not on Fridays"
	window := rule("w", v1alpha1.ActionAllow, yes)
	window.Type = "Sundial"
	for name, c := range map[string]struct {
		mode    string
		rules   []v1alpha1.Rule
		outcome policy.Outcome
		code    string
		message string
		results string
	}{
		"no policy matched":            {"", []v1alpha1.Rule{rule("x", v1alpha1.ActionDeny, no)}, policy.Allow, "", "no policy matched", ""},
		"deny":                         {"", []v1alpha1.Rule{deny}, policy.Deny, "POLICY_VIOLATION", "Denied by policy: p rule: d", "Deny"},
		"own message":                  {"", []v1alpha1.Rule{told}, policy.Deny, "POLICY_VIOLATION", "not on Fridays", "Deny"},
		"approval":                     {"", []v1alpha1.Rule{hold}, policy.RequireApproval, "", "Approval required by policy: p rule: h", "RequireApproval"},
		"deny beats approval":          {"", []v1alpha1.Rule{hold, deny}, policy.Deny, "POLICY_VIOLATION", "Denied by policy", "RequireApproval Deny"},
		"approval beats log and allow": {"", []v1alpha1.Rule{allow, log, hold}, policy.RequireApproval, "", "Approval", "Log RequireApproval"},
		"log proceeds":                 {"", []v1alpha1.Rule{log}, policy.Log, "", "Allowed", "Log"},
		"broken closes by default":     {"", []v1alpha1.Rule{rule("b", v1alpha1.ActionAllow, broken)}, policy.Deny, "EVALUATION_FAILURE", "CEL evaluation failed (FailClosed): ", "EvaluationFailed (Deny)"},
		"broken open is recorded":      {v1alpha1.FailOpen, []v1alpha1.Rule{rule("b", v1alpha1.ActionDeny, broken)}, policy.Allow, "", "no policy matched", "EvaluationFailed"},
		"does not compile":             {"", []v1alpha1.Rule{rule("b", v1alpha1.ActionAllow, "request.")}, policy.Deny, "EVALUATION_FAILURE", "CEL evaluation failed", "EvaluationFailed (Deny)"},
		"not a bool":                   {"", []v1alpha1.Rule{rule("b", v1alpha1.ActionAllow, "1")}, policy.Deny, "EVALUATION_FAILURE", "must yield a bool", "EvaluationFailed (Deny)"},
		"a string at run time":         {"", []v1alpha1.Rule{rule("b", v1alpha1.ActionAllow, "request.spec.action")}, policy.Deny, "EVALUATION_FAILURE", "must yield a bool", "EvaluationFailed (Deny)"},
		"type of a later version":      {"", []v1alpha1.Rule{window}, policy.Deny, "EVALUATION_FAILURE", `"Sundial" is none of`, "EvaluationFailed (Deny)"},
		"unknown action denies":        {"", []v1alpha1.Rule{rule("u", "Shrug", yes)}, policy.Outcome("Shrug"), "POLICY_VIOLATION", "Denied by policy", "Shrug"},
		"fields of the request":        {"", []v1alpha1.Rule{rule("f", v1alpha1.ActionDeny, `request.spec.action in ["delete"] && request.metadata.namespace == "default" && request.spec.priority == 5`)}, policy.Deny, "POLICY_VIOLATION", "", "Deny"},
		"parameters keep their types":  {"", []v1alpha1.Rule{rule("f", v1alpha1.ActionDeny, `request.spec.parameters.replicas % 2 == 0 && request.spec.parameters.ratio < 0.6 && request.spec.parameters.tags[0] == "a"`)}, policy.Deny, "POLICY_VIOLATION", "", "Deny"},
		"absent fields need has":       {"", []v1alpha1.Rule{rule("f", v1alpha1.ActionDeny, `!has(request.spec.classification)`)}, policy.Deny, "POLICY_VIOLATION", "", "Deny"},
		"target has its six keys":      {"", []v1alpha1.Rule{rule("f", v1alpha1.ActionDeny, `!target.exists && !target.hasActiveEndpoints && target.activeEndpointCount == 0 && target.readyReplicas == 0 && target.specReplicas == 0 && target.downstreamServices.size() == 0`)}, policy.Deny, "POLICY_VIOLATION", "", "Deny"},
		"a bomb hits the cost limit":   {"", []v1alpha1.Rule{rule("c", v1alpha1.ActionAllow, bomb)}, policy.Deny, "EVALUATION_FAILURE", "cost", "EvaluationFailed (Deny)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := policy.Compile([]v1alpha1.SafetyPolicy{set(c.mode, c.rules...)}).Decide(t.Context(), input())
			var results []string
			for _, r := range d.Results {
				if r.PolicyName != "p" || r.PolicyGeneration != 3 {
					t.Errorf("result %+v does not name its policy", r)
				}
				results = append(results, r.Result)
			}
			if d.Outcome != c.outcome || d.Code != c.code || !strings.Contains(d.Message, c.message) || strings.Join(results, " ") != c.results {
				t.Errorf("found %+v", d)
			}
		})
	}
}

// bomb loops a million times over ten numbers, six deep.
const bomb = `[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, [0,1,2,3,4,5,6,7,8,9].all(d, [0,1,2,3,4,5,6,7,8,9].all(e, [0,1,2,3,4,5,6,7,8,9].all(f, a+b+c+d+e+f >= 0))))))`

func TestDefaultAction(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]policy.Outcome{
		v1alpha1.ActionAllow: policy.Allow, v1alpha1.ActionRequireApproval: policy.RequireApproval,
		v1alpha1.ActionDeny: policy.Deny, "": policy.Deny, "allow": policy.Deny,
	} {
		d := policy.Compile(nil).WithDefault(action).Decide(t.Context(), input())
		if d.Outcome != want || d.Matched || !strings.HasPrefix(d.Message, "no policy matched") {
			t.Errorf("default %q: found %+v, expected %s", action, d, want)
		}
	}
}

func TestEndedContextDenies(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := policy.Compile([]v1alpha1.SafetyPolicy{set("", rule("x", v1alpha1.ActionAllow, bomb))}).Decide(ctx, input())
	if d.Outcome != policy.Deny || d.Code != v1alpha1.DenialEvaluationFailure {
		t.Errorf("found %+v, expected a denial", d)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	p := set("", rule("good", v1alpha1.ActionDeny, "true"), rule("bad", v1alpha1.ActionDeny, "true &&\n  nosuch == 1"),
		rule("number", v1alpha1.ActionDeny, "1 + 1"))
	faults := policy.Check(&p)
	if len(faults) != 2 {
		t.Fatalf("found %v, expected two faults", faults)
	}
	if f := faults[0]; f.Rule != "bad" || f.Line != 2 || f.Column != 3 || !strings.Contains(f.Message, "nosuch") {
		t.Errorf("found %+v, expected line 2, column 3 of rule bad", f)
	}
	if f := faults[1]; f.Rule != "number" || !strings.Contains(f.Error(), "must yield a bool") {
		t.Errorf("found %+v, expected a complaint about the type", f)
	}
}

func FuzzDecide(f *testing.F) {
	for _, seed := range []string{"true", "request.spec.action == 'x'", "target.exists", "[1].all(x, x > 0)", "\x00", "'a' + 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		p := []v1alpha1.SafetyPolicy{set("", rule("f", v1alpha1.ActionAllow, expression))}
		d := policy.Compile(p).Decide(t.Context(), input())
		if d.Outcome != policy.Allow && d.Outcome != policy.Deny {
			t.Errorf("expression %q: found %q", expression, d.Outcome)
		}
	})
}
