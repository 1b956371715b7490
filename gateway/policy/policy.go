// Package policy compiles SafetyPolicies once and then decides about AgentRequests with them. The reconciler and the
// policy commands call it; it does no I/O and reads no clock.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

var errNotBool = errors.New("expression must yield a bool")

// Set is a number of compiled policies. It is safe for concurrent use.
type Set struct {
	rules         []compiledRule
	policies      int
	defaultAction string
}

// compiledRule is one rule with what is needed to say which it was.
type compiledRule struct {
	rule       v1alpha1.Rule
	policy     string
	generation int64
	failOpen   bool
	// resources selects the GovernedResources that the policy is about.
	resources labels.Selector
	program   cel.Program
	// readsTarget says that the expression reads what is known of the target.
	readsTarget bool
	// window and rate are the config of a TimeWindow and of a RateLimit; nil without one.
	window *timeWindow
	rate   *rateLimit
	// err says why there is no program; the rule then counts as failed evaluation.
	err error
}

// Compile compiles policies, in their order. A rule that does not compile stays in the set as a failing rule, so that
// its failure mode decides what it means. Policies with a contextType are checked against the contextSchemas of the
// GovernedResources with that context fetcher.
func Compile(policies []v1alpha1.SafetyPolicy, resources ...v1alpha1.GovernedResource) *Set {
	set := &Set{policies: len(policies), defaultAction: v1alpha1.ActionAllow}
	env, envErr := environment()
	for i := range policies {
		p := &policies[i]
		selector, typed, err := prepare(env, p, resources)
		for _, rule := range p.Spec.Rules {
			c := compiledRule{
				rule: rule, policy: p.Name, generation: p.Generation, resources: selector,
				failOpen: p.Spec.FailureMode == v1alpha1.FailOpen, err: errors.Join(envErr, err),
			}
			if c.err == nil {
				c.err = c.compile(env, typed)
			}
			set.rules = append(set.rules, c)
		}
	}
	return set
}

// prepare returns which GovernedResources a policy is about, and the environments that its rules must compile in.
func prepare(env *cel.Env, p *v1alpha1.SafetyPolicy, resources []v1alpha1.GovernedResource) (labels.Selector, []typedEnvironment, error) {
	selector, err := selectorOf(p)
	if err != nil || env == nil {
		return selector, nil, err
	}
	typed, err := typedEnvironments(env, p, selector, resources)
	return selector, typed, err
}

// WithDefault returns the same set with another action for requests that no rule matched: Allow, RequireApproval or
// Deny. Anything else denies.
func (s *Set) WithDefault(action string) *Set {
	other := *s
	other.defaultAction = action
	return &other
}

// LimitsRates reports whether a rule of the set counts requests.
func (s *Set) LimitsRates() bool {
	return slices.ContainsFunc(s.rules, func(c compiledRule) bool { return c.rate != nil })
}

// ReadsTarget reports whether a rule of the set reads what is known of the target.
func (s *Set) ReadsTarget() bool {
	return slices.ContainsFunc(s.rules, func(c compiledRule) bool { return c.readsTarget })
}

