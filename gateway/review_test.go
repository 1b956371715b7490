package gateway

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// namespace makes a namespace for a part that counts what is in it.
func (w *world) namespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	check(t, w.live.Create(t.Context(), ns))
	return ns.Name
}

func review(t *testing.T, w *world) {
	w.holds(t, "reviewed")
	for verb, want := range map[string]v1alpha1.Phase{"/approve": v1alpha1.PhaseApproved, "/deny": v1alpha1.PhaseDenied} {
		for _, body := range []string{`{"reason":"seen by two"}`, ``, ` `, `{}`} {
			name := w.submit(t, agent1, "reviewed").Name
			got := w.as(t, reviewer1, "POST", w.path(name, verb), body).want(t, http.StatusOK, name)
			if phaseOf(t, got) != want {
				t.Errorf("%s %q: %s", verb, body, got.body)
			}
		}
	}
	// The agent learns why.
	name := w.submit(t, agent1, "reviewed").Name
	w.as(t, reviewer1, "POST", w.path(name, "/deny"), `{"reason":"not during the sale"}`).want(t, http.StatusOK, "Denied")
	var state wire.RequestState
	w.as(t, agent1, "GET", w.path(name, ""), "").into(t, &state)
	c := meta.FindStatusCondition(state.Conditions, v1alpha1.ConditionApproved)
	if state.Denial == nil || !strings.Contains(state.Denial.Message, "not during the sale") || !strings.Contains(state.Denial.Message, reviewer1) ||
		c == nil || c.Status != metav1.ConditionFalse || c.Reason != "ManualDenial" || state.HumanApproval == nil ||
		meta.FindStatusCondition(state.Conditions, v1alpha1.ConditionRequiresApproval) != nil {
		t.Errorf("state %+v, denial %+v", state, state.Denial)
	}
}

func reviewRefused(t *testing.T, w *world) {
	w.holds(t, "held-fast")
	held := w.submit(t, agent1, "held-fast").Name
	own := w.submit(t, both, "held-fast").Name
	free := w.submit(t, agent1, "needs-nobody").Name
	for _, verb := range []string{"/approve", "/deny"} {
		for name, tt := range map[string]struct {
			subject, path, body string
			status              int
			text                string
		}{
			"not a reviewer":  {agent1, w.path(held, verb), "", http.StatusForbidden, "reviewer role required"},
			"own request":     {both, w.path(own, verb), "", http.StatusForbidden, "self-approval not permitted"},
			"no such request": {reviewer1, w.path("nothing", verb), "", http.StatusNotFound, "AgentRequest not found"},
			"not pending": {reviewer1, w.path(free, verb), "", http.StatusConflict,
				`request is in phase \"Approved\" — can only approve/deny when Pending; it was decided by policy at 20`},
			"bad JSON":         {reviewer1, w.path(held, verb), `{"reason":`, http.StatusBadRequest, "invalid request body"},
			"an endless why":   {reviewer1, w.path(held, verb), `{"reason":"` + strings.Repeat("x", maxReason+1) + `"}`, http.StatusBadRequest, "reason is longer than"},
			"another's folder": {reviewer1, "/agent-requests/" + held + verb + "?namespace=kube-system", "", http.StatusNotFound, "AgentRequest not found"},
		} {
			t.Run(verb[1:]+" "+name, func(t *testing.T) {
				t.Parallel()
				w.as(t, tt.subject, "POST", tt.path, tt.body).want(t, tt.status, tt.text)
				if h := w.stored(t, held).Spec.HumanApproval; h != nil {
					t.Errorf("refused, but stored %+v", h)
				}
			})
		}
	}
}

// approveAgainstDeny fires both decisions at once. Exactly one counts, and everybody agrees which.
func approveAgainstDeny(t *testing.T, w *world) {
	w.holds(t, "contested")
	for range 20 {
		name := w.submit(t, agent1, "contested").Name
		answers := make([]reply, 2)
		var wait sync.WaitGroup
		for i, by := range []struct{ subject, verb string }{{reviewer1, "/approve"}, {reviewer2, "/deny"}} {
			token := w.Token(t, by.subject)
			wait.Go(func() { answers[i] = w.do(t, "POST", w.path(name, by.verb), token, `{"reason":"me"}`) })
		}
		wait.Wait()
		won, lost := answers[0], answers[1]
		phase, decision, by := v1alpha1.PhaseApproved, v1alpha1.DecisionApproved, reviewer1
		if won.status != http.StatusOK {
			won, lost = lost, won
			phase, decision, by = v1alpha1.PhaseDenied, v1alpha1.DecisionDenied, reviewer2
		}
		won.want(t, http.StatusOK, string(phase))
		lost.want(t, http.StatusConflict, decision+" by "+by)
		r := w.stored(t, name)
		if r.Status.Phase != phase || r.Spec.HumanApproval.Decision != decision || r.Spec.HumanApproval.ApprovedBy != by {
			t.Errorf("the answers say %s, the object says %s and %+v", phase, r.Status.Phase, r.Spec.HumanApproval)
		}
	}
}

// boundToVersion: a decision about something that changed since it was read is refused.
func boundToVersion(t *testing.T, w *world) {
	w.holds(t, "versioned")
	name := w.submit(t, agent1, "versioned").Name
	read := w.stored(t, name)
	changed := read.DeepCopy()
	changed.Labels["touched"] = "yes"
	check(t, w.live.Update(t.Context(), changed))
	w.as(t, reviewer1, "POST", w.path(name, "/approve"), `{"resourceVersion":"`+read.ResourceVersion+`"}`).
		want(t, http.StatusConflict, "changed since you read it")
	w.as(t, reviewer1, "POST", w.path(name, "/approve"), `{"resourceVersion":"`+changed.ResourceVersion+`"}`).
		want(t, http.StatusOK, "Approved")
}
