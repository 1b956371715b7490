package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/github"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// evaluator asks the policies of all namespaces about a request: an agent chooses the namespace of its request, so it
// must not choose its policies with it.
type evaluator struct {
	store *store.Store
	// github is nil when it is off.
	github        *github.Client
	defaultAction string
	now           func() time.Time
	rates         *rates
	// took measures evaluations.
	took prometheus.Observer

	mu      sync.Mutex
	version string
	set     *policy.Set
}

func newEvaluator(o Options, m *measures) *evaluator {
	return &evaluator{took: m.evaluation, store: o.Store, github: o.GitHub, defaultAction: o.DefaultAction, now: o.Now, rates: newRates(o.Store)}
}

// evaluate asks the policies that are in force now about the request and its target as it is now.
func (e *evaluator) evaluate(
	ctx context.Context, request *v1alpha1.AgentRequest, resource *v1alpha1.GovernedResource,
) (lifecycle.Evaluated, error) {
	out, _, err := e.assess(ctx, request, resource)
	return out, err
}

// assess evaluates and returns what it saw of the target too.
func (e *evaluator) assess(
	ctx context.Context, request *v1alpha1.AgentRequest, resource *v1alpha1.GovernedResource,
) (lifecycle.Evaluated, sight, error) {
	began := e.now()
	defer func() { e.took.Observe(e.now().Sub(began).Seconds()) }()
	set, _, err := e.inForce(ctx)
	if err != nil {
		return lifecycle.Evaluated{}, sight{}, err
	}
	lookups, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	seen := sight{Target: policy.Target{Err: errNotLooked}}
	looks := set.ReadsTarget() || fetcherOf(resource) != v1alpha1.FetcherNone
	if looks {
		seen = e.look(lookups, request.Spec.Target.URI, resource)
	}
	in := policy.Input{Request: request, Resource: resource, Target: seen.Target, Now: e.now()}
	if set.ReadsTarget() {
		in.Affected = e.affected(lookups, request.Spec.CascadeModel)
	}
	decision, err := e.decide(ctx, set, in)
	if err == nil {
		err = ctx.Err() // it denies what it has no time to evaluate
	}
	if err != nil {
		return lifecycle.Evaluated{}, sight{}, fmt.Errorf("evaluate: %w", err)
	}
	gate, err := e.store.Gate(ctx, resource, request.Namespace, request.Spec.AgentIdentity)
	if err != nil {
		return lifecycle.Evaluated{}, sight{}, fmt.Errorf("evaluate: %w", err)
	}
	out := byTrust(request, gate, lifecycle.Evaluated{
		Outcome: outcome(decision.Outcome), Code: decision.Code, Message: decision.Message, Results: decision.Results,
		RetryAfter: decision.RetryAfter, Fingerprint: decision.Fingerprint(),
	})
	// What no rule reads is looked up for people only.
	if !looks && (out.Outcome == lifecycle.Hold || request.Status.ControlPlaneVerification != nil) {
		seen = e.look(lookups, request.Spec.Target.URI, resource)
	}
	out, err = seen.tell(out)
	return out, seen, err
}

// decide asks the policies. While one of them counts requests, it does so for one request at a time.
func (e *evaluator) decide(ctx context.Context, set *policy.Set, in policy.Input) (policy.Decision, error) {
	if !set.LimitsRates() {
		return set.Decide(ctx, in), nil
	}
	return e.rates.count(ctx, in, set.Decide)
}

// outcome says what an outcome of the policies means for the lifecycle. What it does not know denies.
func outcome(o policy.Outcome) lifecycle.Outcome {
	switch o {
	case policy.Allow, policy.Log:
		return lifecycle.Allow
	case policy.RequireApproval:
		return lifecycle.Hold
	default:
		return lifecycle.Deny
	}
}

