package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Hole: an expression that runs for hours over what an agent sends.
// Attack: a rule with loops in loops over the agent's parameters, and an agent that sends a long list.
// Proof: the rule costs too much and counts as failed, its policy fails closed, and others are decided in time.
func TestCELBomb(t *testing.T) {
	t.Parallel()
	w := shared(t)
	const loops = `request.spec.action == "bomb" && request.spec.parameters.l.all(a, request.spec.parameters.l.all(b, request.spec.parameters.l.all(c, request.spec.parameters.l.all(d, a + b + c + d >= 0))))`
	w.policy(t, v1alpha1.Rule{Action: v1alpha1.ActionDeny, Expression: loops})
	long := "[" + strings.TrimSuffix(strings.Repeat("1,", 2000), ",") + "]"
	began := time.Now()
	state := w.as(t, agent, http.MethodPost, "/agent-requests", strings.Replace(w.submission("bomb"), "{", `{"parameters":{"l":`+long+`},`, 1)).
		is(t, http.StatusCreated, "").state(t)
	if state.Denial == nil || state.Denial.Code != v1alpha1.DenialEvaluationFailure {
		t.Errorf("phase %s, denial %+v", state.Phase, state.Denial)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the decision took %s", took)
	}
	if next := w.submit(t, agent, "beside-the-bomb"); next.Phase != v1alpha1.PhaseApproved {
		t.Errorf("phase %s", next.Phase)
	}
	// One that is deep or long instead is refused where it is defined.
	for name, expression := range map[string]string{
		"deep": strings.Repeat("(", 5000) + "true" + strings.Repeat(")", 5000),
		"long": strings.Repeat("true && ", 200_000) + "true",
	} {
		policy := fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"rules":[{"name":"r","type":"StateEvaluation","action":"Log","expression":%q}]}}`, name, expression)
		got := w.as(t, admin, http.MethodPost, "/safety-policies?namespace="+w.ns, policy)
		if got.status != http.StatusUnprocessableEntity && got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d %.200s", name, got.status, got.body)
		}
	}
}
