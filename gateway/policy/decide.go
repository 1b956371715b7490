package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"

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
	resultFailedDenied = "EvaluationFailed (%sDeny)"
	// resultCascade marks what was said about an affected target.
	resultCascade = "Cascade "
)

// Decision is what the policies say about one request, and why. The zero value denies.
type Decision struct {
	Outcome Outcome
	// Code is the denial code when Outcome is Deny.
	Code string
	// Message is for agents and reviewers.
	Message string
	// Results are the rules that spoke with something else than Allow.
	Results []v1alpha1.PolicyResult
	// RetryAfter says in how many seconds asking again may help; nil when that is not known.
	RetryAfter *int32
	// Matched says that a rule decided; otherwise the default action did.
	Matched bool
	// Policies is the number of policies that were asked.
	Policies int

	recorded sets.Set[v1alpha1.PolicyResult]
}

// Decide asks every rule about the request, and about each target that it says it affects. The most severe outcome wins,
// and among equals the first rule. A rule that cannot be evaluated denies, unless its policy is FailOpen. A context that
// ended denies too.
func (s *Set) Decide(ctx context.Context, in Input) Decision {
	d := Decision{Policies: s.policies, recorded: sets.New[v1alpha1.PolicyResult]()}
	vars, err := variables(in)
	if err != nil {
		d.Outcome, d.Code, d.Matched = Deny, v1alpha1.DenialEvaluationFailure, true
		d.Message = "the request cannot be evaluated: " + err.Error()
		return d
	}
	left := budget(decisionLimit + ruleShare*len(s.rules))
	s.ask(ctx, question{in: in, vars: vars, denial: v1alpha1.DenialPolicyViolation, left: &left}, &d)
	if model := in.Request.Spec.CascadeModel; model != nil {
		for i, a := range model.AffectedTargets {
			target := Target{Err: errors.New("it was not looked up")}
			if i < len(in.Affected) {
				target = in.Affected[i]
			}
			spent := left == 0
			s.ask(ctx, question{
				in: in, vars: affected(vars, a, target), denial: v1alpha1.DenialCascade, prefix: resultCascade, about: a.URI, left: &left,
			}, &d)
			if spent {
				break // every rule has failed by now, and would about each target that is left
			}
		}
	}
	if !d.Matched {
		d.decideByDefault(s.defaultAction)
	}
	return d
}

// question is what rules are asked about: the request, or one target that it affects.
type question struct {
	in   Input
	vars map[string]any
	// denial is the code of a rule that denies.
	denial string
	// prefix and about mark what was said about an affected target; they are empty for the request itself.
	prefix, about string
	// left is what the rules may still cost, for all questions of one decision together.
	left *budget
}

// ask weighs every rule that applies.
func (s *Set) ask(ctx context.Context, q question, d *Decision) {
	for i := range s.rules {
		rule := &s.rules[i]
		if q.in.Resource != nil && !rule.resources.Matches(labels.Set(q.in.Resource.Labels)) {
			continue
		}
		if rule.rate != nil && q.about != "" {
			continue // a request is counted once, not once for each target that it affects
		}
		rule.weigh(ctx, q, d)
	}
}

// weigh evaluates one rule and lets it change d.
func (c *compiledRule) weigh(ctx context.Context, q question, d *Decision) {
	matched, err := c.evaluate(ctx, q)
	switch {
	case err != nil && c.failOpen:
		d.record(c, resultFailed)
	case err != nil:
		d.record(c, fmt.Sprintf(resultFailedDenied, q.prefix))
		d.raise(Deny, v1alpha1.DenialEvaluationFailure, "CEL evaluation failed (FailClosed): "+err.Error()+q.suffix())
	case matched:
		outcome := Outcome(c.rule.Action)
		if outcome != Allow {
			d.record(c, strings.ReplaceAll(q.prefix, " ", "")+c.rule.Action)
		}
		code := ""
		if severity(outcome) == severity(Deny) {
			code = q.denial
			if c.rate != nil {
				code = v1alpha1.DenialRateLimited
			}
		}
		if d.raise(outcome, code, c.message(outcome)+q.suffix()) && c.rate != nil {
			d.RetryAfter = c.rate.retryAfter(q.in)
		}
	}
}

func (q question) suffix() string {
	if q.about == "" {
		return ""
	}
	return " (about the affected target " + q.about + ")"
}

func (c *compiledRule) evaluate(ctx context.Context, q question) (bool, error) {
	if c.err != nil {
		return false, c.err
	}
	if c.window != nil && !c.window.applies(q.in.Now) {
		return false, nil
	}
	value, err := q.left.spend(func() (ref.Val, *cel.EvalDetails, error) { return c.program.ContextEval(ctx, q.vars) })
	if err != nil {
		return false, err
	}
	matched, ok := value.Value().(bool)
	if !ok {
		return false, fmt.Errorf("%w, found %s", errNotBool, value.Type().TypeName())
	}
	if !matched || c.rate == nil {
		return matched, nil
	}
	if q.in.Recent == nil {
		return false, errors.New("it is not known which requests came before")
	}
	return len(c.rate.recent(q.in)) >= c.rate.Limit, nil
}

// recent returns when the requests came that count.
func (l *rateLimit) recent(in Input) []time.Time {
	return in.Recent(l.scopeOf(in.Request), in.Now.Add(-l.window()))
}

func (l *rateLimit) window() time.Duration { return time.Duration(l.WindowSeconds) * time.Second }

// retryAfter returns in how many seconds so many of the counted requests are too old that another one may pass; nil
// when none ever may.
func (l *rateLimit) retryAfter(in Input) *int32 {
	times := l.recent(in)
	if l.Limit == 0 || len(times) < l.Limit {
		return nil
	}
	wait := times[len(times)-l.Limit].Add(l.window()).Sub(in.Now)
	seconds := int32(max(1, math.Ceil(wait.Seconds())))
	return &seconds
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

// record notes what a rule said, once: it may say the same about thousands of affected targets.
func (d *Decision) record(c *compiledRule, result string) {
	r := v1alpha1.PolicyResult{PolicyName: c.policy, RuleName: c.rule.Name, Result: result, PolicyGeneration: c.generation}
	if !d.recorded.Has(r) {
		d.recorded.Insert(r)
		d.Results = append(d.Results, r)
	}
}

// raise takes o over when nothing was decided yet or o is more severe, and reports whether it did.
func (d *Decision) raise(o Outcome, code, message string) bool {
	if d.Matched && severity(o) <= severity(d.Outcome) {
		return false
	}
	d.Matched, d.Outcome, d.Code, d.Message, d.RetryAfter = true, o, code, message, nil
	return true
}

// Fingerprint stands for what the policies say and who said it: the same for the same words of the same policies.
func (d *Decision) Fingerprint() string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %q %+v", d.Outcome, d.Code, d.Message, d.Results) // a hash never fails to write
	return hex.EncodeToString(h.Sum(nil))[:16]
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
