package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// TestBombs: hole: an expression that takes for ever, or more memory than there is, stops every decision. Attack: small
// expressions with large work, alone and beside a rule that decides. Proof: each ends soon, fails as its failure mode
// says, and the other rule counts all the same.
func TestBombs(t *testing.T) {
	t.Parallel()
	doubled := func(first string, times int, then string) string {
		return "[" + first + "]" + strings.Repeat(".map(a, a + a)", times) + then
	}
	for name, expression := range map[string]string{
		"nested loops":           bomb,
		"text that doubles":      doubled("'aaaaaaaaaa'", 24, ".all(x, x.contains('b'))"),
		"regexp of long text":    strings.TrimSuffix(strings.Repeat("request.spec.reason.matches('(a|aa)+b') || ", 80), " || "),
		"regexp of ten letters":  "request.spec.reason.matches('(a?){500}b')",
		"regexp of an agent":     "request.spec.reason.matches(request.spec.parameters.pattern)",
		"regexps in a loop":      "request.spec.parameters.list.all(x, !x.matches('(a?){90}b'))",
		"loops over a long list": "request.spec.parameters.list.all(a, request.spec.parameters.list.all(b, request.spec.parameters.list.all(c, a + b + c != '')))",
		"very long":              "true" + strings.Repeat(" && true", 20_000),
		"very deep":              strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000),
	} {
		for mode, want := range map[string]policy.Outcome{
			"": policy.Deny, v1alpha1.FailClosed: policy.Deny, "nonsense": policy.Deny, v1alpha1.FailOpen: policy.RequireApproval,
		} {
			t.Run(name+" "+mode, func(t *testing.T) {
				t.Parallel()
				in := input()
				in.Request.Spec.Reason = strings.Repeat("a", 100_000)
				in.Request.Spec.Parameters = &apiextensionsv1.JSON{Raw: fmt.Appendf(nil, `{"pattern":%q,"list":[%s"a"]}`,
					strings.Repeat("(a?){999}", 10_000), strings.Repeat(`"a",`, 100_000))}
				began := testkit.ThreadTime(t)
				d := policy.Compile([]v1alpha1.SafetyPolicy{
					set(mode, rule("bomb", v1alpha1.ActionAllow, expression)), set("", rule("hold", v1alpha1.ActionRequireApproval, "true")),
				}).Decide(t.Context(), in)
				if d.Outcome != want || (want == policy.Deny) != (d.Code == v1alpha1.DenialEvaluationFailure) || len(d.Results) != 2 {
					t.Errorf("found %.300s", fmt.Sprintf("%+v", d))
				}
				if took := testkit.ThreadTime(t) - began; took > 10*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

// TestBombsTogether: hole: what one evaluation may cost is multiplied by the rules and by the targets that an agent says it
// affects, and what they say fills the status. Attack: rules that each cost nearly as much as they may, about thousands of
// affected targets. Proof: the decision ends as soon as one with a few of them would, each rule is named once, and the
// first rule counts.
func TestBombsTogether(t *testing.T) {
	t.Parallel()
	rules := []v1alpha1.Rule{rule("hold", v1alpha1.ActionRequireApproval, "true")}
	for i := range 20 {
		rules = append(rules, rule(fmt.Sprint("costly", i), v1alpha1.ActionDeny, `request.spec.reason.matches('(a?){40}b')`))
	}
	in := aboutThousands()
	for mode, want := range map[string]policy.Outcome{"": policy.Deny, v1alpha1.FailOpen: policy.RequireApproval} {
		began := testkit.ThreadTime(t)
		d := policy.Compile([]v1alpha1.SafetyPolicy{set(mode, rules...)}).Decide(t.Context(), in)
		if d.Outcome != want || len(d.Results) > 3*len(rules) || d.Results[0].RuleName != "hold" {
			t.Errorf("%q: found %s with %d results", mode, d.Outcome, len(d.Results))
		}
		if took := testkit.ThreadTime(t) - began; took > 20*time.Second {
			t.Errorf("%q: it took %s", mode, took)
		}
	}
}

// aboutThousands is a request with a long reason that says it affects thousands of targets.
func aboutThousands() policy.Input {
	in := input()
	in.Request.Spec.Reason = strings.Repeat("a", 100_000)
	in.Request.Spec.CascadeModel = &v1alpha1.CascadeModel{}
	for i := range 5000 {
		in.Request.Spec.CascadeModel.AffectedTargets = append(in.Request.Spec.CascadeModel.AffectedTargets,
			v1alpha1.AffectedTarget{URI: fmt.Sprint("k8s://prod/default/deployment/", i), EffectType: "deleted"})
		in.Affected = append(in.Affected, policy.UnknownTarget())
	}
	return in
}

// TestManyTogether: hole: once nothing may be spent any more, every rule still fails about every target. Attack: many rules and
// thousands of affected targets. Proof: the decision ends soon, and names each rule once.
func TestManyTogether(t *testing.T) {
	t.Parallel()
	var rules []v1alpha1.Rule
	for i := range 1000 {
		rules = append(rules, rule(fmt.Sprint("rule", i), v1alpha1.ActionDeny, `request.spec.reason.matches('(a?){40}b')`))
	}
	in := aboutThousands()
	began := testkit.ThreadTime(t)
	d := policy.Compile([]v1alpha1.SafetyPolicy{set(v1alpha1.FailOpen, rules...)}).Decide(t.Context(), in)
	if took := testkit.ThreadTime(t) - began; took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(d.Results) != len(rules) {
		t.Errorf("found %d results, expected one of each rule", len(d.Results))
	}
}

// TestManyRules: what bounds a decision does not bound how many ordinary rules there may be.
func TestManyRules(t *testing.T) {
	t.Parallel()
	var rules []v1alpha1.Rule
	for i := range 1000 {
		rules = append(rules, rule(fmt.Sprint("ordinary", i), v1alpha1.ActionDeny,
			`request.spec.action.matches('(?i)delete|destroy|drain|terminate|purge|drop|wipe|erase|truncate|evict|remove|uninstall')`))
	}
	in := input()
	in.Request.Spec.Action = "scale-down"
	if d := policy.Compile([]v1alpha1.SafetyPolicy{set("", append(rules, rule("last", v1alpha1.ActionRequireApproval, "true"))...)}).Decide(t.Context(), in); d.Outcome != policy.RequireApproval {
		t.Errorf("found %.300s", fmt.Sprintf("%+v", d))
	}
}

// TestHostileRequests: hole: what agents write reaches the evaluation. Attack: parameters and texts that are large,
// deep, or look like expressions. Proof: the rule sees them as data and decides as for any other request.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	rules := policy.Compile([]v1alpha1.SafetyPolicy{set("", rule("d", v1alpha1.ActionDeny, `request.spec.action == "delete"`))})
	deep := strings.Repeat(`{"a":[`, 2000) + strings.Repeat(`]}`, 2000)
	for name, c := range map[string]struct{ action, reason, parameters, code string }{
		"large":                {"delete", strings.Repeat("x", 1<<20), `{"a":"` + strings.Repeat("y", 1<<20) + `"}`, v1alpha1.DenialPolicyViolation},
		"deep":                 {"delete", "r", deep, v1alpha1.DenialPolicyViolation},
		"deep, harmless":       {"look", "r", deep, ""},
		"no JSON":              {"look", "r", `{"a":`, v1alpha1.DenialEvaluationFailure},
		"expression as action": {`look" || true || "`, `" == "`, `{}`, ""},
		"members by the name":  {"delete", "r", `{"request":{"spec":{"action":"look"}},"action":"look"}`, v1alpha1.DenialPolicyViolation},
		"same member twice":    {"delete", "r", `{"a":1,"a":2}`, v1alpha1.DenialPolicyViolation},
		"huge numbers":         {"delete", "r", `[9223372036854775808,-9223372036854775809,1e308]`, v1alpha1.DenialPolicyViolation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input()
			in.Request.Spec.Action, in.Request.Spec.Reason = c.action, c.reason
			in.Request.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(c.parameters)}
			if d := rules.Decide(t.Context(), in); d.Code != c.code || (d.Outcome == policy.Deny) != (c.code != "") {
				t.Errorf("found %.300s", fmt.Sprintf("%+v", d))
			}
		})
	}
}

// TestLargeNumbers: hole: a whole number of more than 53 bits is read as a float, which is its neighbour. Attack: numbers one beyond
// the limit of a rule, whole and in a list. Proof: the rule sees each digit.
func TestLargeNumbers(t *testing.T) {
	t.Parallel()
	limit := policy.Compile([]v1alpha1.SafetyPolicy{set("", rule("d", v1alpha1.ActionDeny, `request.spec.parameters.n.exists(n, n > 9007199254740992)`))})
	for number, outcome := range map[string]policy.Outcome{
		"9007199254740992": policy.Allow, "9007199254740993": policy.Deny, "9223372036854775807": policy.Deny, "1e300": policy.Deny, "-9007199254740993": policy.Allow, "2.5": policy.Allow,
	} {
		in := input()
		in.Request.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"n":[` + number + `]}`)}
		if d := limit.Decide(t.Context(), in); d.Outcome != outcome {
			t.Errorf("%s: found %+v", number, d)
		}
	}
}

// TestZeroValuesDeny: a decision that nobody made denies, and so does a set that nobody compiled.
func TestZeroValuesDeny(t *testing.T) {
	t.Parallel()
	if (policy.Decision{}).Outcome == policy.Allow {
		t.Error("the zero decision allows")
	}
	if d := new(policy.Set).Decide(t.Context(), input()); d.Outcome != policy.Deny {
		t.Errorf("found %+v", d)
	}
	allows := policy.Compile(nil)
	if d := allows.WithDefault(v1alpha1.ActionDeny).Decide(t.Context(), input()); d.Outcome != policy.Deny {
		t.Errorf("found %+v", d)
	}
	if d := allows.Decide(t.Context(), input()); d.Outcome != policy.Allow {
		t.Errorf("WithDefault changed the set that it was called on: %+v", d)
	}
}
