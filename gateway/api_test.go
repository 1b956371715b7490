package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// streamResumed: a reader that comes back gets what it missed, and learns what is gone.
func streamResumed(t *testing.T, w *world) {
	w.holds(t, "resumed")
	ns := w.namespace(t)
	in := func() string {
		var state wire.RequestState
		w.as(t, agent1, "POST", "/agent-requests", `{"namespace":"`+ns+`","action":"resumed","targetURI":"`+target()+`","reason":"r"}`).into(t, &state)
		return state.Name
	}
	first, second := in(), in()
	path := "/agent-requests?watch=true&phase=Pending&namespace=" + ns
	s := w.open(t, w.Token(t, reviewer1), path)
	s.expect("added:resumed/Pending")
	s.expect("added:resumed/Pending")
	s.expect("synced")
	seen := s.id
	w.as(t, reviewer1, "POST", "/agent-requests/"+first+"/approve?namespace="+ns, "").want(t, http.StatusOK, "Approved")
	third := in()

	s = w.openAs(t, w.Token(t, reviewer1), "GET", path, "", seen)
	kind, data, err := s.next()
	check(t, err)
	if kind != wire.EventAdded || !strings.Contains(data, third) {
		t.Errorf("%s %s, expected the request that was missed", kind, data)
	}
	kind, data, err = s.next()
	check(t, err)
	var present wire.Present
	check(t, json.Unmarshal([]byte(data), &present))
	if kind != wire.EventSynced || len(present.Present) != 2 || !strings.Contains(data, ns+"/"+second) || !strings.Contains(data, ns+"/"+third) {
		t.Errorf("%s %s, expected %s and %s", kind, data, second, third)
	}

	one := w.open(t, w.Token(t, agent1), w.pathIn(ns, second, "/watch"))
	if _, _, err := one.next(); err != nil || one.id == "" {
		t.Errorf("%v, id %q", err, one.id)
	}
	again := w.openAs(t, w.Token(t, agent1), "GET", w.pathIn(ns, second, "/watch"), "", one.id)
	if kind, _, err := again.next(); err != nil || kind != eventResult {
		t.Errorf("%s, %v: a result is sent again", kind, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, nil)
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+w.Token(t, reviewer1))
	req.Header.Set("Last-Event-ID", "yesterday")
	send(t, req).want(t, http.StatusBadRequest, "invalid Last-Event-ID")
}

// pathIn is path for another namespace.
func (w *world) pathIn(ns, name, rest string) string {
	return "/agent-requests/" + name + rest + "?namespace=" + ns
}

// submissionStream: an agent that accepts events sees its submission go on, with status 200.
func submissionStream(t *testing.T, w *world) {
	s := w.openAs(t, w.Token(t, agent1), "POST", "/agent-requests", w.submission("streamed at once"), "")
	for {
		kind, data, err := s.next()
		check(t, err)
		var state wire.RequestState
		check(t, json.Unmarshal([]byte(data), &state))
		if kind == eventResult {
			if state.Phase != v1alpha1.PhaseApproved {
				t.Errorf("result %s", data)
			}
			break
		}
		if kind != eventUpdate || state.Phase == "" {
			t.Errorf("%s %s", kind, data)
		}
	}
	if _, _, err := s.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the result: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/agent-requests", strings.NewReader(`{}`))
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+w.Token(t, agent1))
	req.Header.Set("Accept", "text/event-stream")
	send(t, req).want(t, http.StatusBadRequest, "action and targetURI are required")
}

