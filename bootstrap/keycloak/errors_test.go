package keycloak_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
)

// silentAbout fails the test when a text holds one of its secrets.
func silentAbout(t *testing.T, name, text string) {
	t.Helper()
	for _, secret := range []string{password, "agent-1-secret", "reviewer-1-secret", "admin-1-secret", "stolen-secret", "eyJ"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %q: %s", name, secret, text)
		}
	}
}

func TestErrorsOfTheLogin(t *testing.T) {
	t.Parallel()
	s := applied(t)
	answer := func(status int, kind, body string) *httptest.Server {
		hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(hs.Close)
		return hs
	}
	later := answer(400, "application/json", `{"error":"invalid_grant","error_description":"Invalid user credentials `+password+`"}`)
	tests := map[string]struct {
		admin *keycloak.Admin
		want  error
		says  string
	}{
		"closed port":             {keycloak.New("http://127.0.0.1:1", "admin", password, nil, nil), keycloak.ErrUnreachable, "127.0.0.1:1"},
		"wrong password":          {keycloak.New(s.url, "admin", "stolen-secret", nil, nil), keycloak.ErrCredentials, "Invalid user credentials"},
		"wrong password, later":   {keycloak.New(later.URL, "admin", password, nil, nil), keycloak.ErrCredentials, "[redacted]"},
		"a path that is not it":   {keycloak.New(s.url+"/auth", "admin", password, nil, nil), keycloak.ErrNotKeycloak, "404"},
		"a web page":              {keycloak.New(answer(200, "text/html", "<html>").URL, "admin", password, nil, nil), keycloak.ErrNotKeycloak, "no token"},
		"a redirect":              {keycloak.New(answer(307, "text/html", "").URL, "admin", password, nil, nil), keycloak.ErrNotKeycloak, "no token"},
		"HTTPS required":          {keycloak.New(answer(403, "application/json", `{"error":"invalid_request","error_description":"HTTPS required"}`).URL, "admin", password, nil, nil), keycloak.ErrForbidden, "HTTPS required"},
		"failure":                 {keycloak.New(answer(503, "text/plain", "").URL, "admin", password, nil, nil), keycloak.ErrFailed, "503"},
		"certificate not trusted": {keycloak.New(tlsServer(t), "admin", password, nil, nil), keycloak.ErrUnreachable, "certificate"},
	}
	for name, tt := range tests {
		_, err := tt.admin.Observe(t.Context(), desired)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, expected %v that says %q", name, err, tt.want, tt.says)
			continue
		}
		silentAbout(t, name, err.Error())
	}
}

func tlsServer(t *testing.T) string {
	t.Helper()
	hs := httptest.NewUnstartedServer(http.NotFoundHandler())
	hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	hs.StartTLS()
	t.Cleanup(hs.Close)
	return hs.URL
}

func TestErrorsOfCalls(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, path string
		status       int
		body         string
		want         error
		says         string
	}{
		"realm may not be read":   {"GET", "/admin/realms/aip", 403, `{"error":"HTTP 403 Forbidden"}`, keycloak.ErrForbidden, "read realm aip"},
		"clients may not be read": {"GET", "/admin/realms/aip/clients", 403, `{}`, keycloak.ErrForbidden, "list clients"},
		"realm is a web page":     {"GET", "/admin/realms/aip", 200, `{}`, keycloak.ErrNotKeycloak, "without a realm"},
		"create refused":          {"POST", "/admin/realms/aip/clients", 400, `{"errorMessage":"bad agent-1-secret"}`, keycloak.ErrRejected, "create client"},
		"create fails":            {"POST", "/admin/realms/aip/clients", 500, `{}`, keycloak.ErrFailed, "create client"},
		"always a conflict":       {"POST", "/admin/realms/aip/clients", 409, `{"errorMessage":"x"}`, keycloak.ErrConflict, "create client"},
		"never logged in":         {"GET", "/admin/realms/aip", 401, `{"error":"HTTP 401 Unauthorized"}`, keycloak.ErrCredentials, "read realm aip"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := applied(t)
			a := s.admin()
			for _, c := range desired.Clients {
				if err := a.RemoveClient(t.Context(), "aip", c.ID); err != nil {
					t.Fatal(err)
				}
			}
			s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != tt.method || r.URL.Path != tt.path {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
				return true
			})
			var notes []string
			writes, err := a.Apply(t.Context(), desired, func(text string) { notes = append(notes, text) })
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || writes != 0 || len(notes) != 0 {
				t.Fatalf("got %d writes, %v, expected %v that says %q", writes, err, tt.want, tt.says)
			}
			silentAbout(t, name, err.Error())
			s.intercept(nil)
			if writes, err := a.Apply(t.Context(), desired, nil); err != nil || writes != 3 {
				t.Errorf("once it works again: %d writes, %v", writes, err)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	s := applied(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.admin().Observe(ctx, desired); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	s.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		return true
	})
	a := keycloak.New(s.url, "admin", password, &http.Client{Timeout: 20 * time.Millisecond}, s.clock.Now)
	if _, err := a.Observe(t.Context(), desired); !errors.Is(err, keycloak.ErrUnreachable) {
		t.Errorf("a Keycloak that hangs: %v", err)
	}
}

func TestDesiredRealmIsChecked(t *testing.T) {
	t.Parallel()
	s := applied(t)
	bad := keycloak.Realm{Name: "a/b", Clients: []keycloak.Client{{Secret: "x"}, {ID: "one"}, {ID: "two", Secret: "x"}, {ID: "two", Secret: "x"}}}
	_, err := s.admin().Apply(t.Context(), bad, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, says := range []string{`"a/b"`, "number 1 has no ID", "one has no secret", "two is there twice"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("the error does not say %q: %v", says, err)
		}
	}
	if _, all := s.count(); all != 0 {
		t.Errorf("%d requests for a realm that cannot be", all)
	}
}

func TestNothingPrintsItself(t *testing.T) {
	t.Parallel()
	s := applied(t)
	a := s.admin()
	diff, err := a.Observe(t.Context(), desired)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	for _, v := range []any{a, desired, &desired, desired.Clients, desired.Clients[0], diff} {
		fmt.Fprintf(&b, "%v %+v %#v %s", v, v, v, v)
	}
	log.Info("x", "client", desired.Clients[0], "admin", a.String())
	silentAbout(t, "fmt or slog", b.String())
	if !strings.Contains(b.String(), "client aip-agent-1 for aip-gateway") {
		t.Errorf("nothing was printed at all: %s", b.String())
	}
}
