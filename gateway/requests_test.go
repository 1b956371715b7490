package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// TestServer runs the parts that share one gateway, beside each other.
func TestServer(t *testing.T) { // see start
	w := start(t)
	t.Run("with", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *world){
			"every route refuses":       everyRouteRefuses,
			"tokens that do not count":  tokensThatDoNotCount,
			"unknown paths and methods": unknownPathsAndMethods,
			"whoami":                    whoami,
			"the guide":                 theGuide,
			"bad submissions":           badSubmissions,
			"spellings of a submission": spellings,
			"denied by policy":          deniedByPolicy,
			"listing":                   listing,
			"paging":                    paging,
			"who may read":              whoMayRead,
			"review":                    review,
			"review that is refused":    reviewRefused,
			"approve against deny":      approveAgainstDeny,
			"bound to a version":        boundToVersion,
			"list stream":               listStream,
			"stream of one":             streamOfOne,
			"stream that is refused":    streamRefused,
			"stream and expiry":         streamAndExpiry,
			"stream that is resumed":    streamResumed,
			"submission as a stream":    submissionStream,
			"warnings":                  warnings,
			"fields twice":              fieldsTwice,
			"measures":                  measured,
			"safety policies":           safetyPolicies,
			"audit records":             auditRecords,
			"reports":                   reports,
			"reports that are refused":  reportsRefused,
			"verifications":             verifications,
			"targets looked at again":   targetsLookedAt,
			"verdicts":                  verdicts,
			"observed":                  observed,
			"records of agents":         agentRecords,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, w)
			})
		}
	})
	log := w.logs.String()
	if strings.Contains(log, "eyJ") {
		t.Error("the log holds a token")
	}
	if strings.Contains(log, "level=ERROR") {
		t.Errorf("the log holds errors:\n%s", log)
	}
	if !strings.Contains(log, "Starting AIP Demo Gateway on :8080 ") {
		t.Error("the log does not say that the gateway started")
	}
}

// theGuide is steps 5 and 6 of the guide: a harmless request is approved at once, another waits for its reviewer.
func theGuide(t *testing.T, w *world) {
	body := `{"agentIdentity":"aip-agent-1","action":"scale-down","targetURI":"k8s://prod/default/deployment/payment-api","reason":"scheduled maintenance window"}`
	got := w.as(t, agent1, "POST", "/agent-requests", body)
	if got.status != http.StatusCreated || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var state wire.RequestState
	got.into(t, &state)
	evaluated := meta.FindStatusCondition(state.Conditions, v1alpha1.ConditionPolicyEvaluated)
	if !strings.HasPrefix(state.Name, "aip-agent-1-") || state.Phase != v1alpha1.PhaseApproved || state.Namespace != "default" ||
		evaluated == nil || !strings.Contains(strings.ToLower(evaluated.Message), "no policy") {
		t.Errorf("state %+v", state)
	}

	w.holds(t, "guide-delete")
	held := w.submit(t, agent1, "guide-delete")
	if held.Phase != v1alpha1.PhasePending || !meta.IsStatusConditionTrue(held.Conditions, v1alpha1.ConditionRequiresApproval) {
		t.Fatalf("state %+v", held)
	}
	answer := w.as(t, reviewer1, "POST", w.path(held.Name, "/approve"), `{"reason": "approved for maintenance window"}`)
	if answer.want(t, http.StatusOK, held.Name); phaseOf(t, answer) != v1alpha1.PhaseApproved {
		t.Errorf("answer %s", answer.body)
	}
	w.as(t, agent1, "GET", w.path(held.Name, ""), "").want(t, http.StatusOK, "approved for maintenance window")
}

