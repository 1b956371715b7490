// Package policy compiles SafetyPolicies once and then decides about AgentRequests with them. The reconciler and the
// policy commands call it; it does no I/O and reads no clock.
package policy

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

const (
	// costLimit bounds one evaluation in cel-go's cost units; a comparison of two fields costs about five.
	costLimit = 1_000_000
	// interruptEvery is the number of loop steps after which an evaluation looks whether its context ended.
	interruptEvery = 100
)

var (
	errUnsupportedType = errors.New("rule type is not supported by this version")
	errNotBool         = errors.New("expression must yield a bool")
)

// Target is the CEL variable target: what the gateway itself knows of the request's target.
type Target map[string]any

// UnknownTarget returns the target of which nothing is known: every key is there with its empty value.
func UnknownTarget() Target {
	return Target{
		"exists": false, "hasActiveEndpoints": false, "activeEndpointCount": int64(0), "readyReplicas": int64(0),
		"specReplicas": int64(0), "downstreamServices": []string{},
	}
}

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
	program    cel.Program
	// err says why there is no program; the rule then counts as failed evaluation.
	err error
}

// Compile compiles policies, in their order. A rule that does not compile stays in the set as a failing rule, so that
// its failure mode decides what it means.
func Compile(policies []v1alpha1.SafetyPolicy) *Set {
	set := &Set{policies: len(policies), defaultAction: v1alpha1.ActionAllow}
	env, envErr := environment()
	for i := range policies {
		p := &policies[i]
		for _, rule := range p.Spec.Rules {
			c := compiledRule{
				rule: rule, policy: p.Name, generation: p.Generation,
				failOpen: p.Spec.FailureMode == v1alpha1.FailOpen, err: envErr,
			}
			if c.err == nil {
				c.program, c.err = compile(env, rule)
			}
			set.rules = append(set.rules, c)
		}
	}
	return set
}

// WithDefault returns the same set with another action for requests that no rule matched: Allow, RequireApproval or
// Deny. Anything else denies.
func (s *Set) WithDefault(action string) *Set {
	other := *s
	other.defaultAction = action
	return &other
}

// RuleError is why one rule does not compile. Line and Column count from 1; 0 means that the whole rule is meant.
type RuleError struct {
	Rule         string
	Line, Column int
	Message      string
}

// Error names the rule, the place and the fault.
func (e RuleError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("rule %q: %s", e.Rule, e.Message)
	}
	return fmt.Sprintf("rule %q, line %d, column %d: %s", e.Rule, e.Line, e.Column, e.Message)
}

// Check returns every fault of the rules of p, by the same compiler that decides.
func Check(p *v1alpha1.SafetyPolicy) []RuleError {
	env, err := environment()
	if err != nil {
		return []RuleError{{Message: err.Error()}}
	}
	var faults []RuleError
	for _, rule := range p.Spec.Rules {
		var issue *compileError
		_, err := compile(env, rule)
		switch {
		case err == nil:
		case errors.As(err, &issue):
			for _, e := range issue.issues.Errors() {
				faults = append(faults, RuleError{
					Rule: rule.Name, Line: e.Location.Line(), Column: e.Location.Column() + 1, Message: e.Message,
				})
			}
		default:
			faults = append(faults, RuleError{Rule: rule.Name, Message: err.Error()})
		}
	}
	return faults
}

// environment is what a rule's expression can name. Source: https://cel.dev, and the AIP policy reference.
func environment() (*cel.Env, error) {
	env, err := cel.NewEnv(cel.Variable("request", cel.DynType), cel.Variable("target", cel.DynType))
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	return env, nil
}

// compileError carries the compiler's issues with their places.
type compileError struct{ issues *cel.Issues }

func (e *compileError) Error() string { return e.issues.Err().Error() }

func compile(env *cel.Env, rule v1alpha1.Rule) (cel.Program, error) {
	if rule.Type != v1alpha1.RuleStateEvaluation {
		return nil, fmt.Errorf("%w: %s", errUnsupportedType, rule.Type)
	}
	checked, issues := env.Compile(rule.Expression)
	if issues.Err() != nil {
		return nil, &compileError{issues}
	}
	if out := checked.OutputType(); !out.IsExactType(types.BoolType) && !out.IsExactType(types.DynType) {
		return nil, fmt.Errorf("%w, found %s", errNotBool, out)
	}
	program, err := env.Program(checked, cel.CostLimit(costLimit), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, fmt.Errorf("plan the expression: %w", err)
	}
	return program, nil
}
