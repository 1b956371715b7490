package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// phaseIs fails the test unless a report was answered with a phase.
func (r reply) phaseIs(t *testing.T, want v1alpha1.Phase, message string) {
	t.Helper()
	var out wire.Reported
	r.want(t, http.StatusOK, message).into(t, &out)
	if out.Phase != want {
		t.Errorf("phase %q, expected %q", out.Phase, want)
	}
}

// reports: an approved action begins, goes on and ends, with or without a body, and each answer tells the phase that it led
// to. The trail tells it all, in order.
func reports(t *testing.T, w *world) {
	name := w.submit(t, agent1, "reported").Name
	post := func(verb, body string) reply { return w.as(t, agent1, "POST", w.path(name, verb), body) }
	post("/executing", "").phaseIs(t, v1alpha1.PhaseExecuting, "successfully patched condition Executing")
	post("/heartbeat", "").phaseIs(t, v1alpha1.PhaseExecuting, "the target is held until 2")
	w.as(t, agent1, "PUT", w.path(name, "/result"), `{"url":"https://ci.example.org/1","summary":"half"}`).want(t, http.StatusOK, `{"status":"result recorded"}`)
	post("/completed", `{"colour":"green"}`).phaseIs(t, v1alpha1.PhaseCompleted, `unknown field \"colour\" was ignored`)
	w.as(t, agent1, "PUT", w.path(name, "/result"), `{"url":"https://ci.example.org/2","summary":"whole"}`).want(t, http.StatusOK, `{"status":"result recorded"}`)

	var state wire.RequestState
	w.as(t, agent1, "GET", w.path(name, ""), "").into(t, &state)
	if state.Result == nil || state.Result.Summary != "whole" {
		t.Errorf("result %+v", state.Result)
	}
	eventually(t, func() bool {
		w.as(t, agent1, "GET", w.path(name, ""), "").into(t, &state)
		return slices.Contains(state.AuditEvents, "lock.released")
	})
	at := -1
	for _, event := range []string{"request.submitted", "policy.evaluated", "request.approved", "lock.acquired", "request.executing", "request.completed"} {
		next := slices.Index(state.AuditEvents, event)
		if next <= at {
			t.Errorf("%s is not in its place in %q", event, state.AuditEvents)
		}
		at = next
	}

	for _, begun := range []bool{false, true} {
		name = w.submit(t, agent1, "reported").Name
		if begun {
			post("/executing", "{}").phaseIs(t, v1alpha1.PhaseExecuting, "Executing")
		}
		post("/failed", `{"reason":"disk full"}`).phaseIs(t, v1alpha1.PhaseFailed, "successfully patched condition Failed")
		c := meta.FindStatusCondition(w.stored(t, name).Status.Conditions, v1alpha1.ConditionFailed)
		if c == nil || c.Reason != "ExecutionFailed" || !strings.Contains(c.Message, "disk full") {
			t.Errorf("condition %+v", c)
		}
	}
}

