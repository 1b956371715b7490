package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// stream is an open event stream.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	// beats counts the comments that came, id is that of the last event.
	beats int
	id    string
}

// open starts a stream; it ends with the test.
func (w *world) open(t *testing.T, token, path string) *stream {
	t.Helper()
	return w.openAs(t, token, "GET", path, "", "")
}

// openAs is open with another method, a body, and the id of the last event that the reader has.
func (w *world) openAs(t *testing.T, token, method, path, body, last string) *stream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	req.Header.Set("Accept", "text/html, text/event-stream; q=0.9")
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() }) // the test has read what it wanted
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-cache" {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 2<<20)
	return &stream{t: t, lines: lines}
}

// next returns the type and the data of the next event, or io.EOF.
func (s *stream) next() (kind, data string, err error) {
	for s.lines.Scan() {
		line := s.lines.Text()
		switch {
		case strings.HasPrefix(line, ":"):
			s.beats++
		case strings.HasPrefix(line, "id: "):
			s.id = line[len("id: "):]
		case strings.HasPrefix(line, "event: "):
			kind = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		case line == "" && kind != "":
			return kind, data, nil
		}
	}
	if err := s.lines.Err(); err != nil {
		return "", "", err
	}
	return "", "", io.EOF
}

// expect reads one event and compares it as type:action/phase.
func (s *stream) expect(want string) {
	s.t.Helper()
	kind, data, err := s.next()
	check(s.t, err)
	var r v1alpha1.AgentRequest
	check(s.t, json.Unmarshal([]byte(data), &r))
	got := kind
	if kind != wire.EventSynced {
		got += ":" + r.Spec.Action + "/" + string(r.Status.Phase)
	}
	if got != want {
		s.t.Fatalf("got %s, want %s", got, want)
	}
}

func listStream(t *testing.T, w *world) {
	w.holds(t, "streamed")
	ns := w.namespace(t)
	in := func(subject, action string) string {
		var state wire.RequestState
		w.as(t, subject, "POST", "/agent-requests", `{"namespace":"`+ns+`","action":"`+action+`","targetURI":"`+target()+`","reason":"r"}`).into(t, &state)
		return state.Name
	}
	first := in(agent1, "streamed")
	in(agent1, "approved at once")
	queue := w.open(t, w.Token(t, reviewer1), "/agent-requests?watch=true&phase=Pending&namespace="+ns)
	queue.expect("added:streamed/Pending")
	queue.expect("synced")
	in(agent2, "streamed")
	queue.expect("added:streamed/Pending")
	w.as(t, reviewer1, "POST", "/agent-requests/"+first+"/approve?namespace="+ns, "").want(t, http.StatusOK, "Approved")
	for {
		kind, data, err := queue.next()
		check(t, err)
		if kind == wire.EventDeleted && strings.Contains(data, `"phase":"Approved"`) && strings.Contains(data, first) {
			break
		}
		if kind != wire.EventModified {
			t.Fatalf("%s %s", kind, data)
		}
	}

	own := w.open(t, w.Token(t, agent2), "/agent-requests?watch=true&namespace="+ns)
	own.expect("added:streamed/Pending")
	own.expect("synced")
}

func streamOfOne(t *testing.T, w *world) {
	w.holds(t, "watched")
	name := w.submit(t, agent1, "watched").Name
	s := w.open(t, w.Token(t, agent1), w.path(name, "/watch"))
	kind, data, err := s.next()
	check(t, err)
	var state wire.RequestState
	check(t, json.Unmarshal([]byte(data), &state))
	if kind != eventResult || state.Name != name || state.Phase != v1alpha1.PhasePending {
		t.Errorf("%s %s", kind, data)
	}
	if _, _, err := s.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the result: %v", err)
	}
}

func streamRefused(t *testing.T, w *world) {
	name := w.submit(t, agent1, "shy").Name
	w.as(t, agent1, "GET", w.path(name, "/watch"), "").want(t, http.StatusBadRequest, "Accept header must include text/event-stream")
	w.as(t, agent1, "GET", "/agent-requests?watch=perhaps", "").want(t, http.StatusBadRequest, "invalid watch")
	w.as(t, agent1, "GET", "/agent-requests?watch=true&limit=1", "").want(t, http.StatusBadRequest, "limit and continue")
	for subject, want := range map[string]string{agent1: "AgentRequest nothing not found", agent2: ""} {
		target := map[string]string{agent1: "nothing", agent2: name}[subject]
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+w.path(target, "/watch"), nil)
		check(t, err)
		req.Header.Set("Authorization", "Bearer "+w.Token(t, subject))
		req.Header.Set("Accept", "text/event-stream")
		status := map[string]int{agent1: http.StatusNotFound, agent2: http.StatusForbidden}[subject]
		send(t, req).want(t, status, want)
	}
}

