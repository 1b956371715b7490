package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole (W-21): policies are checked against other variables than they run with, so what was accepted denies everything;
// and policies that come past the gateway are not checked at all.
// Attack: a policy with the names that the documentation uses; one through kubectl that does not compile.
// Proof: the first decides as it says; the second says in its status what is wrong with it.
func TestTwoEnvironments(t *testing.T) {
	t.Parallel()
	w := shared(t)
	expression := `request.spec.action == "two-worlds" && (!has(context.replicas) || context.replicas < 1) && !has(ctxData.replicas) && !target.exists`
	policy := fmt.Sprintf(`{"metadata":{"name":"names"},"spec":{"rules":[{"name":"r","type":"StateEvaluation","action":"RequireApproval","expression":%q}]}}`, expression)
	w.as(t, admin, http.MethodPost, "/safety-policies?namespace="+w.ns, policy).is(t, http.StatusCreated, "names")
	p := &v1alpha1.SafetyPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "names"}}
	eventually(t, "the policy is in force", func() bool {
		check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(p), p))
		return meta.IsStatusConditionTrue(p.Status.Conditions, "Valid")
	})
	if state := w.submit(t, agent, "two-worlds"); state.Phase != v1alpha1.PhasePending {
		t.Errorf("phase %s, denial %+v", state.Phase, state.Denial)
	}
	broken := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "broken"},
		Spec: v1alpha1.SafetyPolicySpec{FailureMode: v1alpha1.FailOpen, Rules: []v1alpha1.Rule{{
			Name: "r", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionDeny, Expression: `request.spec.action = "x"`,
		}}},
	}
	check(t, w.live.Create(t.Context(), broken))
	eventually(t, "the policy says what is wrong", func() bool {
		check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(broken), broken))
		c := meta.FindStatusCondition(broken.Status.Conditions, "Valid")
		return c != nil && c.Status == metav1.ConditionFalse && strings.Contains(c.Message, "column")
	})
}
