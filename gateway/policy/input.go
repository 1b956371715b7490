package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// What an expression can name.
const (
	varRequest = "request"
	varTarget  = "target"
	varContext = "context"
	varCtxData = "ctxData"
)

// Target is what the gateway itself knows of a target: the CEL variable target.
type Target struct {
	// Facts are the fields that an expression can read. A field that is not there cannot be evaluated.
	Facts map[string]any
	// Context is what the context fetcher found; its fields are readable as context, ctxData and, merged, as target.
	Context map[string]any
	// Err says why nothing could be found out. Every expression that reads the target then fails to evaluate, and the
	// failure mode of its policy decides: what could not be looked up is not the same as what is not there.
	Err error
}

// UnknownTarget returns a target of a kind that has no live state: every key is there with its empty value.
func UnknownTarget() Target {
	return Target{Facts: map[string]any{
		"exists": false, "hasActiveEndpoints": false, "activeEndpointCount": int64(0), "readyReplicas": int64(0),
		"specReplicas": int64(0), "downstreamServices": []string{},
	}}
}

// Input is what a decision is made from.
type Input struct {
	Request *v1alpha1.AgentRequest
	// Resource governs the target; nil when none does, and then every policy applies.
	Resource *v1alpha1.GovernedResource
	Target   Target
	// Affected are the targets of the request's cascade model, in its order.
	Affected []Target
	// Now is the time of the decision.
	Now time.Time
	// Recent returns when the requests of a scope came, other than Request, since a time, the oldest first. Without it a
	// rate limit cannot be evaluated.
	Recent func(scope Scope, since time.Time) []time.Time
}

// Scope says which requests are counted together. An empty field means any.
type Scope struct{ Agent, Action, TargetURI string }

// Matches reports whether r is in the scope.
func (s Scope) Matches(r *v1alpha1.AgentRequest) bool {
	return (s.Agent == "" || s.Agent == r.Spec.AgentIdentity) && (s.Action == "" || s.Action == r.Spec.Action) &&
		(s.TargetURI == "" || s.TargetURI == r.Spec.Target.URI)
}

// scopeOf returns the scope that r is in.
func (l *rateLimit) scopeOf(r *v1alpha1.AgentRequest) Scope {
	var out Scope
	for _, name := range *l.Scope {
		switch name {
		case scopeAgent:
			out.Agent = r.Spec.AgentIdentity
		case scopeAction:
			out.Action = r.Spec.Action
		case scopeTarget:
			out.TargetURI = r.Spec.Target.URI
		}
	}
	return out
}

// variables returns what expressions can name. The request is its JSON form; whole numbers are CEL ints.
func variables(in Input) (map[string]any, error) {
	request, err := runtime.DefaultUnstructuredConverter.ToUnstructured(in.Request)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	if spec, ok := request["spec"].(map[string]any); ok && in.Request.Spec.Parameters != nil {
		decoder := json.NewDecoder(bytes.NewReader(in.Request.Spec.Parameters.Raw))
		decoder.UseNumber()
		var parameters any
		if err := decoder.Decode(&parameters); err != nil {
			return nil, fmt.Errorf("decode the parameters: %w", err)
		}
		if spec["parameters"], err = numbers(parameters); err != nil {
			return nil, fmt.Errorf("decode the parameters: %w", err)
		}
	}
	vars := map[string]any{varRequest: request}
	in.Target.bind(vars)
	return vars, nil
}

// bind makes a target what expressions name.
func (t Target) bind(vars map[string]any) {
	if t.Err != nil {
		failed := types.NewErr("the state of the target could not be looked up: %v", t.Err)
		vars[varTarget], vars[varContext], vars[varCtxData] = failed, failed, failed
		return
	}
	facts, found := map[string]any{}, map[string]any{}
	maps.Copy(facts, t.Facts)
	maps.Copy(facts, t.Context)
	maps.Copy(found, t.Context)
	vars[varTarget], vars[varContext], vars[varCtxData] = facts, found, found
}

// affected returns the variables for one target of the cascade model: the request as it is, but for the effect as its
// action and the affected target as its target.
func affected(vars map[string]any, a v1alpha1.AffectedTarget, t Target) map[string]any {
	out := maps.Clone(vars)
	request, _ := vars[varRequest].(map[string]any)
	spec, _ := request["spec"].(map[string]any)
	request, spec = maps.Clone(request), maps.Clone(spec)
	spec["action"], spec["target"] = a.EffectType, map[string]any{"uri": a.URI}
	request["spec"] = spec
	out[varRequest] = request
	t.bind(out)
	return out
}

// numbers turns the numbers of JSON that was decoded as json.Number into int64, where they are whole, and float64. No digit of a
// whole number gets lost, as it would in a float64 from 2^53 on.
func numbers(value any) (_ any, err error) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if v[key], err = numbers(inner); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, inner := range v {
			if v[i], err = numbers(inner); err != nil {
				return nil, err
			}
		}
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole, nil
		}
		float, err := v.Float64()
		return wholeNumbers(float), err //nolint:wrapcheck // variables wraps it
	}
	return value, nil
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