func badSubmissions(t *testing.T, w *world) {
	large := `{"action":"a","targetURI":"b","reason":"` + strings.Repeat("x", wire.MaxBodyBytes) + `"}`
	for name, tt := range map[string]struct {
		body   string
		status int
		text   string
	}{
		"no body":            {``, 400, "invalid request body: it is empty"},
		"not JSON":           {`action=a`, 400, "invalid request body: invalid character 'a' looking for beginning of value at offset 1"},
		"cut off":            {`{"action":"a"`, 400, "invalid request body: it ends in the middle of the JSON value, at offset 13"},
		"a number as action": {`{"action":1}`, 400, `invalid request body: field \"action\" is a number, expected a string, at offset 11`},
		"no action":          {`{"targetURI":"x","reason":"y"}`, 400, "action and targetURI are required"},
		"no target":          {`{"action":"x","reason":"y"}`, 400, "action and targetURI are required"},
		"null":               {`null`, 400, "action and targetURI are required"},
		"no reason":          {`{"action":"x","targetURI":"y"}`, 400, "invalid AgentRequest: spec.reason"},
		"bad classification": {`{"action":"x","targetURI":"y","reason":"z","classification":"deploy"}`, 400, "invalid AgentRequest: spec.classification"},
		"foreign identity":   {`{"agentIdentity":"aip-agent-2","action":"x","targetURI":"y","reason":"z"}`, 400, "agentIdentity must match authenticated caller"},
		"bad namespace":      {`{"namespace":"../x","action":"x","targetURI":"y","reason":"z"}`, 400, "invalid namespace"},
		"absent namespace":   {`{"namespace":"nowhere","action":"x","targetURI":"y","reason":"z"}`, 400, `namespace \"nowhere\" not found`},
		"too large":          {large, 413, "request body is larger than 1048576 bytes"},
		"bad mode":           {`{"mode":"dream","action":"x","targetURI":"y","reason":"z"}`, 400, "invalid AgentRequest: spec.mode"},
		"bad priority":       {`{"priority":-1,"action":"x","targetURI":"y","reason":"z"}`, 400, "invalid AgentRequest: spec.priority"},
		"a list":             {`[]`, 400, "invalid request body: it is an array, expected an object, at offset 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.as(t, agent1, "POST", "/agent-requests", tt.body).want(t, tt.status, `{"error":"`).want(t, tt.status, tt.text)
		})
	}
}

// spellings are ways to write a body that clients use and that mean the same.
func spellings(t *testing.T, w *world) {
	body := w.submission("spelled")
	for _, tt := range []struct{ contentType, body string }{
		{"", w.submission("spelled")}, {"application/json; charset=utf-8", w.submission("spelled")},
		{"application/x-www-form-urlencoded", w.submission("spelled")},
		{"application/json", strings.Replace(w.submission("spelled"), "{", `{"unheard-of":[1],"parameters":null,`, 1) + "\n\ntrailing"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/agent-requests", strings.NewReader(tt.body))
		check(t, err)
		req.Header.Set("Authorization", "bearer "+w.Token(t, agent2))
		req.Header.Set("Content-Type", tt.contentType)
		send(t, req).want(t, http.StatusCreated, `"phase":"Approved"`)
	}
	full := strings.Replace(body, "{", `{"resourceType":"deployment","attributes":{"team":"shop"},"priority":7,"interruptibility":true,"mode":"govern","correlationID":"c 1","classification":"Deploy/Prod","parameters":{"n":[1,2.5]},
		"executionMode":"scoped","scopeBounds":{"permittedActions":["a"],"permittedTargetPatterns":["b"],"timeBoundSeconds":5},
		"reasoningTrace":{"confidenceScore":0},"cascadeModel":{"affectedTargets":[{"uri":"u","effectType":"deleted"}]},`, 1)
	var state wire.RequestState
	w.as(t, agent2, "POST", "/agent-requests", full).want(t, http.StatusCreated, "").into(t, &state)
	spec, err := json.Marshal(w.stored(t, state.Name).Spec)
	check(t, err)
	for _, want := range []string{
		`"resourceType":"deployment","attributes":{"team":"shop"}`, `"priority":7`, `"interruptibility":true`, `"mode":"govern"`,
		`"classification":"deploy/prod"`, `"parameters":{"n":[1,2.5]}`, `"confidenceScore":0`, `"effectType":"deleted"`, `"timeBoundSeconds":5`,
	} {
		if !strings.Contains(string(spec), want) {
			t.Errorf("%s is not in %s", want, spec)
		}
	}
	if state.Labels[v1alpha1.LabelCorrelationID] != "c-1" {
		t.Errorf("labels %v", state.Labels)
	}
}

func deniedByPolicy(t *testing.T, w *world) {
	w.policy(t, "drop-table", v1alpha1.ActionDeny)
	state := w.submit(t, agent1, "drop-table")
	if state.Phase != v1alpha1.PhaseDenied || state.Denial == nil || state.Denial.Code != v1alpha1.DenialPolicyViolation ||
		!strings.Contains(state.Denial.Message, "Deny for drop-table") {
		t.Errorf("state %+v, denial %+v", state, state.Denial)
	}
}

// list returns the actions of a listing, in order.
func (w *world) list(t *testing.T, subject, query string) []string {
	t.Helper()
	var found []v1alpha1.AgentRequest
	w.as(t, subject, "GET", "/agent-requests?"+query, "").want(t, http.StatusOK, "[").into(t, &found)
	out := []string{}
	for _, r := range found {
		if r.Kind != "AgentRequest" || r.APIVersion != "governance.aip.io/v1alpha1" {
			t.Errorf("%s has kind %q of %q", r.Name, r.Kind, r.APIVersion)
		}
		out = append(out, r.Spec.Action)
	}
	slices.Sort(out)
	return out
}

func listing(t *testing.T, w *world) {
	w.holds(t, "list-c")
	ns := w.namespace(t)
	in := func(subject, action, more string) {
		body := fmt.Sprintf(`{"namespace":%q,"action":%q,"targetURI":%q,"reason":"r"%s}`, ns, action, target(), more)
		w.as(t, subject, "POST", "/agent-requests", body).want(t, http.StatusCreated, "")
	}
	in(agent1, "list-a", `,"correlationID":"trace/1"`)
	in(agent1, "list-c", ``)
	in(agent2, "list-b", `,"classification":"Deploy/Prod"`)
	for query, want := range map[string]string{
		"":                              "list-a list-b list-c",
		"&phase=Pending":                "list-c",
		"&phase=Approved,Denied":        "list-a list-b",
		"&agentIdentity=aip-agent-2":    "list-b",
		"&correlationID=trace%2F1":      "list-a",
		"&classification=Deploy%2FProd": "list-b",
		"&phase=Failed":                 "",
	} {
		if got := strings.Join(w.list(t, reviewer1, "namespace="+ns+query), " "); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if got := strings.Join(w.list(t, agent2, "namespace="+ns), " "); got != "list-b" {
		t.Errorf("an agent sees %q", got)
	}
	if got := w.list(t, reviewer1, "allNamespaces=true&phase=Pending"); !slices.Contains(got, "list-c") {
		t.Errorf("all namespaces: %q", got)
	}
	if got := w.list(t, reviewer1, ""); slices.Contains(got, "list-c") {
		t.Errorf("namespace default: %q", got)
	}
	for query, text := range map[string]string{
		"phase=pending":     `invalid phase \"pending\": must be one of Approved, AwaitingVerdict`,
		"limit=0":           "invalid limit: must be a positive integer",
		"limit=x":           "invalid limit: must be a positive integer",
		"continue=%21":      "invalid continue",
		"allNamespaces=yes": "invalid allNamespaces",
		"namespace=a%2Fb":   "invalid namespace",
	} {
		w.as(t, reviewer1, "GET", "/agent-requests?"+query, "").want(t, http.StatusBadRequest, text)
	}
}

// paging walks five requests in pages of two; each is there once, the newest first.
func paging(t *testing.T, w *world) {
	ns := w.namespace(t)
	for i := range 5 {
		w.as(t, agent1, "POST", "/agent-requests", fmt.Sprintf(`{"namespace":%q,"action":"page-%d","targetURI":%q,"reason":"r"}`, ns, i, target())).
			want(t, http.StatusCreated, "")
	}
	var seen []v1alpha1.AgentRequest
	after, pages := "", 0
	for ; pages == 0 || after != ""; pages++ {
		var out struct {
			Items    []v1alpha1.AgentRequest `json:"items"`
			Continue string                  `json:"continue"`
		}
		w.as(t, reviewer1, "GET", "/agent-requests?limit=2&namespace="+ns+"&continue="+after, "").want(t, http.StatusOK, "items").into(t, &out)
		seen, after = append(seen, out.Items...), out.Continue
	}
	names := map[string]bool{}
	for i, r := range seen {
		names[r.Name] = true
		if i > 0 && r.CreationTimestamp.After(seen[i-1].CreationTimestamp.Time) {
			t.Errorf("%d is newer than %d", i, i-1)
		}
	}
	if pages != 3 || len(seen) != 5 || len(names) != 5 {
		t.Errorf("%d pages, %d requests, %d names", pages, len(seen), len(names))
	}
}

func whoMayRead(t *testing.T, w *world) {
	name := w.submit(t, agent1, "private").Name
	for subject, want := range map[string]int{
		agent1: http.StatusOK, reviewer1: http.StatusOK, admin1: http.StatusOK, agent2: http.StatusForbidden, nobody: http.StatusForbidden,
	} {
		if got := w.as(t, subject, "GET", w.path(name, ""), ""); got.status != want {
			t.Errorf("%s: %d %s, want %d", subject, got.status, got.body, want)
		}
	}
	w.as(t, agent1, "GET", w.path("no-such-request", ""), "").want(t, http.StatusNotFound, `{"error":"AgentRequest not found"}`)
	w.as(t, agent1, "GET", "/agent-requests/Not%2FA%2FName", "").want(t, http.StatusNotFound, "AgentRequest not found")
}

// TestDedup: the same intent again is the same request.
func TestDedup(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, func(o *Options) { o.DedupWindow = 24 * time.Hour })
	submit := func(body string, status int) wire.RequestState {
		var state wire.RequestState
		w.as(t, agent1, "POST", "/agent-requests", body).want(t, status, `"name"`).into(t, &state)
		return state
	}
	body := w.submission("again")
	if first, next := submit(body, http.StatusCreated), submit(body, http.StatusOK); next.Name != first.Name {
		t.Errorf("%s again is %s", first.Name, next.Name)
	}

	w.policy(t, "refused", v1alpha1.ActionDeny)
	body = w.submission("refused")
	refused := submit(body, http.StatusCreated)
	if next := submit(body, http.StatusCreated); next.Name == refused.Name {
		t.Error("a finished request was handed out again")
	}
	w.stored(t, refused.Name)
}

// TestWaitTimeout: who waits in vain is told so, and the request lives on.
func TestWaitTimeout(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, func(o *Options) { o.WaitTimeout = time.Nanosecond })
	w.as(t, agent1, "POST", "/agent-requests", w.submission("slow")).want(t, http.StatusGatewayTimeout, `{"error":"timed out waiting for AgentRequest resolution"}`)
	eventually(t, func() bool { return len(w.list(t, agent1, "phase=Approved&namespace="+w.ns)) == 1 })
}

// A submission about a target that another request holds is answered before agents give up: with the decision when the
// target comes free at once, else with its place in the queue.
func TestQueueForTarget(t *testing.T) { //nolint:paralleltest // see start
	w := start(t)
	uri := target()
	ask := func(action string) reply {
		return w.as(t, agent1, "POST", "/agent-requests", fmt.Sprintf(`{"namespace":%q,"action":%q,"targetURI":%q,"reason":"r"}`, w.ns, action, uri))
	}
	var first, second wire.RequestState
	ask("one").into(t, &first)
	w.server.patience = 10 * time.Millisecond
	ask("two").into(t, &second)
	c := meta.FindStatusCondition(second.Conditions, v1alpha1.ConditionLockAcquired)
	if first.Phase != v1alpha1.PhaseApproved || second.Phase != v1alpha1.PhasePending || c == nil || c.Status != metav1.ConditionFalse ||
		!strings.Contains(c.Message, first.Name) {
		t.Fatalf("first %s, second %s, condition %+v", first.Phase, second.Phase, c)
	}
	w.server.patience = time.Minute
	third := make(chan reply, 1)
	go func() { third <- ask("three") }()
	for _, r := range []string{first.Name, second.Name} {
		eventually(t, func() bool {
			return w.as(t, agent1, "POST", "/agent-requests/"+r+"/failed?namespace="+w.ns, "").status == http.StatusOK
		})
	}
	(<-third).want(t, http.StatusCreated, `"phase":"Approved"`)

	// So is the reviewer's approval of one.
	w.server.patience = 10 * time.Millisecond
	w.holds(t, "four")
	var fourth wire.RequestState
	ask("four").into(t, &fourth)
	began := time.Now()
	w.as(t, reviewer1, "POST", w.path(fourth.Name, "/approve"), "").want(t, http.StatusOK, `"phase":"Pending"`)
	if took := time.Since(began); took > effectTimeout/2 {
		t.Errorf("the reviewer waited %s for the target", took)
	}
}