// inForce returns the compiled policies and what stands for their versions. It compiles when they differ from the last
// ones only.
func (e *evaluator) inForce(ctx context.Context) (*policy.Set, string, error) {
	list, err := e.store.Policies(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("evaluate: %w", err)
	}
	var version strings.Builder
	for i := range list {
		fmt.Fprintf(&version, "%s@%d ", list[i].UID, list[i].Generation)
	}
	var resources []v1alpha1.GovernedResource
	if slices.ContainsFunc(list, readsContext) {
		if resources, err = e.store.GovernedResources(ctx); err != nil {
			return nil, "", fmt.Errorf("evaluate: %w", err)
		}
		for i := range resources {
			fmt.Fprintf(&version, "%s@%s ", resources[i].UID, resources[i].ResourceVersion) // its labels count too
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set == nil || e.version != version.String() {
		e.set, e.version = policy.Compile(list, resources...).WithDefault(e.defaultAction), version.String()
	}
	return e.set, e.version, nil
}

// readsContext reports whether p is compiled against the schemas of GovernedResources.
func readsContext(p v1alpha1.SafetyPolicy) bool { return p.Spec.ContextType != "" }

// drifted returns what the approval of a held request has to be refused for: what the reviewer saw is not what is there
// now. It returns nil when the approval counts.
func (e *evaluator) drifted(
	ctx context.Context, request *v1alpha1.AgentRequest, resource *v1alpha1.GovernedResource,
) (*lifecycle.Drifted, error) {
	now, sight, err := e.assess(ctx, request, resource)
	if err != nil {
		return nil, err
	}
	seen, is, before := request.Status.ControlPlaneVerification, now.Verification, request.Status.ProviderContext
	switch {
	case now.Outcome == lifecycle.Deny:
		return &lifecycle.Drifted{Now: now, Why: "the policies deny it by now: " + now.Message}, nil
	case now.Outcome == lifecycle.Hold && now.Fingerprint != request.Status.EvaluationFingerprint:
		return &lifecycle.Drifted{Now: now, Why: "the policies say something else than when the reviewer looked"}, nil
	case sight.failed() && (seen != nil || before != nil), seen != nil && is == nil:
		return nil, errNotSeen // nothing is known against the approval, it is looked at again
	case seen != nil && seen.EvaluatedStateFingerprint != is.EvaluatedStateFingerprint:
		return &lifecycle.Drifted{Now: now, Why: "the target is not as it was when the reviewer looked: " + difference(seen, is)}, nil
	}
	if before != nil {
		if change := contextChange(before, now.Context); change != "" {
			return &lifecycle.Drifted{Now: now, Why: "the context of the target is not as it was when the reviewer looked: " + change}, nil
		}
	}
	return nil, nil //nolint:nilnil // no drift
}

// outdated returns what the policies' own approval of a request has to be refused for: they do not allow it any more. It returns
// nil when they do.
func (e *evaluator) outdated(
	ctx context.Context, request *v1alpha1.AgentRequest, resource *v1alpha1.GovernedResource,
) (*lifecycle.Drifted, error) {
	now, err := e.evaluate(ctx, request, resource)
	if err != nil || now.Outcome == lifecycle.Allow {
		return nil, err
	}
	return &lifecycle.Drifted{Now: now, Why: "the policies do not allow it any more: " + now.Message}, nil
}

// difference says how what was seen differs from what is there.
func difference(seen, is *v1alpha1.ControlPlaneVerification) string {
	type fact struct {
		name     string
		was, now any
	}
	var out []string
	for _, f := range []fact{
		{"exists", seen.TargetExists, is.TargetExists}, {"active endpoints", seen.ActiveEndpointCount, is.ActiveEndpointCount},
		{"ready replicas", seen.ReadyReplicas, is.ReadyReplicas}, {"wanted replicas", seen.SpecReplicas, is.SpecReplicas},
	} {
		if f.was != f.now {
			out = append(out, fmt.Sprintf("%s was %v, is %v", f.name, f.was, f.now))
		}
	}
	if len(out) == 0 {
		return "its specification was changed"
	}
	return strings.Join(out, ", ")
}
