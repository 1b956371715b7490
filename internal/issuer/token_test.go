package issuer_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

func payload(t *testing.T, raw string) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("a token has %d parts", len(parts))
	}
	blob, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(blob, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// startWithOddClients adds clients that get no tokens, each for another reason.
func startWithOddClients(t *testing.T) *site {
	t.Helper()
	s := startSeeded(t)
	token := s.adminToken()
	for _, body := range []string{
		`{"clientId":"public","publicClient":true,"serviceAccountsEnabled":true}`,
		`{"clientId":"plain","secret":"plain-secret"}`,
		`{"clientId":"off","enabled":false,"serviceAccountsEnabled":true,"secret":"off-secret"}`,
		`{"clientId":"bearer","bearerOnly":true}`,
		`{"clientId":"admin-cli","publicClient":true,"directAccessGrantsEnabled":true}`,
		`{"clientId":"direct","secret":"direct-secret","directAccessGrantsEnabled":true}`,
	} {
		if res := s.admin(token, http.MethodPost, clientsPath, body); res.status != http.StatusCreated {
			t.Fatalf("create: %d %s", res.status, res.body)
		}
	}
	return s
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s := startWithOddClients(t)
	const words = "Invalid client or Invalid client credentials"
	cc := func(id, secret string) url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	}
	with := func(v url.Values, key string, values ...string) url.Values { v[key] = values; return v }
	master := "/realms/master/protocol/openid-connect/token"
	tests := map[string]struct {
		path        string
		form        url.Values
		status      int
		code, descr string
	}{
		"unknown client":         {tokenPath, cc("nobody", "x"), 401, "invalid_client", words},
		"no client":              {tokenPath, url.Values{"grant_type": {"client_credentials"}}, 401, "invalid_client", words},
		"disabled client":        {tokenPath, cc("off", "off-secret"), 401, "invalid_client", words},
		"wrong secret":           {tokenPath, cc("aip-agent-1", "wrong"), 401, "unauthorized_client", words},
		"no secret":              {tokenPath, url.Values{"grant_type": {"client_credentials"}, "client_id": {"aip-agent-1"}}, 401, "unauthorized_client", words},
		"no service account":     {tokenPath, cc("plain", "plain-secret"), 401, "unauthorized_client", "Client not enabled to retrieve service account"},
		"public client":          {tokenPath, cc("public", ""), 401, "unauthorized_client", "Public client not allowed to retrieve service account"},
		"bearer-only client":     {tokenPath, cc("bearer", ""), 400, "invalid_client", "Bearer-only not allowed"},
		"no grant type":          {tokenPath, url.Values{"client_id": {"aip-agent-1"}}, 400, "invalid_request", "Missing form parameter: grant_type"},
		"unknown grant type":     {tokenPath, with(cc("aip-agent-1", agentSecret), "grant_type", "authorization_code"), 400, "unsupported_grant_type", "Unsupported grant_type"},
		"unknown scope":          {tokenPath, with(cc("aip-agent-1", agentSecret), "scope", "openid teleport"), 400, "invalid_scope", "Invalid scopes: openid teleport"},
		"doubled parameter":      {tokenPath, with(cc("aip-agent-1", agentSecret), "scope", "openid", "openid"), 400, "invalid_request", "duplicated parameter"},
		"password not allowed":   {tokenPath, with(cc("aip-agent-1", agentSecret), "grant_type", "password"), 400, "unauthorized_client", "Client not allowed for direct access grants"},
		"password, no users":     {tokenPath, url.Values{"grant_type": {"password"}, "client_id": {"direct"}, "client_secret": {"direct-secret"}, "username": {"admin"}, "password": {adminPassword}}, 400, "invalid_grant", "Invalid user credentials"},
		"admin of another realm": {tokenPath, adminForm(adminPassword), 400, "invalid_grant", "Invalid user credentials"},
		"wrong password":         {master, adminForm("wrong"), 400, "invalid_grant", "Invalid user credentials"},
		"empty password":         {master, adminForm(""), 400, "invalid_grant", "Invalid user credentials"},
		"unknown realm":          {"/realms/nowhere/protocol/openid-connect/token", agentForm(agentSecret), 404, "Realm does not exist", ""},
	}
	for name, tt := range tests {
		res := s.form(tt.path, tt.form)
		body := res.json(t)
		descr, _ := body["error_description"].(string)
		if res.status != tt.status || body["error"] != tt.code || descr != tt.descr {
			t.Errorf("%s: got %d %s, expected %d %q %q", name, res.status, res.body, tt.status, tt.code, tt.descr)
		}
		if got := res.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, expected no-store", name, got)
		}
	}
	if res := s.send(s.request(http.MethodPost, tokenPath, "application/json", `{"grant_type":"client_credentials"}`)); res.status != http.StatusUnsupportedMediaType {
		t.Errorf("JSON body: got %d %s, expected 415", res.status, res.body)
	}
	if res := s.form(tokenPath, url.Values{"grant_type": {strings.Repeat("x", 1<<20)}}); res.status != http.StatusRequestEntityTooLarge {
		t.Errorf("large body: got %d, expected 413", res.status)
	}
}

