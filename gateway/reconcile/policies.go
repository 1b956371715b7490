package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// The condition of a SafetyPolicy. When it is True for the generation of the policy, every request that is evaluated
// from then on is held against it.
const (
	conditionValid     = "Valid"
	reasonCompiled     = "Compiled"
	reasonDoesNot      = "DoesNotCompile"
	maxConditionLength = 4096
)

// policies tells whether the rules of SafetyPolicies compile.
type policies struct {
	store *store.Store
	log   *slog.Logger
	now   func() time.Time
}

// Reconcile writes the Valid condition of one policy, unless it stands there already.
func (p *policies) Reconcile(ctx context.Context, key reconcile.Request) (reconcile.Result, error) {
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	found, err := p.store.Policy(ctx, key.Namespace, key.Name)
	if err != nil {
		return reconcile.Result{}, unlessMoot(err)
	}
	var resources []v1alpha1.GovernedResource
	if readsContext(*found) {
		if resources, err = p.store.GovernedResources(ctx); err != nil {
			return reconcile.Result{}, err
		}
	}
	condition := valid(found, resources)
	condition.LastTransitionTime = metav1.NewTime(p.now())
	status := found.Status.DeepCopy()
	if !meta.SetStatusCondition(&status.Conditions, condition) {
		return reconcile.Result{}, nil
	}
	if err := p.store.SetPolicyStatus(ctx, found, *status); err != nil {
		return reconcile.Result{}, unlessMoot(err)
	}
	if condition.Status == metav1.ConditionFalse {
		p.log.WarnContext(ctx, "SafetyPolicy does not compile", "name", key.String(), "cause", condition.Message)
	} else {
		p.log.InfoContext(ctx, "SafetyPolicy is in force", "name", key.String(), "generation", found.Generation)
	}
	return reconcile.Result{}, nil
}

func valid(p *v1alpha1.SafetyPolicy, resources []v1alpha1.GovernedResource) metav1.Condition {
	out := metav1.Condition{Type: conditionValid, ObservedGeneration: p.Generation}
	faults := policy.Check(p, resources...)
	if len(faults) == 0 {
		out.Status, out.Reason = metav1.ConditionTrue, reasonCompiled
		out.Message = fmt.Sprintf("%d rules in force", len(p.Spec.Rules))
		if len(p.Spec.Rules) == 1 {
			out.Message = "1 rule in force"
		}
		return out
	}
	out.Status, out.Reason = metav1.ConditionFalse, reasonDoesNot
	if out.Message = policy.Explain(faults); len(out.Message) > maxConditionLength {
		out.Message = strings.ToValidUTF8(out.Message[:maxConditionLength], "") + "…"
	}
	return out
}