func reportsRefused(t *testing.T, w *world) {
	w.holds(t, "not-yet")
	held, free := w.submit(t, agent1, "not-yet").Name, w.submit(t, agent1, "may-begin").Name
	for name, c := range map[string]struct {
		subject, method, path, body string
		status                      int
		text                        string
	}{
		"held, executing":    {agent1, "POST", w.path(held, "/executing"), "", 409, `request is in phase \"Pending\" — can only transition to Executing from Approved`},
		"held, completed":    {agent1, "POST", w.path(held, "/completed"), "", 409, `request is in phase \"Pending\" — can only transition to Completed from Executing`},
		"held, failed":       {agent1, "POST", w.path(held, "/failed"), "", 409, `can only transition to Failed from Approved or Executing`},
		"held, heartbeat":    {agent1, "POST", w.path(held, "/heartbeat"), "", 409, `a heartbeat counts in Executing only`},
		"held, result":       {agent1, "PUT", w.path(held, "/result"), `{"url":"https://x.example","summary":""}`, 409, `result can only be recorded in Executing or Completed`},
		"not begun":          {agent1, "POST", w.path(free, "/completed"), "", 409, `request is in phase \"Approved\" — can only transition to Completed from Executing`},
		"another agent":      {agent2, "POST", w.path(free, "/executing"), "", 403, "forbidden: only the creating agent may transition this request"},
		"another heartbeat":  {agent2, "POST", w.path(free, "/heartbeat"), "", 403, "forbidden: only the creating agent"},
		"another's result":   {agent2, "PUT", w.path(free, "/result"), `{"url":"https://x.example","summary":"s"}`, 403, "forbidden: only the creating agent"},
		"a reviewer":         {reviewer1, "POST", w.path(free, "/executing"), "", 403, "agent role required"},
		"not there":          {agent1, "POST", w.path("none", "/executing"), "", 404, "AgentRequest not found"},
		"bad body":           {agent1, "POST", w.path(free, "/failed"), "{", 400, "invalid request body"},
		"long reason":        {agent1, "POST", w.path(free, "/failed"), `{"reason":"` + strings.Repeat("x", maxReason+1) + `"}`, 400, "reason is longer than"},
		"result without TLS": {agent1, "PUT", w.path(free, "/result"), `{"url":"http://x.example","summary":"s"}`, 400, "url must be a valid https URL"},
		"result, password":   {agent1, "PUT", w.path(free, "/result"), `{"url":"https://a:b@x.example","summary":"s"}`, 400, "url must be a valid https URL"},
		"long summary":       {agent1, "PUT", w.path(free, "/result"), `{"url":"https://x.example","summary":"` + strings.Repeat("x", 513) + `"}`, 400, "summary must be at most 512 characters"},
		"no result":          {agent1, "PUT", w.path(free, "/result"), ``, 400, "invalid request body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.as(t, c.subject, c.method, c.path, c.body).want(t, c.status, c.text)
		})
	}
}

// ungraded stores a request that waits for a verdict.
func (w *world) ungraded(t *testing.T) string {
	t.Helper()
	r := &v1alpha1.AgentRequest{Spec: v1alpha1.AgentRequestSpec{AgentIdentity: agent1, Action: "soak", Reason: "r", Target: v1alpha1.Target{URI: target()}}}
	r.Namespace, r.GenerateName = w.ns, "soak-"
	r.Annotations = map[string]string{v1alpha1.AnnotationCanExecute: "false", v1alpha1.AnnotationSubmittedBy: agent1}
	check(t, w.live.Create(t.Context(), r))
	eventually(t, func() bool { return w.stored(t, r.Name).Status.Phase == v1alpha1.PhaseAwaitingVerdict })
	return r.Name
}

// verdicts: reviewers grade what was not executed, once.
func verdicts(t *testing.T, w *world) {
	name := w.ungraded(t)
	grade := func(subject, body string) reply {
		return w.as(t, subject, "PATCH", w.path(name, "/verdict"), body)
	}
	grade(reviewer1, `{"verdict":"great"}`).want(t, http.StatusBadRequest, `{"error":"invalid verdict"}`)
	grade(reviewer1, `{"verdict":"partial"}`).want(t, http.StatusBadRequest, "reasonCode is required when verdict is not 'correct'")
	grade(reviewer1, `{"verdict":"partial","reasonCode":"late"}`).want(t, http.StatusBadRequest, `invalid reasonCode \"late\"; must be one of: wrong_diagnosis`)
	grade(reviewer1, fmt.Sprintf(`{"verdict":"correct","note":%q}`, strings.Repeat("n", 513))).want(t, http.StatusBadRequest, "note must be at most 512 characters")
	grade(agent1, `{"verdict":"correct"}`).want(t, http.StatusForbidden, "reviewer role required")
	grade(reviewer1, `{"verdict":"incorrect","reasonCode":"bad_timing","note":"during the sale"}`).phaseIs(t, v1alpha1.PhaseCompleted, "verdict submitted")
	grade(reviewer2, `{"verdict":"correct"}`).want(t, http.StatusConflict, "request was already graded incorrect by "+reviewer1)
	s := w.stored(t, name).Status
	if s.Verdict != "incorrect" || s.VerdictReasonCode != "bad_timing" || s.VerdictNote != "during the sale" || s.VerdictBy != reviewer1 || s.VerdictAt == nil {
		t.Errorf("status %+v", s)
	}
	name = w.submit(t, agent1, "not-to-be-graded").Name
	grade(reviewer1, `{"verdict":"correct"}`).want(t, http.StatusConflict, `request is in phase \"Approved\"`)
}