// selectorOf returns which GovernedResources a policy is about; all when it does not say.
func selectorOf(p *v1alpha1.SafetyPolicy) (labels.Selector, error) {
	if p.Spec.GovernedResourceSelector == nil {
		return labels.Everything(), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(p.Spec.GovernedResourceSelector)
	if err != nil {
		return labels.Everything(), fmt.Errorf("governedResourceSelector: %w", err)
	}
	return selector, nil
}

// RuleError is why one rule does not compile. Line and Column count from 1; 0 means that the whole rule is meant.
type RuleError struct {
	Rule         string
	Line, Column int
	Message      string
}

// Error names the rule, the place and the fault.
func (e RuleError) Error() string {
	switch {
	case e.Rule == "":
		return e.Message
	case e.Line == 0:
		return fmt.Sprintf("rule %q: %s", e.Rule, e.Message)
	default:
		return fmt.Sprintf("rule %q, line %d, column %d: %s", e.Rule, e.Line, e.Column, e.Message)
	}
}

// Hint helps with the faults of expressions.
const Hint = "An expression can name request (the AgentRequest), target (what is known of its target) and context, and must yield a bool."

// Explain returns faults in one line, with Hint when one of them is about an expression; "" for none.
func Explain(faults []RuleError) string {
	texts, hint := make([]string, len(faults)), ""
	for i, f := range faults {
		texts[i] = f.Error()
		if f.Line > 0 {
			hint = ". " + Hint
		}
	}
	return strings.Join(texts, "; ") + hint
}

// Check returns every fault of the rules of p, by the same compiler that decides.
func Check(p *v1alpha1.SafetyPolicy, resources ...v1alpha1.GovernedResource) []RuleError {
	env, err := environment()
	if err != nil {
		return []RuleError{{Message: err.Error()}}
	}
	var faults []RuleError
	_, typed, err := prepare(env, p, resources)
	if err != nil {
		faults = append(faults, RuleError{Message: err.Error()})
	}
	for _, rule := range p.Spec.Rules {
		var issue *compileError
		err := (&compiledRule{rule: rule}).compile(env, typed)
		switch {
		case err == nil:
		case errors.As(err, &issue):
			for _, e := range issue.issues.Errors() {
				faults = append(faults, RuleError{
					Rule: rule.Name, Line: e.Location.Line(), Column: e.Location.Column() + 1,
					Message: strings.TrimSuffix(e.Message, " (in container '')") + issue.suffix(),
				})
			}
		default:
			faults = append(faults, RuleError{Rule: rule.Name, Message: err.Error()})
		}
	}
	return faults
}

// environment is what a rule's expression can name, when it is checked and when it is evaluated. context and ctxData
// are two names of what the context fetcher found. Source: https://cel.dev, and the AIP policy reference.
func environment() (*cel.Env, error) {
	env, err := cel.NewCustomEnv(append(library(),
		cel.Variable(varRequest, cel.DynType), cel.Variable(varTarget, cel.DynType),
		cel.Variable(varContext, cel.DynType), cel.Variable(varCtxData, cel.DynType),
	)...)
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	return env, nil
}

// compileError carries the compiler's issues with their places.
type compileError struct {
	issues *cel.Issues
	// resource is the GovernedResource whose contextSchema the expression does not fit; empty when it fits none.
	resource string
}

func (e *compileError) Error() string { return e.issues.Err().Error() + e.suffix() }

func (e *compileError) suffix() string {
	if e.resource == "" {
		return ""
	}
	return fmt.Sprintf(" (by the contextSchema of GovernedResource %q)", e.resource)
}

// compile fills in the program and the config of c's rule.
func (c *compiledRule) compile(env *cel.Env, typed []typedEnvironment) (err error) {
	switch c.rule.Type {
	case v1alpha1.RuleStateEvaluation:
	case v1alpha1.RuleTimeWindow:
		c.window, err = readTimeWindow(c.rule.Config)
	case v1alpha1.RuleRateLimit:
		c.rate, err = readRateLimit(c.rule.Config)
	default:
		err = fmt.Errorf("type %q is none of %s, %s and %s", c.rule.Type,
			v1alpha1.RuleStateEvaluation, v1alpha1.RuleTimeWindow, v1alpha1.RuleRateLimit)
	}
	if err != nil {
		return err
	}
	checked, issues := env.Compile(c.rule.Expression)
	if issues.Err() != nil {
		return &compileError{issues: issues}
	}
	for _, t := range typed {
		if _, issues := t.env.Compile(c.rule.Expression); issues.Err() != nil {
			return &compileError{issues: issues, resource: t.resource}
		}
	}
	if out := checked.OutputType(); !out.IsExactType(types.BoolType) && !out.IsExactType(types.DynType) {
		return fmt.Errorf("%w, found %s", errNotBool, out)
	}
	for _, ref := range checked.NativeRep().ReferenceMap() {
		c.readsTarget = c.readsTarget || slices.Contains([]string{varTarget, varContext, varCtxData}, ref.Name)
	}
	c.program, err = env.Program(checked, limits()...)
	if err != nil {
		return fmt.Errorf("plan the expression: %w", err)
	}
	return nil
}