// warnings: what of a body was not looked at is told, and the rest counts.
func warnings(t *testing.T, w *world) {
	w.holds(t, "warned")
	body := strings.Replace(w.submission("warned"), "{", `{"Action":"delete","urgency":1,"reasoningTrace":{"score":2},`, 1) + " {}"
	var state wire.RequestState
	w.as(t, agent1, "POST", "/agent-requests", body).want(t, http.StatusCreated, "").into(t, &state)
	if w.stored(t, state.Name).Spec.Action != "warned" {
		t.Error("a field in another case counted")
	}
	for _, want := range []string{`unknown field "Action" was ignored`, `unknown field "urgency" was ignored`, `unknown field "reasoningTrace.score" was ignored`, "bytes after the JSON value were ignored"} {
		if !strings.Contains(strings.Join(state.Warnings, "\n"), want) {
			t.Errorf("warnings %q, expected %q", state.Warnings, want)
		}
	}
	var out wire.Reviewed
	w.as(t, reviewer1, "POST", w.path(state.Name, "/approve"), `{"Reason":"x"}`).want(t, http.StatusOK, "").into(t, &out)
	if len(out.Warnings) != 1 {
		t.Errorf("warnings %q", out.Warnings)
	}
	many := strings.Repeat(`"`+strings.Repeat("n", 1000)+`":1,`, 1)
	for i := range 50 {
		many += fmt.Sprintf(`"n%d":1,`, i)
	}
	w.as(t, agent1, "POST", "/agent-requests", strings.Replace(w.submission("warned-much"), "{", "{"+many, 1)).into(t, &state)
	if len(state.Warnings) != 21 || len(state.Warnings[0]) > 300 {
		t.Errorf("%d warnings, the first of %d bytes", len(state.Warnings), len(state.Warnings[0]))
	}
	policy := `{"metadata":{"name":"warned"},"spec":{"rules":[{"name":"r","type":"StateEvaluation","action":"Log","expression":"false","weight":1}]}}`
	got := w.as(t, admin1, "POST", "/safety-policies?namespace="+w.ns, policy).want(t, http.StatusCreated, "")
	if text := got.header.Get("Warning"); !strings.HasPrefix(text, `299 - "unknown field 'spec.rules[0].weight' was ignored"`) {
		t.Errorf("warning %q", text)
	}
}

// fieldsTwice: a body that says two things about one field says nothing.
func fieldsTwice(t *testing.T, w *world) {
	for _, body := range []string{
		`{"action":"read","targetURI":"t","reason":"r","action":"delete"}`,
		`{"action":"read","targetURI":"t","reason":"r","reasoningTrace":{"confidenceScore":1,"confidenceScore":0}}`,
	} {
		w.as(t, agent1, "POST", "/agent-requests", body).want(t, http.StatusBadRequest, "duplicate field").want(t, http.StatusBadRequest, "expected each field once")
	}
}

// measured: measures have the path of the route table, whoever calls, and callers add no labels.
func measured(t *testing.T, w *world) {
	w.as(t, reviewer1, "GET", w.path("no-such-request", ""), "").want(t, http.StatusNotFound, "")
	w.as(t, agent1, "BREW", "/coffee/7", "")
	w.submit(t, agent1, "measured")
	var got reply
	eventually(t, func() bool { // the phase is counted after the agent was answered
		got = w.do(t, "GET", "/metrics", "", "").want(t, http.StatusOK, "")
		return strings.Contains(got.body, `aip_agentrequest_total{phase="Approved"}`)
	})
	for _, want := range []string{
		`aip_gateway_request_total{method="GET",path="GET /agent-requests/{name}",status_code="404"}`,
		`aip_gateway_request_duration_seconds_bucket{method="POST",path="POST /agent-requests",status_code="201",le="0.005"}`,
		`aip_gateway_request_total{method="",path="/__unmatched__",status_code="404"}`,
		`aip_agentrequest_evaluation_duration_seconds_count`, "aip_agentrequest_active ", "aip_opslock_active ",
		"aip_opslock_contention_total ", "aip_opslock_expired_total ",
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%s is not in\n%.2000s", want, got.body)
		}
	}
	if strings.Contains(got.body, "BREW") || strings.Contains(got.body, "coffee") || strings.Contains(got.body, "no-such-request") {
		t.Error("a caller chose a label")
	}
}

