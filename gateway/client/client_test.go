package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// secret is the token of the tests; no error may hold it.
const secret = "eyJhbGciOi.s3cr3t.t0k3n"

func token(context.Context) (string, error) { return secret, nil }

// serve returns a client of a server that answers with h.
func serve(t testing.TB, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return connect(t, server.URL, token)
}

func connect(t testing.TB, url string, source client.TokenSource) *client.Client {
	t.Helper()
	c, err := client.New(url, source, &http.Client{Transport: &http.Transport{}})
	check(t, err)
	return c
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer answers every request alike.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "id-1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the reader sees what is missing
	}
}

func classes() []error {
	return []error{
		client.ErrInvalid, client.ErrUnauthorized, client.ErrForbidden, client.ErrNotFound, client.ErrConflict, client.ErrUnavailable,
	}
}

func TestStatusErrors(t *testing.T) {
	t.Parallel()
	told := func(text string) string { return fmt.Sprintf(`{"error":%q}`, text) }
	for name, c := range map[string]struct {
		status  int
		body    string
		class   error
		message string
	}{
		"bad request":        {400, told("action and targetURI are required"), client.ErrInvalid, "action and targetURI are required"},
		"too large":          {413, told("too large"), client.ErrInvalid, "too large"},
		"unprocessable":      {422, told("CEL type-check failed"), client.ErrInvalid, "CEL type-check failed"},
		"no token":           {401, told("invalid token: expired"), client.ErrUnauthorized, "invalid token: expired"},
		"role":               {403, told("reviewer role required"), client.ErrForbidden, "reviewer role required"},
		"absent":             {404, told("AgentRequest not found"), client.ErrNotFound, "AgentRequest not found"},
		"deleted":            {410, told("AgentRequest was deleted"), client.ErrNotFound, "AgentRequest was deleted"},
		"conflict":           {409, told(`request is in phase "Approved"`), client.ErrConflict, `request is in phase "Approved"`},
		"bad gateway":        {502, "", client.ErrUnavailable, "502 Bad Gateway"},
		"unavailable":        {503, told("not synced"), client.ErrUnavailable, "not synced"},
		"timeout":            {504, told("timed out"), client.ErrUnavailable, "timed out"},
		"internal":           {500, told("internal error (request id id-1)"), nil, "internal error (request id id-1)"},
		"teapot":             {418, "", nil, "418 I'm a teapot"},
		"plain text":         {404, "404 page not found\n", client.ErrNotFound, "404 Not Found: 404 page not found"},
		"HTML":               {502, "<html><body>proxy</body></html>", client.ErrUnavailable, "502 Bad Gateway"},
		"long text":          {502, strings.Repeat("x", 300), client.ErrUnavailable, "502 Bad Gateway"},
		"another JSON":       {403, `{"message":"no"}`, client.ErrForbidden, `403 Forbidden: {"message":"no"}`},
		"error is no string": {403, `{"error":{"code":1}}`, client.ErrForbidden, `403 Forbidden: {"error":{"code":1}}`},
		"endless":            {400, `{"error":"` + strings.Repeat("x", 1<<20), client.ErrInvalid, "400 Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := serve(t, answer(c.status, c.body)).Whoami(t.Context())
			var status *client.StatusError
			if !errors.As(err, &status) || status.StatusCode != c.status || status.RequestID != "id-1" || err.Error() != c.message {
				t.Fatalf("found %#v, expected %d %q", err, c.status, c.message)
			}
			for _, class := range classes() {
				if errors.Is(err, class) != (class == c.class) { //nolint:errorlint // the case's own value
					t.Errorf("is %v: %v", class, errors.Is(err, class))
				}
			}
		})
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "http://user:hunter2@x", "http://user:hunter2@x:port", "http://a b"} {
		if _, err := client.New(base, token, nil); err == nil || !strings.Contains(err.Error(), "expected http(s)://host[:port]") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: found %v", base, err)
		}
	}
	if _, err := client.New("http://x", nil, nil); err == nil {
		t.Error("a client without tokens")
	}
}