// observed: an intent that is only recorded is answered at once, and decided by nobody.
func observed(t *testing.T, w *world) {
	w.policy(t, "only-seen", v1alpha1.ActionDeny)
	body := strings.Replace(w.submission("only-seen"), "{", `{"mode":"observe",`, 1)
	w.as(t, agent1, "POST", "/agent-requests", body).want(t, http.StatusCreated, `"phase":"Observed"`)
}

// agentRecords: how right an agent was and how it went, counted from the trail; agents read their own. Verdicts that find no fault
// with the diagnosis do not count.
func agentRecords(t *testing.T, w *world) {
	other := *w
	other.ns = w.namespace(t)
	w = &other
	for _, verdict := range []string{
		`{"verdict":"correct"}`, `{"verdict":"correct"}`, `{"verdict":"partial","reasonCode":"wrong_diagnosis"}`,
		`{"verdict":"incorrect","reasonCode":"wrong_diagnosis"}`, `{"verdict":"incorrect","reasonCode":"bad_timing"}`,
	} {
		w.as(t, reviewer1, "PATCH", w.path(w.ungraded(t), "/verdict"), verdict).want(t, http.StatusOK, "verdict submitted")
	}
	for _, end := range []string{"/completed", "/failed"} {
		name := w.submit(t, agent2, "counted").Name
		w.as(t, agent2, "POST", w.path(name, "/executing"), "").want(t, http.StatusOK, "")
		w.as(t, agent2, "POST", w.path(name, end), "").want(t, http.StatusOK, "")
	}
	in := "?namespace=" + w.ns
	const summary = `"status":{"totalReviewed":4,"correctCount":2,"partialCount":1,"incorrectCount":1,"diagnosticAccuracy":0.625,"lastUpdatedAt":"`
	eventually(t, func() bool { // the trail is a moment behind the answers
		return strings.Contains(w.as(t, reviewer1, "GET", "/diagnostic-accuracy-summaries"+in, "").want(t, http.StatusOK, "[").body, summary)
	})
	var list []v1alpha1.AgentTrustProfile
	eventually(t, func() bool {
		w.as(t, admin1, "GET", "/agent-trust-profiles"+in, "").want(t, http.StatusOK, "").into(t, &list)
		return len(list) == 2 && list[1].Status.TotalExecutions == 2
	})
	if list[1].Spec.AgentIdentity != agent2 || *list[1].Status.SuccessRate != 0.5 || list[1].Status.TrustLevel != "Observer" || *list[0].Status.DiagnosticAccuracy != 0.625 {
		t.Errorf("profiles %+v", list)
	}
	w.as(t, agent2, "GET", "/agent-trust-profiles"+in, "").want(t, http.StatusOK, "").into(t, &list)
	if len(list) != 1 || list[0].Spec.AgentIdentity != agent2 {
		t.Errorf("an agent reads %+v", list)
	}
	own, foreign := "/agent-trust-profiles/"+store.ProfileName(agent2)+in, "/agent-trust-profiles/"+store.ProfileName(agent1)+in
	w.as(t, agent2, "GET", own, "").want(t, http.StatusOK, `"agentIdentity":"aip-agent-2"`)
	w.as(t, agent2, "GET", foreign, "").want(t, http.StatusNotFound, "AgentTrustProfile not found")
	w.as(t, agent2, "GET", "/diagnostic-accuracy-summaries"+in, "").want(t, http.StatusOK, "[]")

	// What is stored for kubectl is the same, and made so again when somebody asks.
	s := &v1alpha1.DiagnosticAccuracySummary{}
	s.Namespace, s.Name = w.ns, store.ProfileName(agent1)
	stored := func() int64 {
		check(t, client.IgnoreNotFound(w.live.Get(t.Context(), client.ObjectKeyFromObject(s), s)))
		return s.Status.TotalReviewed
	}
	eventually(t, func() bool { return stored() == 4 })
	check(t, w.live.Delete(t.Context(), s))
	w.as(t, agent2, "POST", "/agent-requests/recompute-accuracy"+in, "").want(t, http.StatusForbidden, "reviewer role required")
	eventually(t, func() bool {
		w.as(t, reviewer1, "POST", "/agent-requests/recompute-accuracy"+in, "").want(t, http.StatusOK, `"message":"recomputed accuracy summaries"`)
		return stored() == 4
	})
}