// safetyPolicies: administrators keep policies over HTTP, whole Kubernetes objects in and out.
func safetyPolicies(t *testing.T, w *world) {
	const path = "/safety-policies"
	ns := w.namespace(t)
	in := "?namespace=" + ns
	policy := func(name, expression string) string {
		return fmt.Sprintf(`{"apiVersion":"governance.aip.io/v1alpha1","kind":"SafetyPolicy","metadata":{"name":%q,"labels":{"a":"b"}},
			"spec":{"rules":[{"name":"r","type":"StateEvaluation","action":"Deny","expression":%q}]}}`, name, expression)
	}
	never := `request.spec.action == "never"`
	w.as(t, admin1, "POST", path+in, policy("p", never)).want(t, http.StatusCreated, `"kind":"SafetyPolicy"`)
	w.as(t, admin1, "POST", path+in, policy("p", never)).want(t, http.StatusConflict, "already exists")
	w.as(t, admin1, "POST", path+in, policy("bad", "request.spec.action ==")).want(t, http.StatusUnprocessableEntity, `CEL type-check failed: rule \"r\", line 1, column `)
	w.as(t, admin1, "POST", path+in, policy("bad", "targt.exists")).want(t, http.StatusUnprocessableEntity,
		`CEL type-check failed: rule \"r\", line 1, column 1: undeclared reference to 'targt'. An expression can name request`)
	w.as(t, admin1, "POST", path+in, policy("", never)).want(t, http.StatusBadRequest, "metadata.name is required")
	w.as(t, admin1, "POST", path+in, policy("Not/A/Name", never)).want(t, http.StatusBadRequest, "invalid metadata.name")
	w.as(t, admin1, "POST", path+in, `{"metadata":{"name":"q","namespace":"other"},"spec":{}}`).want(t, http.StatusBadRequest, "metadata.namespace")
	w.as(t, admin1, "POST", path+in, `{"metadata":{"name":"q"},"spec":{"rules":[]}}`).want(t, http.StatusBadRequest, "invalid SafetyPolicy: spec.rules")
	w.as(t, admin1, "POST", path+"?namespace=nowhere", policy("p", never)).want(t, http.StatusBadRequest, "namespace not found")

	var one v1alpha1.SafetyPolicy
	w.as(t, admin1, "GET", path+"/p"+in, "").want(t, http.StatusOK, `"labels":{"a":"b"}`).into(t, &one)
	eventually(t, func() bool {
		return strings.Contains(w.as(t, admin1, "GET", path+in, "").want(t, http.StatusOK, `"kind":"SafetyPolicyList"`).body, `"name":"p"`)
	})
	w.as(t, admin1, "GET", path, "").want(t, http.StatusOK, `"items":[`)
	if got := w.as(t, admin1, "GET", path+"?allNamespaces=true", "").want(t, http.StatusOK, `"name":"p"`); !strings.Contains(got.body, `"namespace":"`+ns+`"`) {
		t.Errorf("no policy of namespace %s in %s", ns, got.body)
	}
	w.as(t, admin1, "GET", path+"?allNamespaces=maybe", "").want(t, http.StatusBadRequest, "invalid allNamespaces")
	w.as(t, admin1, "PUT", path+"/p"+in, policy("p", `request.spec.action == "seldom"`)).want(t, http.StatusOK, "seldom")
	w.as(t, admin1, "PUT", path+"/p"+in, policy("q", never)).want(t, http.StatusBadRequest, "the path says")
	w.as(t, admin1, "PUT", path+"/q"+in, policy("q", never)).want(t, http.StatusNotFound, `{"error":"SafetyPolicy not found"}`)
	stale := strings.Replace(policy("p", never), `"name":"p"`, `"name":"p","resourceVersion":"`+one.ResourceVersion+`"`, 1)
	w.as(t, admin1, "PUT", path+"/p"+in, stale).want(t, http.StatusConflict, "changed since you read it")
	if got := w.as(t, admin1, "DELETE", path+"/p"+in, "").want(t, http.StatusNoContent, ""); got.body != "" {
		t.Errorf("body %q", got.body)
	}
	w.as(t, admin1, "DELETE", path+"/p"+in, "").want(t, http.StatusNotFound, "")
	w.as(t, admin1, "GET", path+"/p"+in, "").want(t, http.StatusNotFound, "")
	w.as(t, admin1, "GET", path+"/Not%2FA%2FName"+in, "").want(t, http.StatusNotFound, "")
}

