package policy

import (
	"errors"
	"fmt"
	"regexp/syntax"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

const (
	// costLimit bounds one evaluation in cel-go's cost units; a comparison of two fields costs about five. What cel-go keeps
	// to count them makes the time of a loop over a long list grow with the square of this.
	costLimit = 50_000
	// decisionLimit bounds all evaluations of one decision together, however many affected targets there are, and ruleShare is
	// what each rule that there is adds to it: enough for a regular expression of a hundred words about an action.
	decisionLimit, ruleShare = 4 * costLimit, 2_000
	// interruptEvery is the number of loop steps after which an evaluation looks whether its context ended.
	interruptEvery = 100
	// An instruction of a regular expression costs compileCost units to be made, and one for each textPerUnit characters
	// that it may read; measured beside loops of the same cost.
	compileCost, textPerUnit = 10, 10
	// longestPattern is the most characters that a regular expression may have: it is compiled before its cost is known.
	longestPattern = 1000
)

var (
	errMatchTypes   = errors.New("matches: expected two strings")
	errDecisionCost = fmt.Errorf("the rules of this decision cost more together than %d units and %d for each of them", decisionLimit, ruleShare)
	errMatchCost    = fmt.Errorf("matches: the text and the regular expression cost more than %d units", costLimit)
	errLongPattern  = fmt.Errorf("matches: the regular expression has more than %d characters", longestPattern)
)

// budget is what the evaluations of one decision may still cost.
type budget uint64

// spend takes off what one evaluation cost, or says that nothing was left for it.
func (b *budget) spend(evaluate func() (ref.Val, *cel.EvalDetails, error)) (ref.Val, error) {
	if *b == 0 {
		return nil, errDecisionCost
	}
	value, details, err := evaluate()
	cost := budget(costLimit) // an evaluation that was cancelled does not say what it cost, and was when it had cost that much
	if actual := details.ActualCost(); actual != nil {
		cost = min(cost, budget(*actual))
	}
	*b -= min(cost, *b)
	return value, err
}

// limits bound the evaluation of a program.
func limits() []cel.ProgramOption {
	matches := func(args []ref.Val, _ ref.Val) *uint64 {
		cost, err := matchCost(args[0], args[1])
		if err != nil {
			cost = 0 // it was not looked for
		}
		return &cost
	}
	return []cel.ProgramOption{
		cel.CostLimit(costLimit), cel.InterruptCheckFrequency(interruptEvery),
		cel.CostTrackerOptions(interpreter.OverloadCostTracker(overloads.Matches, matches), interpreter.OverloadCostTracker(overloads.MatchesString, matches)),
	}
}

// library returns the standard library of CEL, but for what matches costs: cel-go takes the length of a pattern for its size
// and counts when it is done. Yet ten characters can stand for a thousand instructions, each of which reads the whole
// text, and nothing interrupts them. Source: https://swtch.com/~rsc/regexp/regexp3.html
func library() []cel.EnvOption {
	others := env.NewLibrarySubset().AddExcludedFunctions(env.NewFunction(overloads.Matches))
	args := []*cel.Type{cel.StringType, cel.StringType}
	return []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(others)), cel.EagerlyValidateDeclarations(true),
		cel.Function(overloads.Matches,
			cel.Overload(overloads.Matches, args, cel.BoolType), cel.MemberOverload(overloads.MatchesString, args, cel.BoolType),
			cel.SingletonBinaryBinding(match)),
		cel.ASTValidators(cel.ValidateRegexLiterals()),
	}
}

// match looks for a pattern in a text, unless that alone costs too much.
func match(text, pattern ref.Val) ref.Val {
	switch cost, err := matchCost(text, pattern); {
	case err != nil:
		return types.WrapErr(err)
	case cost > costLimit:
		return types.WrapErr(errMatchCost)
	default:
		return text.(types.String).Match(pattern) //nolint:forcetypeassert // matchCost took it
	}
}

// matchCost returns what it costs to look for a pattern in a text.
func matchCost(text, pattern ref.Val) (uint64, error) {
	t, isText := text.(types.String)
	p, isPattern := pattern.(types.String)
	switch {
	case !isText || !isPattern:
		return 0, fmt.Errorf("%w, found %s and %s", errMatchTypes, text.Type().TypeName(), pattern.Type().TypeName())
	case len(p) > longestPattern:
		return 0, errLongPattern
	}
	parsed, err := syntax.Parse(string(p), syntax.Perl)
	if err != nil {
		return 0, fmt.Errorf("matches: %w", err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, fmt.Errorf("matches: %w", err)
	}
	return uint64(len(program.Inst)) * uint64(compileCost+len(t)/textPerUnit), nil
}
