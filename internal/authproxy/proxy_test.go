package authproxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/authproxy"
)

// world is a gateway that takes one token, and a door to it.
type world struct {
	door string
	mu   sync.Mutex
	// good is the token that the gateway takes, next what the source gives out, minted how often it was asked anew.
	good, next string
	minted     int
	fails      error
	log        strings.Builder
	seen       http.Header
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{good: "token-1", next: "token-1"}
	gateway := httptest.NewServer(http.HandlerFunc(w.gateway))
	t.Cleanup(gateway.Close)
	target, err := url.Parse(gateway.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	handler, err := authproxy.New(authproxy.Options{
		Target: target, Port: port,
		Token: func(context.Context) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.next, w.fails
		},
		Forget: func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.minted++
			w.next = w.good
			return nil
		},
		Log: func(method, path string, status int, _ time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			fmt.Fprintf(&w.log, "%s %s %d\n", method, path, status)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	w.door = server.URL
	return w
}

func (w *world) gateway(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.seen = r.Header.Clone()
	good := r.Header.Get("Authorization") == "Bearer "+w.good
	w.mu.Unlock()
	if !good {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/stream" {
		_, _ = io.WriteString(rw, "data: first\n\n") // the reader sees what is missing
		_ = http.NewResponseController(rw).Flush()   // so does this
		<-r.Context().Done()
		return
	}
	body, _ := io.ReadAll(r.Body) // the echo shows what is missing
	_, _ = fmt.Fprintf(rw, "%s %s %s", r.Method, r.URL.RequestURI(), body)
}

func (w *world) send(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.door+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// zeros is a body without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestProxy(t *testing.T) {
	t.Parallel()
	w := start(t)
	port := w.door[strings.LastIndexByte(w.door, ':'):]
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		says               string
	}{
		"plain":               {"GET", "/whoami?x=1", "", nil, 200, "GET /whoami?x=1"},
		"with a body":         {"POST", "/agent-requests", `{"a":1}`, nil, 200, `POST /agent-requests {"a":1}`},
		"by localhost":        {"GET", "/a", "", []string{"Host", "localhost" + port}, 200, ""},
		"own token replaced":  {"GET", "/a", "", []string{"Authorization", "Bearer mine"}, 200, ""},
		"own page":            {"POST", "/a", "", []string{"Origin", "http://127.0.0.1" + port, "Sec-Fetch-Site", "same-origin"}, 200, ""},
		"DNS rebinding":       {"GET", "/a", "", []string{"Host", "evil.example" + port}, 421, "answers to localhost"},
		"another port":        {"GET", "/a", "", []string{"Host", "localhost:1"}, 421, ""},
		"no port":             {"GET", "/a", "", []string{"Host", "localhost"}, 421, ""},
		"name with localhost": {"GET", "/a", "", []string{"Host", "localhost.evil.example" + port}, 421, ""},
		"another origin":      {"POST", "/a", "x", []string{"Origin", "https://evil.example"}, 403, "other origins"},
		"null origin":         {"POST", "/a", "x", []string{"Origin", "null"}, 403, ""},
		"cross-site image":    {"GET", "/a", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		"huge":                {"POST", "/a", strings.Repeat("x", 1<<20+1), nil, 413, "larger than"},
	} {
		if status, body := w.send(t, c.method, c.path, c.body, c.headers...); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: found %d %q", name, status, body)
		}
	}
	// A body that does not say how long it is.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.door+"/a", io.LimitReader(zeros{}, 1<<20+1))
	if err != nil {
		t.Fatal(err)
	}
	unsized, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := unsized.Body.Close(); err != nil || unsized.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that does not say its length: found %d, %v", unsized.StatusCode, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.minted != 0 || w.seen.Get("Origin") != "" || w.seen.Get("X-Forwarded-For") != "" {
		t.Errorf("minted %d, seen %v", w.minted, w.seen)
	}
	if log := w.log.String(); strings.Contains(log, "token-") || strings.Contains(log, "x=1") || !strings.Contains(log, "GET /whoami 200\n") {
		t.Errorf("the log is\n%s", log)
	}
}

// TestRenewal: a token that the gateway refuses is replaced within the request, body and all; one refusal is passed on when no
// other is to be had.
func TestRenewal(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.good = "token-2"
	if status, body := w.send(t, "POST", "/a", "body"); status != 200 || body != "POST /a body" || w.minted != 1 {
		t.Errorf("found %d %q after %d renewals", status, body, w.minted)
	}
	w.mu.Lock()
	w.good = "token-3"
	w.mu.Unlock()
	for range 3 {
		if status, _ := w.send(t, "GET", "/a", ""); status != 200 {
			t.Errorf("found %d", status)
		}
	}
	w.mu.Lock()
	w.fails, w.next = errors.New("the issuer is away"), ""
	w.mu.Unlock()
	if status, body := w.send(t, "GET", "/a", ""); status != 502 || !strings.Contains(body, "the issuer is away") {
		t.Errorf("found %d %q", status, body)
	}
}

func TestStreamsAndSilence(t *testing.T) {
	t.Parallel()
	w := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.door+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "data: first\n" {
		t.Errorf("found %q, %v", line, err)
	}
	gone, err := authproxy.New(authproxy.Options{
		Target: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Port: 80,
		Token: func(context.Context) (string, error) { return "secret-token", nil }, Forget: func() error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	gone.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost:80/a", nil))
	if answer.Code != 502 || strings.Contains(answer.Body.String(), "secret-token") {
		t.Errorf("found %d %s", answer.Code, answer.Body)
	}
	if _, err := authproxy.New(authproxy.Options{}); err == nil {
		t.Error("a door to nowhere is made")
	}
}