// TestRequests: what each call sends.
func TestRequests(t *testing.T) {
	t.Parallel()
	for want, call := range map[string]func(context.Context, *client.Client) error{
		"GET /base/whoami": func(ctx context.Context, c *client.Client) error { _, err := c.Whoami(ctx); return err },
		`POST /base/agent-requests {"action":"a","targetURI":"u","reason":"r"}`: func(ctx context.Context, c *client.Client) error {
			_, err := c.Submit(ctx, wire.Submission{Action: "a", TargetURI: "u", Reason: "r"})
			return err
		},
		"GET /base/agent-requests/n": func(ctx context.Context, c *client.Client) error { _, err := c.Get(ctx, "", "n"); return err },
		"GET /base/agent-requests/a%2Fb%3Fc%23?namespace=x%26y": func(ctx context.Context, c *client.Client) error {
			_, err := c.Get(ctx, "x&y", "a/b?c#")
			return err
		},
		`POST /base/agent-requests/n/approve?namespace=ns {"reason":"fine","resourceVersion":"7"}`: func(ctx context.Context, c *client.Client) error {
			_, err := c.Approve(ctx, "ns", "n", wire.Review{Reason: "fine", ResourceVersion: "7"})
			return err
		},
		`POST /base/agent-requests/n/deny?namespace=ns {}`: func(ctx context.Context, c *client.Client) error {
			_, err := c.Deny(ctx, "ns", "n", wire.Review{})
			return err
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			found := make(chan string, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // what is missing shows below
				kind := map[bool]string{true: "application/json"}[len(body) > 0]
				if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("Accept") != "application/json" || r.Header.Get("Content-Type") != kind {
					t.Errorf("headers %v", r.Header)
				}
				found <- strings.TrimSpace(r.Method + " " + r.RequestURI + " " + string(body))
				_, _ = io.WriteString(w, "{}") // the client fails without it
			}))
			t.Cleanup(server.Close)
			check(t, call(t.Context(), connect(t, server.URL+"/base/?x=1#y", token)))
			if got := <-found; got != want {
				t.Errorf("found %s", got)
			}
		})
	}
}

func TestListQuery(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]client.ListOptions{
		"/agent-requests":                    {},
		"/agent-requests?namespace=n":        {Namespace: "n"},
		"/agent-requests?allNamespaces=true": {Namespace: "n", AllNamespaces: true},
		"/agent-requests?agentIdentity=a%26phase%3DDenied&phase=Pending%2CApproved": {
			Agent: "a&phase=Denied", Phases: []v1alpha1.Phase{v1alpha1.PhasePending, v1alpha1.PhaseApproved},
		},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.RequestURI != want {
				t.Errorf("found %s, expected %s", r.RequestURI, want)
			}
			_, _ = io.WriteString(w, "[]") // the client fails without it
		})
		_, err := c.List(t.Context(), o)
		check(t, err)
	}
}

// TestTokenRenewal: a refused token is replaced once, and the request is sent again with its body.
func TestTokenRenewal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// tokens are those that the source returns, one after the other; the last stays.
		tokens []string
		good   string
		sent   int32
		class  error
	}{
		"good at once":       {[]string{"new"}, "new", 1, nil},
		"replaced":           {[]string{"old", "new"}, "new", 2, nil},
		"the same again":     {[]string{"old"}, "new", 1, client.ErrUnauthorized},
		"both refused":       {[]string{"old", "older", "new"}, "new", 2, client.ErrUnauthorized},
		"source has no more": {[]string{"old", ""}, "new", 1, client.ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent, asked, forgot atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent.Add(1)
				var in wire.Submission
				if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Action != "a" {
					t.Errorf("body %+v, %v", in, err)
				}
				if r.Header.Get("Authorization") != "Bearer "+c.good {
					answer(http.StatusUnauthorized, `{"error":"invalid token"}`)(w, r)
					return
				}
				answer(http.StatusCreated, `{"name":"n"}`)(w, r)
			}))
			t.Cleanup(server.Close)
			source := func(context.Context) (string, error) {
				next := c.tokens[min(int(asked.Add(1)), len(c.tokens))-1]
				if next == "" {
					return "", errors.New("issuer is away")
				}
				return next, nil
			}
			gateway := connect(t, server.URL, source).Renewing(func() error { forgot.Add(1); return nil })
			_, err := gateway.Submit(t.Context(), wire.Submission{Action: "a"})
			if !errors.Is(err, c.class) || sent.Load() != c.sent || (forgot.Load() == 1) != (c.tokens[0] != c.good) {
				t.Errorf("found %v after %d requests, forgot %d times", err, sent.Load(), forgot.Load())
			}
			if name == "source has no more" && !strings.Contains(err.Error(), "issuer is away") {
				t.Errorf("found %v, expected why there is no other token", err)
			}
		})
	}
	refuses := serve(t, answer(http.StatusUnauthorized, `{"error":"invalid token"}`)).Renewing(func() error { return errors.New("disk is full") })
	if _, err := refuses.Whoami(t.Context()); !errors.Is(err, client.ErrUnauthorized) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("found %v", err)
	}
}