func TestDisabledRealmGivesNoTokens(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	if res := s.admin(s.adminToken(), http.MethodPut, "/admin/realms/aip", `{"enabled":false}`); res.status != http.StatusNoContent {
		t.Fatalf("disable: %d %s", res.status, res.body)
	}
	if res := s.form(tokenPath, agentForm(agentSecret)); res.status != http.StatusForbidden || res.json(t)["error"] != "access_denied" {
		t.Errorf("got %d %s, expected 403 access_denied", res.status, res.body)
	}
}

func TestBasicAuthentication(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	const odd = "p+ s%:ö"
	body, err := json.Marshal(map[string]any{"clientId": "od:d", "secret": odd, "serviceAccountsEnabled": true})
	if err != nil {
		t.Fatal(err)
	}
	if res := s.admin(s.adminToken(), http.MethodPost, clientsPath, string(body)); res.status != http.StatusCreated {
		t.Fatalf("create: %d %s", res.status, res.body)
	}
	tests := map[string]struct {
		id, secret string
		form       url.Values
		status     int
	}{
		"plain":                 {"aip-agent-1", agentSecret, nil, 200},
		"encoded":               {url.QueryEscape("od:d"), url.QueryEscape(odd), nil, 200},
		"wrong":                 {"aip-agent-1", "wrong", nil, 401},
		"undecodable":           {"aip-agent-1", "%zz", nil, 401},
		"form wins over header": {"aip-agent-1", "wrong", url.Values{"client_secret": {agentSecret}}, 200},
	}
	for name, tt := range tests {
		form := url.Values{"grant_type": {"client_credentials"}}
		for k, v := range tt.form {
			form[k] = v
		}
		req := s.request(http.MethodPost, tokenPath, "application/x-www-form-urlencoded", form.Encode())
		req.SetBasicAuth(tt.id, tt.secret)
		if res := s.send(req); res.status != tt.status {
			t.Errorf("%s: got %d %s, expected %d", name, res.status, res.body, tt.status)
		}
	}
	req := s.request(http.MethodPost, tokenPath, "application/x-www-form-urlencoded", "grant_type=client_credentials")
	req.Header.Set("Authorization", "Negotiate abc")
	if res := s.send(req); res.status != http.StatusUnauthorized || res.header.Get("WWW-Authenticate") != `Basic realm="aip"` {
		t.Errorf("other scheme: got %d, challenge %q", res.status, res.header.Get("WWW-Authenticate"))
	}
}

