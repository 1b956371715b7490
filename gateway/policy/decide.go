package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Outcome is what the policies say about a request. The zero value, and every value that is not named here, denies.
type Outcome string

// The outcomes, from the most to the least severe.
const (
	Deny            Outcome = v1alpha1.ActionDeny
	RequireApproval Outcome = v1alpha1.ActionRequireApproval
	Log             Outcome = v1alpha1.ActionLog
	Allow           Outcome = v1alpha1.ActionAllow
)

// Results of rules that could not be evaluated, beside the names of the actions.
const (
	resultFailed       = "EvaluationFailed"
	resultFailedDenied = "EvaluationFailed (Deny)"
)

// Input is what a decision is made from.
type Input struct {
	Request *v1alpha1.AgentRequest
	Target  Target
	// Now is the time of the decision.
	Now time.Time
}

// Decision is what the policies say about one request, and why. The zero value denies.
type Decision struct {
	Outcome Outcome
	// Code is the denial code when Outcome is Deny.
	Code string
	// Message is for agents and reviewers.
	Message string
	// Results are the rules that spoke with something else than Allow.
	Results []v1alpha1.PolicyResult
	// Matched says that a rule decided; otherwise the default action did.
	Matched bool
	// Policies is the number of policies that were asked.
	Policies int
}

// Decide asks every rule about the request. The most severe outcome wins, and among equals the first rule. A rule
// that cannot be evaluated denies, unless its policy is FailOpen. A context that ended denies too.
func (s *Set) Decide(ctx context.Context, in Input) Decision {
	d := Decision{Policies: s.policies}
	vars, err := variables(in)
	if err != nil {
		d.Outcome, d.Code, d.Matched = Deny, v1alpha1.DenialEvaluationFailure, true
		d.Message = "the request cannot be evaluated: " + err.Error()
		return d
	}
	for i := range s.rules {
		s.rules[i].weigh(ctx, vars, &d)
	}
	if !d.Matched {
		d.decideByDefault(s.defaultAction)
	}
	return d
}

// weigh evaluates one rule and lets it change d.
func (c *compiledRule) weigh(ctx context.Context, vars map[string]any, d *Decision) {
	matched, err := c.evaluate(ctx, vars)
	switch {
	case err != nil && c.failOpen:
		d.record(c, resultFailed)
	case err != nil:
		d.record(c, resultFailedDenied)
		d.raise(Deny, v1alpha1.DenialEvaluationFailure, "CEL evaluation failed (FailClosed): "+err.Error())
	case matched:
		outcome := Outcome(c.rule.Action)
		if outcome != Allow {
			d.record(c, c.rule.Action)
		}
		code := ""
		if severity(outcome) == severity(Deny) {
			code = v1alpha1.DenialPolicyViolation
		}
		d.raise(outcome, code, c.message(outcome))
	}
}

func (c *compiledRule) evaluate(ctx context.Context, vars map[string]any) (bool, error) {
	if c.err != nil {
		return false, c.err
	}
	value, _, err := c.program.ContextEval(ctx, vars)
	if err != nil {
		return false, err
	}
	matched, ok := value.Value().(bool)
	if !ok {
		return false, fmt.Errorf("%w, found %s", errNotBool, value.Type().TypeName())
	}
	return matched, nil
}

func (c *compiledRule) message(o Outcome) string {
	switch {
	case c.rule.Message != "":
		return c.rule.Message
	case o == RequireApproval:
		return fmt.Sprintf("Approval required by policy: %s rule: %s", c.policy, c.rule.Name)
	case o == Log, o == Allow:
		return fmt.Sprintf("Allowed by policy: %s rule: %s", c.policy, c.rule.Name)
	default:
		return fmt.Sprintf("Denied by policy: %s rule: %s", c.policy, c.rule.Name)
	}
}

func (d *Decision) record(c *compiledRule, result string) {
	d.Results = append(d.Results, v1alpha1.PolicyResult{
		PolicyName: c.policy, RuleName: c.rule.Name, Result: result, PolicyGeneration: c.generation,
	})
}

// raise takes o over when nothing was decided yet or o is more severe.
func (d *Decision) raise(o Outcome, code, message string) {
	if d.Matched && severity(o) <= severity(d.Outcome) {
		return
	}
	d.Matched, d.Outcome, d.Code, d.Message = true, o, code, message
}

func (d *Decision) decideByDefault(action string) {
	switch Outcome(action) {
	case Allow:
		d.Outcome, d.Message = Allow, "no policy matched: approved by default"
	case RequireApproval:
		d.Outcome, d.Message = RequireApproval, "no policy matched: a reviewer decides by default"
	default:
		d.Outcome, d.Code = Deny, v1alpha1.DenialPolicyViolation
		d.Message = "no policy matched: denied by default"
	}
}

// severity orders outcomes; what is not known is as severe as Deny.
func severity(o Outcome) int {
	switch o {
	case Allow:
		return 1
	case Log:
		return 2
	case RequireApproval:
		return 3
	default:
		return 4
	}
}

// variables returns what expressions can name. The request is its JSON form; whole numbers are CEL ints.
func variables(in Input) (map[string]any, error) {
	request, err := runtime.DefaultUnstructuredConverter.ToUnstructured(in.Request)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	if spec, ok := request["spec"].(map[string]any); ok && in.Request.Spec.Parameters != nil {
		var parameters any
		if err := json.Unmarshal(in.Request.Spec.Parameters.Raw, &parameters); err != nil {
			return nil, fmt.Errorf("decode the parameters: %w", err)
		}
		spec["parameters"] = wholeNumbers(parameters)
	}
	return map[string]any{"request": request, "target": map[string]any(in.Target)}, nil
}

// wholeNumbers turns the whole numbers of decoded JSON into int64, as Kubernetes decodes them.
func wholeNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = wholeNumbers(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = wholeNumbers(inner)
		}
	case float64:
		if whole := int64(v); float64(whole) == v {
			return whole
		}
	}
	return value
}
