package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Rule is a rule of a policy as its author wrote it, and the values of which it is made for one request.
type Rule struct {
	Policy, Name, Expression string
	// Newer says that the policy was changed after it spoke.
	Newer  bool
	Values []Value
}

// Value is a part of an expression and what it is.
type Value struct{ Name, Value string }

// Explain returns the rules that spoke about r, as far as policies has them, with the values that their expressions
// read: fields of the request, and what the gateway saw of the target.
func Explain(r *v1alpha1.AgentRequest, policies []v1alpha1.SafetyPolicy) []Rule {
	results := r.Status.PolicyResults
	if r.Status.Denial != nil {
		results = slices.Concat(results, r.Status.Denial.PolicyResults)
	}
	if len(results) == 0 || len(policies) == 0 {
		return nil
	}
	known := vocabulary(r)
	var rules []Rule
	for _, result := range results {
		for _, p := range called(policies, result) {
			for _, rule := range p.Spec.Rules {
				if rule.Name == result.RuleName {
					rules = append(rules, Rule{
						Policy: p.Name, Name: rule.Name, Expression: rule.Expression,
						Newer: result.PolicyGeneration > 0 && p.Generation != result.PolicyGeneration, Values: valuesIn(rule.Expression, known),
					})
				}
			}
		}
	}
	return rules
}

// called returns the policies that a result may be of: it has their name without their namespace. Of several that are
// called the same, those count that are as old as the one that spoke.
func called(policies []v1alpha1.SafetyPolicy, result v1alpha1.PolicyResult) []*v1alpha1.SafetyPolicy {
	var named, same []*v1alpha1.SafetyPolicy
	for i := range policies {
		if p := &policies[i]; p.Name == result.PolicyName {
			named = append(named, p)
			if p.Generation == result.PolicyGeneration {
				same = append(same, p)
			}
		}
	}
	if len(named) > 1 && len(same) > 0 {
		return same
	}
	return named
}

// path finds what an expression reads.
func path() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:request|target|context|ctxData)(?:\.[A-Za-z_]\w*)+`)
}

// valuesIn returns the values of the paths in an expression, each once. A path that leads on into a value, as a call of
// one of its functions does, counts up to that value.
func valuesIn(expression string, known map[string]any) []Value {
	var values []Value
	for _, found := range path().FindAllString(expression, -1) {
		name, value := lookUp(found, known)
		if slices.ContainsFunc(values, func(v Value) bool { return v.Name == name }) {
			continue
		}
		values = append(values, Value{Name: name, Value: value})
	}
	return values
}

// lookUp follows a path as far as it leads.
func lookUp(path string, known map[string]any) (name, value string) {
	parts := strings.Split(path, ".")
	var at any = known
	for i, part := range parts {
		m, ok := at.(map[string]any)
		if !ok {
			return strings.Join(parts[:i], "."), written(at)
		}
		if at, ok = m[part]; !ok {
			return strings.Join(parts[:i+1], "."), "not set"
		}
	}
	return path, written(at)
}

func written(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

// vocabulary is what expressions can read: request as it is stored, target as it was verified, and context, which ctxData
// is another name for.
func vocabulary(r *v1alpha1.AgentRequest) map[string]any {
	request := map[string]any{}
	if data, err := json.Marshal(r); err == nil {
		_ = json.Unmarshal(data, &request) // what was just written can be read
	}
	context, target := map[string]any{}, map[string]any{}
	if c := r.Status.ProviderContext; c != nil {
		_ = json.Unmarshal(c.Raw, &context) // a context that is no object has no names
	}
	maps.Copy(target, context)
	if v := r.Status.ControlPlaneVerification; v != nil {
		for name, value := range map[string]any{
			"exists": v.TargetExists, "hasActiveEndpoints": v.HasActiveEndpoints, "activeEndpointCount": v.ActiveEndpointCount,
			"readyReplicas": v.ReadyReplicas, "specReplicas": v.SpecReplicas, "downstreamServices": v.DownstreamServices,
		} {
			if _, said := target[name]; !said {
				target[name] = value
			}
		}
	}
	return map[string]any{"request": request, "target": target, "context": context, "ctxData": context}
}