func TestAccessTokenClaims(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	first := s.form(tokenPath, agentForm(agentSecret)).json(t)
	for key, want := range map[string]any{
		"token_type": "Bearer", "expires_in": 300.0, "refresh_expires_in": 0.0, "not-before-policy": 0.0, "scope": "openid profile email",
	} {
		if first[key] != want {
			t.Errorf("response %s: got %v, expected %v", key, first[key], want)
		}
	}
	got := payload(t, first["access_token"].(string))
	again := payload(t, s.form(tokenPath, agentForm(agentSecret)).json(t)["access_token"].(string))
	if got["sub"] == "" || got["sub"] != again["sub"] || got["jti"] == again["jti"] {
		t.Errorf("sub %v and %v, jti %v and %v: expected the same sub and different jti", got["sub"], again["sub"], got["jti"], again["jti"])
	}
	now := float64(s.clock.Now().Unix())
	want := map[string]any{
		"exp": now + 300, "iat": now, "jti": got["jti"], "iss": s.url + "/realms/aip", "aud": []any{"aip-gateway", "account"},
		"sub": got["sub"], "typ": "Bearer", "azp": "aip-agent-1", "acr": "1",
		"realm_access":    map[string]any{"roles": []any{"default-roles-aip", "offline_access", "uma_authorization"}},
		"resource_access": map[string]any{"account": map[string]any{"roles": []any{"manage-account", "manage-account-links", "view-profile"}}},
		"scope":           "openid profile email", "email_verified": false, "clientHost": "127.0.0.1", "clientAddress": "127.0.0.1",
		"preferred_username": "service-account-aip-agent-1", "client_id": "aip-agent-1",
	}
	if g, w := encode(t, got), encode(t, want); g != w {
		t.Errorf("claims:\n got %s\nwant %s", g, w)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	blob, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(blob)
}

func TestAudienceFollowsMappers(t *testing.T) {
	t.Parallel()
	mapper := func(name, config string) string {
		return `{"name":"` + name + `","protocol":"openid-connect","protocolMapper":"oidc-audience-mapper","config":{` + config + `}}`
	}
	tests := map[string]struct {
		mappers    string
		access, id any
	}{
		"none": {``, "account", "probe"},
		"access token only": {
			mapper("a", `"included.custom.audience":"gw","access.token.claim":"true"`), []any{"gw", "account"}, "probe",
		},
		"ID token only": {
			mapper("a", `"included.custom.audience":"gw","id.token.claim":"true","access.token.claim":"false"`), "account", []any{"probe", "gw"},
		},
		"client before custom, in order, once": {
			mapper("a", `"included.client.audience":"one","included.custom.audience":"no","access.token.claim":"true"`) + "," +
				mapper("b", `"included.custom.audience":"two","access.token.claim":"true"`) + "," +
				mapper("c", `"included.custom.audience":"one","access.token.claim":"true"`), []any{"one", "two", "account"}, "probe",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSeeded(t)
			body := `{"clientId":"probe","secret":"s","serviceAccountsEnabled":true,"protocolMappers":[` + tt.mappers + `]}`
			if res := s.admin(s.adminToken(), http.MethodPost, clientsPath, body); res.status != http.StatusCreated {
				t.Fatalf("create: %d %s", res.status, res.body)
			}
			form := agentForm("s")
			form.Set("client_id", "probe")
			res := s.form(tokenPath, form).json(t)
			if got := payload(t, res["access_token"].(string))["aud"]; encode(t, got) != encode(t, tt.access) {
				t.Errorf("access token: got %v, expected %v", got, tt.access)
			}
			if got := payload(t, res["id_token"].(string))["aud"]; encode(t, got) != encode(t, tt.id) {
				t.Errorf("ID token: got %v, expected %v", got, tt.id)
			}
		})
	}
}

// TestVerifiedByGoOIDC lets the library that the gateway uses discover, fetch the keys and verify.
func TestVerifiedByGoOIDC(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	provider, err := oidc.NewProvider(t.Context(), s.url+"/realms/aip")
	if err != nil {
		t.Fatal(err)
	}
	res := s.form(tokenPath, agentForm(agentSecret)).json(t)
	verifier := provider.Verifier(&oidc.Config{ClientID: "aip-gateway", Now: s.clock.Now})
	access, err := verifier.Verify(t.Context(), res["access_token"].(string))
	if err != nil {
		t.Fatal(err)
	}
	var cl struct {
		Azp string `json:"azp"`
	}
	if err := access.Claims(&cl); err != nil || cl.Azp != "aip-agent-1" {
		t.Errorf("azp: got %q, %v", cl.Azp, err)
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: "aip-agent-1", Now: s.clock.Now}).Verify(t.Context(), res["id_token"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(res["access_token"].(string)); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	if strings.Contains(provider.Endpoint().AuthURL, "/") {
		t.Errorf("an authorization endpoint is advertised: %s", provider.Endpoint().AuthURL)
	}
}

func TestNoIDTokenUnlessAsked(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	form := agentForm(agentSecret)
	form.Del("scope")
	res := s.form(tokenPath, form).json(t)
	if _, ok := res["id_token"]; ok || res["scope"] != "profile email" {
		t.Errorf("got %v, expected no ID token and scope %q", res, "profile email")
	}
}
