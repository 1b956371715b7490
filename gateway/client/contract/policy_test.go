package contract_test

import (
	"errors"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
)

// everyPolicy creates, replaces and removes a SafetyPolicy, and meets every refusal.
func everyPolicy(t *testing.T, w *world) {
	admin := w.as(t, "admin")
	p := v1alpha1.SafetyPolicy{ObjectMeta: metav1.ObjectMeta{Name: "weekend", Namespace: w.ns}}
	p.Spec.FailureMode = v1alpha1.FailClosed
	p.Spec.Rules = []v1alpha1.Rule{{Name: "one", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionLog, Expression: `request.spec.action == "nap"`}}

	if _, err := w.as(t, "reviewer").CreatePolicy(t.Context(), p); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("as a reviewer: found %v", err)
	}
	wrong := *p.DeepCopy()
	wrong.Spec.Rules[0].Expression = "request.spec.action >< 1"
	if _, err := admin.CreatePolicy(t.Context(), wrong); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("a rule that does not compile: found %v", err)
	}
	made, err := admin.CreatePolicy(t.Context(), p)
	if err != nil || made.Generation != 1 || made.ResourceVersion == "" {
		t.Fatalf("found %+v, %v", made, err)
	}
	if _, err := admin.CreatePolicy(t.Context(), p); !errors.Is(err, client.ErrConflict) {
		t.Errorf("twice: found %v", err)
	}
	// The gateway notes whether the rules compile, which makes another version.
	eventually(t, func() bool {
		all, err := admin.SafetyPolicies(t.Context(), w.ns)
		check(t, err)
		at := slices.IndexFunc(all, func(p v1alpha1.SafetyPolicy) bool { return p.Name == "weekend" && len(p.Status.Conditions) > 0 })
		if at >= 0 {
			made = all[at]
		}
		return at >= 0
	})
	made.Spec.Rules[0].Expression = `request.spec.action == "rest"`
	replaced, err := admin.ReplacePolicy(t.Context(), made)
	if err != nil || replaced.Generation != 2 {
		t.Fatalf("found %+v, %v", replaced, err)
	}
	if _, err := admin.ReplacePolicy(t.Context(), made); !errors.Is(err, client.ErrConflict) {
		t.Errorf("over a newer one: found %v", err)
	}
	there := func() bool {
		all, err := admin.SafetyPolicies(t.Context(), w.ns)
		check(t, err)
		return slices.ContainsFunc(all, func(p v1alpha1.SafetyPolicy) bool { return p.Name == "weekend" && p.Generation == 2 })
	}
	eventually(t, there)
	check(t, admin.RemovePolicy(t.Context(), w.ns, "weekend"))
	eventually(t, func() bool { return !there() })
	if err := admin.RemovePolicy(t.Context(), w.ns, "weekend"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("removed twice: found %v", err)
	}
}
