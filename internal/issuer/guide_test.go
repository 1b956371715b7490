package issuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/internal/issuer"
)

// TestGuide makes the calls of the guide's steps 1, 2 and 4 in order, and each creating call a second time.
func TestGuide(t *testing.T) {
	t.Parallel()
	s := start(t, &issuer.MemoryStore{})
	wellKnown := s.get("/realms/master/.well-known/openid-configuration")
	if wellKnown.status != http.StatusOK || wellKnown.json(t)["issuer"] != s.url+"/realms/master" {
		t.Fatalf("step 1: %d %s", wellKnown.status, wellKnown.body)
	}
	token := s.adminToken()
	steps := []struct {
		path, body string
		conflict   string
	}{
		{"/admin/realms", guideRealm, `{"errorMessage":"Realm aip already exists"}`},
		{clientsPath, guideAgent, `{"errorMessage":"Client aip-agent-1 already exists"}`},
		{"", guideMapper, `{"errorMessage":"Protocol mapper exists with same name"}`},
	}
	for _, step := range steps {
		path := step.path
		if path == "" {
			path = s.clientPath(token, "aip-agent-1") + "/protocol-mappers/models"
		}
		created := s.admin(token, http.MethodPost, path, step.body)
		if created.status != http.StatusCreated || created.body != "" || !strings.HasPrefix(created.header.Get("Location"), s.url+path+"/") {
			t.Fatalf("%s: %d %q, Location %q", path, created.status, created.body, created.header.Get("Location"))
		}
		again := s.admin(token, http.MethodPost, path, step.body)
		if again.status != http.StatusConflict || again.body != step.conflict {
			t.Errorf("%s again: %d %s, expected 409 %s", path, again.status, again.body, step.conflict)
		}
	}
	minted := s.form(tokenPath, agentForm(agentSecret)).json(t)
	claims := payload(t, minted["access_token"].(string))
	if got := encode(t, []any{claims["iss"], claims["azp"], claims["aud"]}); got != encode(t, []any{s.url + "/realms/aip", "aip-agent-1", []any{"aip-gateway", "account"}}) {
		t.Errorf("step 4: %s", got)
	}
}

func TestPublicPaths(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	tests := map[string]struct {
		path   string
		status int
		want   map[string]any
	}{
		"root":                   {"/", 200, nil},
		"realm":                  {"/realms/aip", 200, map[string]any{"realm": "aip", "token-service": s.url + "/realms/aip/protocol/openid-connect", "account-service": s.url + "/realms/aip/account", "tokens-not-before": 0.0}},
		"unknown realm":          {"/realms/nowhere", 404, map[string]any{"error": "Realm does not exist"}},
		"unknown realm metadata": {"/realms/nowhere/.well-known/openid-configuration", 404, map[string]any{"error": "Realm does not exist"}},
		"unknown realm keys":     {"/realms/nowhere/protocol/openid-connect/certs", 404, map[string]any{"error": "Realm does not exist"}},
		"unserved endpoint":      {"/realms/aip/protocol/openid-connect/auth", 404, map[string]any{"error": "Unable to find matching target resource method"}},
		"unknown path":           {"/nowhere", 404, map[string]any{"error": "Unable to find matching target resource method"}},
		"metadata": {"/realms/aip/.well-known/openid-configuration", 200, map[string]any{
			"issuer": s.url + "/realms/aip", "token_endpoint": s.url + tokenPath, "jwks_uri": s.url + "/realms/aip/protocol/openid-connect/certs",
		}},
	}
	for name, tt := range tests {
		res := s.get(tt.path)
		if res.status != tt.status || res.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %d %s, expected %d", name, res.status, res.body, tt.status)
		}
		for key, want := range tt.want {
			if got := res.json(t)[key]; got != want {
				t.Errorf("%s: %s: got %v, expected %v", name, key, got, want)
			}
		}
	}
}

// TestAdvertisedEndpointsAreServed follows every URL of the discovery document.
func TestAdvertisedEndpointsAreServed(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	for key, value := range s.get("/realms/aip/.well-known/openid-configuration").json(t) {
		raw, ok := value.(string)
		if !ok || !strings.HasPrefix(raw, s.url) || key == "issuer" {
			continue
		}
		path := strings.TrimPrefix(raw, s.url)
		if get, post := s.get(path), s.form(path, url.Values{}); get.status == http.StatusNotFound && post.status == http.StatusNotFound {
			t.Errorf("%s: %s is not served", key, path)
		}
	}
}

func TestHostHeaderIsIgnored(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	req := s.request(http.MethodGet, "/realms/aip/.well-known/openid-configuration", "", "")
	req.Host = "evil.example"
	req.Header.Set("X-Forwarded-Host", "evil.example")
	if res := s.send(req); strings.Contains(res.body, "evil") {
		t.Errorf("discovery follows the request's host: %s", res.body)
	}
	form := s.request(http.MethodPost, tokenPath, "application/x-www-form-urlencoded", agentForm(agentSecret).Encode())
	form.Host = "evil.example"
	if got := payload(t, s.send(form).json(t)["access_token"].(string))["iss"]; got != s.url+"/realms/aip" {
		t.Errorf("iss: got %v", got)
	}
}