// auditRecords: the newest first, in pages, and agents see those of their own requests.
func auditRecords(t *testing.T, w *world) {
	ns := w.namespace(t)
	now := metav1.Now().Rfc3339Copy()
	for i := range 5 {
		record := &v1alpha1.AuditRecord{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprintf("record-%d", i)},
			Spec: v1alpha1.AuditRecordSpec{
				Timestamp: metav1.NewTime(now.Add(time.Duration(i/2) * time.Second)), AgentIdentity: []string{agent1, agent2}[i%2], AgentRequestRef: fmt.Sprintf("request-%d", i/4),
				Action: "a", TargetURI: "t", Event: v1alpha1.AuditRequestSubmitted, Reason: "r",
			},
		}
		check(t, w.live.Create(t.Context(), record))
	}
	names := func(r reply) string {
		var list []v1alpha1.AuditRecord
		r.want(t, http.StatusOK, "[").into(t, &list)
		var out []string
		for _, record := range list {
			out = append(out, record.Name)
		}
		return strings.Join(out, " ")
	}
	in := "/audit-records?namespace=" + ns
	eventually(t, func() bool { return len(names(w.as(t, reviewer1, "GET", in, ""))) == len("record-0")*5+4 })
	for query, want := range map[string]string{
		"":                        "record-4 record-3 record-2 record-1 record-0",
		"&agentRequest=request-1": "record-4",
		"&agentRequest=request-2": "",
	} {
		if got := names(w.as(t, reviewer1, "GET", in+query, "")); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if got := names(w.as(t, agent2, "GET", in, "")); got != "record-3 record-1" {
		t.Errorf("an agent sees %q", got)
	}
	var seen []string
	after := ""
	for pages := 0; pages == 0 || after != ""; pages++ {
		var out auditPage
		w.as(t, admin1, "GET", in+"&limit=2&continue="+after, "").want(t, http.StatusOK, "items").into(t, &out)
		for i := range out.Items {
			seen = append(seen, out.Items[i].Name)
		}
		after = out.Continue
	}
	if got := strings.Join(seen, " "); got != "record-4 record-3 record-2 record-1 record-0" {
		t.Errorf("pages hold %q", got)
	}
	w.as(t, admin1, "GET", in+"&continue=%21", "").want(t, http.StatusBadRequest, "invalid continue")
	w.as(t, admin1, "GET", in+"&limit=none", "").want(t, http.StatusBadRequest, "invalid limit")
	w.as(t, admin1, "GET", "/audit-records?allNamespaces=true&limit=1", "").want(t, http.StatusOK, `"continue":"`)
}

// governed stores a GovernedResource that goes with the test.
func (w *world) governed(t *testing.T, name string, spec v1alpha1.GovernedResourceSpec) {
	t.Helper()
	g := &v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	check(t, w.live.Create(t.Context(), g))
	t.Cleanup(func() { w.ungoverned(t, name) })
}

// ungoverned removes a GovernedResource, whatever keeps it.
func (w *world) ungoverned(t *testing.T, name string) {
	t.Helper()
	g := &v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Name: name}}
	free := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	// In this order: until it is being deleted, the reconciler puts its finalizer on again.
	_ = w.live.Delete(context.Background(), g.DeepCopy()) // it may be gone
	_ = w.live.Patch(context.Background(), g, free)       // as above
}
