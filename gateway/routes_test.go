package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestRouteWithoutNeedIsRefused(t *testing.T) {
	t.Parallel()
	s := &Server{}
	routes := append(s.routes(), route{Method: http.MethodGet, Path: "/forgotten"})
	if _, err := s.newMux(routes); err == nil || !strings.Contains(err.Error(), "GET /forgotten") {
		t.Errorf("got %v, want an error that names the route", err)
	}
	if _, err := s.newMux(s.routes()); err != nil {
		t.Errorf("the real table: %v", err)
	}
}

// everyRouteRefuses walks the table, so that a new route is covered before anybody thinks of it.
func everyRouteRefuses(t *testing.T, w *world) {
	subjects := map[string]string{"agent": agent1, "reviewer": reviewer1, "admin": admin1, "no": nobody}
	otherAudience := w.Token(t, agent1, func(c map[string]any) { c["aud"] = "account" })
	for _, r := range w.server.routes() {
		path := strings.ReplaceAll(r.Path, "{name}", "no-such-request") + "?namespace=" + w.ns
		if r.Needs == authz.None {
			w.do(t, r.Method, path, "", "").want(t, http.StatusOK, "")
			continue
		}
		bare := w.do(t, r.Method, path, "", "").want(t, http.StatusUnauthorized, "missing Bearer token")
		if got := bare.header.Get("WWW-Authenticate"); got != realm {
			t.Errorf("%s: challenge %q", r.pattern(), got)
		}
		wrong := w.do(t, r.Method, path, otherAudience, "").want(t, http.StatusUnauthorized, "aud claim does not match")
		if got := wrong.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, realm+`, error="invalid_token", error_description="`) {
			t.Errorf("%s: challenge %q", r.pattern(), got)
		}
		for role, subject := range subjects {
			roles := w.server.options.Roles.RolesOf(subject, nil)
			verdict := authz.Allow(r.Needs, roles)
			// A body that is no JSON shows that the role is asked for first.
			got := w.as(t, subject, r.Method, path, "{")
			if !verdict.Allowed {
				got.want(t, http.StatusForbidden, verdict.Reason)
			} else if got.status == http.StatusUnauthorized || got.status == http.StatusForbidden {
				t.Errorf("%s as %s: %d %s, though the role is enough", r.pattern(), role, got.status, got.body)
			}
		}
	}
}

func tokensThatDoNotCount(t *testing.T, w *world) {
	stranger := testkit.NewIssuer(t)
	for name, tt := range map[string]struct{ token, text string }{
		"no jwt":            {"abc", "invalid token"},
		"another issuer":    {stranger.Token(t, agent1), "invalid token: iss claim does not match"},
		"another's key":     {stranger.Token(t, agent1, func(c map[string]any) { c["iss"] = w.URL }), "invalid token"},
		"expired":           {w.Token(t, agent1, func(c map[string]any) { c["exp"] = 1 }), "invalid token: expired"},
		"no identity claim": {w.Token(t, agent1, func(c map[string]any) { delete(c, "azp") }), "token missing identity claim"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := w.do(t, "GET", "/whoami", tt.token, "").want(t, http.StatusUnauthorized, tt.text)
			if strings.ContainsAny(strings.TrimPrefix(got.header.Get("WWW-Authenticate"), realm), "\\\n") {
				t.Errorf("challenge %q", got.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func unknownPathsAndMethods(t *testing.T, w *world) {
	if got := w.as(t, agent1, "GET", "/nothing", ""); got.status != http.StatusNotFound {
		t.Errorf("unknown path: %d", got.status)
	}
	if got := w.as(t, agent1, "DELETE", "/agent-requests", ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("wrong method: %d", got.status)
	}
	for _, path := range []string{"/nothing", "/healthz", "/whoami"} {
		if got := w.do(t, "GET", path, "", ""); len(got.header.Get("X-Request-Id")) < 16 {
			t.Errorf("%s: no request id", path)
		}
	}
}

func whoami(t *testing.T, w *world) {
	for subject, want := range map[string]string{
		agent1: `{"identity":"aip-agent-1","role":"agent","roles":["agent"]}`,
		both:   `{"identity":"aip-agent-and-reviewer","role":"reviewer","roles":["reviewer","agent"]}`,
		admin1: `"role":"admin"`,
		nobody: `{"identity":"aip-nobody","role":"unknown"}`,
	} {
		w.as(t, subject, "GET", "/whoami", "").want(t, http.StatusOK, want)
	}
}

// TestWithoutIssuer: a gateway that nobody told whom to trust trusts nobody.
func TestWithoutIssuer(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, func(o *Options) { o.OIDC, o.Roles = authn.Options{}, authz.Config{} })
	for _, r := range w.server.routes() {
		if r.Needs != authz.None {
			path := strings.ReplaceAll(r.Path, "{name}", "x")
			w.as(t, agent1, r.Method, path, "{}").want(t, http.StatusUnauthorized, `{"error":"`+notConfigured+`"}`)
		}
	}
	if log := w.logs.String(); !strings.Contains(log, "Starting AIP Demo Gateway on :8080") || !strings.Contains(log, notConfigured) {
		t.Errorf("log:\n%s", log)
	}
}
