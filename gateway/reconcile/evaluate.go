package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// evaluator asks the policies of all namespaces about a request: an agent chooses the namespace of its request, so it
// must not choose its policies with it.
type evaluator struct {
	store         *store.Store
	defaultAction string
	now           func() time.Time

	mu      sync.Mutex
	version string
	set     *policy.Set
}

func newEvaluator(o Options) func(context.Context, *v1alpha1.AgentRequest) (lifecycle.Evaluated, error) {
	e := &evaluator{store: o.Store, defaultAction: o.DefaultAction, now: o.Now}
	return e.evaluate
}

func (e *evaluator) evaluate(ctx context.Context, request *v1alpha1.AgentRequest) (lifecycle.Evaluated, error) {
	list, err := e.store.Policies(ctx)
	if err != nil {
		return lifecycle.Evaluated{}, fmt.Errorf("evaluate: %w", err)
	}
	decision := e.compiled(list).Decide(ctx, policy.Input{Request: request, Target: targetOf(request), Now: e.now()})
	if err := ctx.Err(); err != nil { // it denies what it has no time to evaluate
		return lifecycle.Evaluated{}, fmt.Errorf("evaluate: %w", err)
	}
	return lifecycle.Evaluated{
		Outcome: outcome(decision.Outcome), Code: decision.Code, Message: decision.Message, Results: decision.Results,
	}, nil
}

// kubernetesTarget begins the URI of a target whose live state a rule may ask for.
const kubernetesTarget = "k8s://"

// targetOf returns what is known of the request's target. The live state of Kubernetes objects is not looked up by
// this version. For them the variable is empty, so that a rule which asks for that state cannot be evaluated and its
// failure mode decides; empty values would let "deny while it has endpoints" pass.
func targetOf(request *v1alpha1.AgentRequest) policy.Target {
	if strings.HasPrefix(request.Spec.Target.URI, kubernetesTarget) {
		return policy.Target{}
	}
	return policy.UnknownTarget()
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

// compiled returns the compiled form of list. It compiles when list differs from the last one only.
func (e *evaluator) compiled(list []v1alpha1.SafetyPolicy) *policy.Set {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b v1alpha1.SafetyPolicy) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	var version strings.Builder
	for i := range list {
		fmt.Fprintf(&version, "%s@%d ", list[i].UID, list[i].Generation)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set == nil || e.version != version.String() {
		e.set, e.version = policy.Compile(list).WithDefault(e.defaultAction), version.String()
	}
	return e.set
}