// streamAndExpiry: a stream does not outlive the token that opened it.
func streamAndExpiry(t *testing.T, w *world) {
	token := w.Token(t, reviewer1, func(c map[string]any) { c["exp"] = time.Now().Add(2 * time.Second).Unix() })
	s := w.open(t, token, "/agent-requests?watch=true&namespace="+w.namespace(t))
	s.expect("synced")
	if _, _, err := s.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the expiry: %v", err)
	}
}

// TestQuietStreams: a stream on which nothing happens shows that it lives, and one that waits in vain says so.
func TestQuietStreams(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, func(o *Options) { o.WaitTimeout = 300 * time.Millisecond })
	w.server.heartbeat = 20 * time.Millisecond
	r := &v1alpha1.AgentRequest{Spec: v1alpha1.AgentRequestSpec{AgentIdentity: agent1, Action: "a", Reason: "r", Target: v1alpha1.Target{URI: "u"}}}
	r.Namespace, r.Name = w.ns, "running"
	check(t, w.live.Create(t.Context(), r))
	eventually(t, func() bool { return w.stored(t, r.Name).Status.Phase == v1alpha1.PhaseApproved })
	r = w.stored(t, r.Name)
	r.Status.Phase = v1alpha1.PhaseExecuting
	check(t, w.live.Status().Update(t.Context(), r))
	// The gateway answers from what it has seen, a moment after it was stored.
	eventually(t, func() bool {
		return phaseOf(t, w.as(t, agent1, "GET", w.path(r.Name, ""), "")) == v1alpha1.PhaseExecuting
	})

	s := w.open(t, w.Token(t, agent1), w.path(r.Name, "/watch"))
	var kinds []string
	var last string
	for {
		kind, data, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		kinds, last = append(kinds, kind), data
	}
	if strings.Join(kinds, " ") != "update error" || !strings.Contains(last, waited) || s.beats < 3 {
		t.Errorf("events %v, last %s, %d heartbeats", kinds, last, s.beats)
	}
}

// TestStop: streams end at once, a submission that is under way gets its answer, Run returns nil.
func TestStop(t *testing.T) { //nolint:paralleltest // see start
	w := start(t)
	s := w.open(t, w.Token(t, reviewer1), "/agent-requests?watch=true&namespace="+w.ns)
	s.expect("synced")

	body, rest := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/agent-requests", body)
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+w.Token(t, agent1))
	answered := make(chan reply, 1)
	go func() { answered <- send(t, req) }()
	text := w.submission("last")
	_, err = io.WriteString(rest, text[:10])
	check(t, err)
	// Connections are accepted in turn: when a later one is answered, the gateway has the submission's.
	eventually(t, func() bool { return w.do(t, "GET", "/readyz", "", "").status == http.StatusOK })

	ended := make(chan error, 1)
	go func() { ended <- w.end() }()
	if _, _, err := s.next(); !errors.Is(err, io.EOF) {
		t.Errorf("stream: %v", err)
	}
	_, err = io.WriteString(rest, text[10:])
	check(t, err)
	check(t, rest.Close())
	(<-answered).want(t, http.StatusCreated, "Approved")
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// TestIssuerComesLate: the gateway lives, says why it does not serve, and starts to when the issuer answers.
func TestIssuerComesLate(t *testing.T) { //nolint:paralleltest // see start
	i := testkit.NewIssuer(t)
	i.Down.Store(true)
	w := launch(t, i, func(o *Options) { o.Addr = "127.0.0.1:0"; o.Roles.ReviewerSubjects = nil })
	eventually(t, func() bool { return strings.Contains(w.logs.String(), "OIDC setup failed: oidc provider: ") })
	w.do(t, "GET", "/healthz", "", "").want(t, http.StatusOK, "ok")
	w.do(t, "GET", "/readyz", "", "").want(t, http.StatusServiceUnavailable, "OIDC setup failed: oidc provider: ")
	w.as(t, agent1, "GET", "/whoami", "").want(t, http.StatusServiceUnavailable, `{"error":"OIDC setup failed: oidc provider: `)
	i.Down.Store(false)
	eventually(t, func() bool { return w.do(t, "GET", "/readyz", "", "").status == http.StatusOK })
	w.as(t, agent1, "GET", "/whoami", "").want(t, http.StatusOK, agent1)
	log := w.logs.String()
	if !strings.Contains(log, "Starting AIP Demo Gateway on 127.0.0.1:0 ") || !strings.Contains(log, "Nobody has the reviewer role") {
		t.Errorf("log:\n%s", log)
	}
	if got := strings.Count(log, "OIDC setup failed"); got != 1 {
		t.Errorf("the same failure was logged %d times", got)
	}
}