// TestNoTokenInErrors: hole: errors end up in logs and on screens. Attack: everything that makes an error. Proof: none
// holds the token, and it goes to nobody else.
func TestNoTokenInErrors(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, c := range map[string]*client.Client{
		"closed port":  connect(t, closed.URL, token),
		"no such host": connect(t, "http://host.invalid", token),
		"TLS":          connect(t, strings.Replace(other.URL, "http:", "https:", 1), token),
		"hangs up":     serve(t, hangUp),
		"refused":      serve(t, answer(401, `{"error":"invalid token"}`)),
		"redirect": serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}),
		"not JSON":      serve(t, answer(200, "<html>")),
		"bad character": connect(t, other.URL, func(context.Context) (string, error) { return secret + "\r\nHost: x", nil }),
		"empty token":   connect(t, other.URL, func(context.Context) (string, error) { return "", nil }),
		"no token":      connect(t, other.URL, func(context.Context) (string, error) { return "", errors.New("mint: issuer is away") }),
	} {
		for kind, call := range map[string]func() error{
			"call":   func() error { _, err := c.Whoami(t.Context()); return err },
			"stream": func() error { return c.Watch(t.Context(), client.ListOptions{}, func(wire.Event) error { return nil }) },
		} {
			err := call()
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
				t.Errorf("%s, %s: found %v", name, kind, err)
			}
			if strings.Contains("closed port, no such host, TLS, hangs up", name) != errors.Is(err, client.ErrUnavailable) {
				t.Errorf("%s, %s: unavailable is %v for %v", name, kind, errors.Is(err, client.ErrUnavailable), err)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests reached another server", n)
	}
}

func TestAnswerIsBounded(t *testing.T) {
	t.Parallel()
	c := serve(t, answer(200, `{"identity":"`+strings.Repeat("x", 100)+`"}`))
	if _, err := c.Limited(115, time.Minute).Whoami(t.Context()); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := c.Limited(114, time.Minute).Whoami(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than 114 bytes") {
		t.Errorf("above the limit: %v", err)
	}
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"identity":`) // and no more
	})
	if _, err := cut.Whoami(t.Context()); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("cut off: %v", err)
	}
}

func TestCancelledCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	for name, h := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() },
		"within it": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush() // the client waits for more
			cancel()
			<-r.Context().Done()
		},
	} {
		if name == "within it" {
			ctx, cancel = context.WithCancel(t.Context()) //nolint:fatcontext // a new one, derived from that of t
		}
		if _, err := serve(t, h).Whoami(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUnavailable) {
			t.Errorf("%s: found %v", name, err)
		}
	}
	cancel()
}

// TestNotAdmitted: what is not permitted about a target is told apart from a role that is missing.
func TestNotAdmitted(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]bool{
		"ACTION_NOT_PERMITTED: no GovernedResource matches": true, "IDENTITY_INVALID: agent": true, "INSUFFICIENT_TRUST: x": true,
		"AGENT_NOT_REGISTERED: x": false, "agent role required": false, "forbidden: self-approval not permitted": false, "IDENTITY_INVALID": false,
	} {
		err := error(&client.StatusError{StatusCode: http.StatusForbidden, Message: message})
		if errors.Is(err, client.ErrNotAdmitted) != want || !errors.Is(err, client.ErrForbidden) {
			t.Errorf("%q: not admitted is %t", message, !want)
		}
	}
	for message, want := range map[string]bool{"AGENT_NOT_REGISTERED: x": true, "IDENTITY_MISMATCH: x": true, "IDENTITY_MISMATCH": false, "ACTION_NOT_PERMITTED: x": false} {
		if err := error(&client.StatusError{StatusCode: http.StatusForbidden, Message: message}); errors.Is(err, client.ErrNotRegistered) != want {
			t.Errorf("%q: not registered is %t", message, !want)
		}
	}
	if errors.Is(&client.StatusError{StatusCode: http.StatusConflict, Message: "IDENTITY_INVALID: x"}, client.ErrNotAdmitted) {
		t.Error("another status counts")
	}
}
