package issuer_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func TestAdminNeedsItsToken(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token := s.adminToken()
	if res := s.admin(token, http.MethodPost, "/admin/realms/master/clients", `{"clientId":"sa","secret":"sa-secret","serviceAccountsEnabled":true}`); res.status != http.StatusCreated {
		t.Fatalf("create: %d %s", res.status, res.body)
	}
	form := agentForm("sa-secret")
	form.Set("client_id", "sa")
	serviceAccount := s.form("/realms/master/protocol/openid-connect/token", form).json(t)
	admin := map[string]any{"iss": s.url + "/realms/master", "typ": "Bearer", "azp": "admin-cli", "exp": s.clock.Now().Unix() + 60}
	parts := strings.Split(token, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	tests := map[string]struct {
		header string
		status int
	}{
		"valid":                     {"Bearer " + token, 200},
		"scheme in small letters":   {"bearer " + token, 200},
		"none":                      {"", 401},
		"empty":                     {"Bearer ", 401},
		"no scheme":                 {token, 401},
		"other scheme":              {"Basic " + token, 401},
		"garbage":                   {"Bearer garbage", 401},
		"unsigned":                  {"Bearer " + none, 401},
		"signature cut":             {"Bearer " + parts[0] + "." + parts[1] + ".", 401},
		"signed by another key":     {"Bearer " + signedByOther(t, admin), 401},
		"signed with public key":    {"Bearer " + signedWithPublicKey(t, s, admin), 401},
		"other realm":               {"Bearer " + s.form(tokenPath, agentForm(agentSecret)).json(t)["access_token"].(string), 401},
		"ID token of master":        {"Bearer " + serviceAccount["id_token"].(string), 401},
		"service account of master": {"Bearer " + serviceAccount["access_token"].(string), 403},
	}
	for name, tt := range tests {
		for _, path := range []string{"/admin/realms", "/admin/realms/nowhere/x"} {
			want := tt.status
			if want == http.StatusOK && path != "/admin/realms" {
				want = http.StatusNotFound // who may ask learns that there is nothing
			}
			req := s.request(http.MethodGet, path, "", "")
			if tt.header != "" {
				req.Header.Set("Authorization", tt.header)
			}
			res := s.send(req)
			if res.status != want {
				t.Errorf("%s: %s: got %d %s, expected %d", name, path, res.status, res.body, want)
			}
			if res.status == http.StatusUnauthorized && res.body != `{"error":"HTTP 401 Unauthorized"}` {
				t.Errorf("%s: body %s", name, res.body)
			}
		}
	}
}

func TestAdminTokenEnds(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token := s.adminToken()
	moved := start(t, s.store) // same keys under another name
	if res := moved.admin(token, http.MethodGet, "/admin/realms", ""); res.status != http.StatusUnauthorized {
		t.Errorf("token of another host name: got %d, expected 401", res.status)
	}
	s.clock.Advance(59 * time.Second)
	if res := s.admin(token, http.MethodGet, "/admin/realms", ""); res.status != http.StatusOK {
		t.Errorf("after 59 s: got %d, expected 200", res.status)
	}
	s.clock.Advance(time.Second)
	if res := s.admin(token, http.MethodGet, "/admin/realms", ""); res.status != http.StatusUnauthorized {
		t.Errorf("after 60 s: got %d, expected 401", res.status)
	}
}

func signedByOther(t *testing.T, claims any) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, jose.RS256, key, claims)
}

// signedWithPublicKey makes the well-known confusion: an HMAC whose key is the issuer's public key.
func signedWithPublicKey(t *testing.T, s *site, claims any) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(s.get("/realms/master").json(t)["public_key"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		t.Fatalf("public_key of the realm: %v", err)
	}
	return signed(t, jose.HS256, der, claims)
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// adminRow is one call and its answer; an expected body that starts with ~ is only a part of it.
type adminRow struct {
	method, path, body string
	status             int
	want               string
}

// check makes the calls in order, so that rows see one another's effects.
func (s *site) check(token string, rows []adminRow) {
	s.t.Helper()
	for _, tt := range rows {
		res := s.admin(token, tt.method, tt.path, tt.body)
		part, isPart := strings.CutPrefix(tt.want, "~")
		if res.status != tt.status || isPart && !strings.Contains(res.body, part) || !isPart && res.body != tt.want {
			s.t.Errorf("%s %s %.80s:\n got %d %s\nwant %d %s", tt.method, tt.path, tt.body, res.status, res.body, tt.status, tt.want)
		}
	}
}

func TestRealmAnswers(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	s.check(s.adminToken(), []adminRow{
		{"GET", "/admin/realms/", "", 200, `~"realm":"aip"`},
		{"GET", "/admin/realms/aip", "", 200, `~"accessTokenLifespan":300`},
		{"GET", "/admin/realms/nowhere", "", 404, `{"error":"Realm not found."}`},
		{"PUT", "/admin/realms/nowhere", `{}`, 404, `{"error":"Realm not found."}`},
		{"DELETE", "/admin/realms/nowhere", "", 404, `{"error":"Realm not found."}`},
		{"DELETE", "/admin/realms/master", "", 400, `{"errorMessage":"Can't remove master realm"}`},
		{"POST", "/admin/realms", `{}`, 400, `{"errorMessage":"Realm name cannot be empty"}`},
		{"POST", "/admin/realms", `{"realm":"a/b"}`, 400, `{"error":"Character '/' not allowed."}`},
		{"POST", "/admin/realms", `{"realm":".."}`, 400, `{"error":"Character '.' not allowed."}`},
		{"POST", "/admin/realms", `{"realm":"x","accessTokenLifespan":-1}`, 400, `~lifespan`},
		{"POST", "/admin/realms", `{"realm":`, 400, `{"error":"invalid_request","error_description":"Cannot parse the JSON"}`},
		{"POST", "/admin/realms", `{"realm":"` + strings.Repeat("x", 1<<20) + `"}`, 413, `~413`},
		{"PUT", "/admin/realms/aip", `{"realm":"other"}`, 400, `~Renaming`},
		{"PUT", "/admin/realms/aip", `{"displayName":"AIP"}`, 204, ``},
		{"GET", "/admin/realms/aip", "", 200, `~"displayName":"AIP","notBefore":0,"defaultSignatureAlgorithm":"RS256","accessTokenLifespan":300,"enabled":true`},
		{"PATCH", "/admin/realms/aip", `{}`, 404, `{"error":"HTTP 404 Not Found"}`},
		{"GET", "/admin/realms/aip/groups", "", 404, `{"error":"HTTP 404 Not Found"}`},
		{"DELETE", "/admin/realms/aip", "", 204, ``},
		{"GET", clientsPath, "", 404, `{"error":"Realm not found."}`},
	})
	if res := s.send(s.request(http.MethodPost, "/admin/realms", "text/plain", guideRealm)); res.status != http.StatusUnauthorized {
		t.Errorf("no token and no JSON: got %d, expected 401 first", res.status)
	}
	req := s.request(http.MethodPost, "/admin/realms", "text/plain", guideRealm)
	req.Header.Set("Authorization", "Bearer "+s.adminToken())
	if res := s.send(req); res.status != http.StatusUnsupportedMediaType {
		t.Errorf("no JSON: got %d, expected 415", res.status)
	}
}

func TestClientAnswers(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token := s.adminToken()
	agent := s.clientPath(token, "aip-agent-1")
	models := agent + "/protocol-mappers/models"
	ghost := clientsPath + "/00000000-0000-4000-8000-000000000000"
	s.check(token, []adminRow{
		{"GET", clientsPath + "?clientId=nobody", "", 200, `[]`},
		{"GET", "/admin/realms/nowhere/clients", "", 404, `{"error":"Realm not found."}`},
		{"GET", ghost, "", 404, `{"error":"Could not find client"}`},
		{"PUT", ghost, `{}`, 404, `{"error":"Could not find client"}`},
		{"DELETE", ghost, "", 404, `{"error":"Could not find client"}`},
		{"GET", ghost + "/client-secret", "", 404, `{"error":"Could not find client"}`},
		{"POST", ghost + "/protocol-mappers/models", guideMapper, 404, `{"error":"Could not find client"}`},
		{"GET", agent, "", 200, `~"secret":"agent-1-secret"`},
		{"GET", agent + "/client-secret", "", 200, `{"type":"secret","value":"agent-1-secret"}`},
		{"PUT", agent, `{"enabled":false}`, 204, ``},
		{"GET", agent, "", 200, `~"enabled":false,"clientAuthenticatorType":"client-secret","secret":"agent-1-secret"`},
		{"PUT", agent, `{"enabled":true,"secret":"**********"}`, 204, ``},
		{"GET", agent + "/client-secret", "", 200, `{"type":"secret","value":"agent-1-secret"}`},
		{"PUT", agent, `{"enabled":"yes"}`, 400, `{"error":"invalid_request","error_description":"Cannot parse the JSON"}`},
		{"POST", clientsPath, `{"clientId":"second","protocolMappers":[` + guideMapper + `,` + guideMapper + `]}`, 409, `~same name`},
		{"POST", clientsPath, `{"clientId":"second"}`, 201, ``},
		{"PUT", agent, `{"clientId":"second"}`, 409, `{"errorMessage":"Client second already exists"}`},
		{"POST", clientsPath, `{"clientId":"third","id":"a b"}`, 400, `~URL`},
		{"POST", models, `{"name":"x","protocolMapper":"oidc-hardcoded-claim-mapper"}`, 404, `{"error":"ProtocolMapper provider not found"}`},
		{"POST", models, `{"protocolMapper":"oidc-audience-mapper"}`, 400, `~name`},
		{"GET", models + "/nope", "", 404, `{"error":"Model not found"}`},
		{"PUT", models + "/nope", guideMapper, 404, `{"error":"Model not found"}`},
		{"DELETE", models + "/nope", "", 404, `{"error":"Model not found"}`},
		{"DELETE", agent, "", 204, ``},
		{"GET", agent, "", 404, `{"error":"Could not find client"}`},
	})
}

func TestMappersThroughTheAdminAPI(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token := s.adminToken()
	client := s.clientPath(token, "aip-agent-1")
	models := client + "/protocol-mappers/models"
	var list []map[string]any
	if err := json.Unmarshal([]byte(s.admin(token, http.MethodGet, models, "").body), &list); err != nil || len(list) != 1 {
		t.Fatalf("list: %v, %v", list, err)
	}
	one := models + "/" + list[0]["id"].(string)
	if got := s.admin(token, http.MethodGet, one, "").json(t); encode(t, got) != encode(t, list[0]) {
		t.Errorf("get: %v, list: %v", got, list[0])
	}
	if res := s.admin(token, http.MethodPut, one, strings.ReplaceAll(guideMapper, `"aip-gateway"`, `"other"`)); res.status != http.StatusNoContent {
		t.Fatalf("update: %d %s", res.status, res.body)
	}
	aud := func() string {
		return encode(t, payload(t, s.form(tokenPath, agentForm(agentSecret)).json(t)["access_token"].(string))["aud"])
	}
	if got := aud(); got != `["other","account"]` {
		t.Errorf("after the update: aud %s", got)
	}
	// A whole list in the client replaces the mappers; the one of the same name stays the same object.
	if res := s.admin(token, http.MethodPut, client, `{"protocolMappers":[`+guideMapper+`]}`); res.status != http.StatusNoContent {
		t.Fatalf("update client: %d %s", res.status, res.body)
	}
	if res := s.admin(token, http.MethodGet, one, ""); res.status != http.StatusOK || aud() != `["aip-gateway","account"]` {
		t.Errorf("after the client update: %d, aud %s", res.status, aud())
	}
	if res := s.admin(token, http.MethodDelete, one, ""); res.status != http.StatusNoContent || aud() != `"account"` {
		t.Errorf("delete: %d, aud %s", res.status, aud())
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token := s.adminToken()
	client := s.clientPath(token, "aip-agent-1")
	renewed := s.admin(token, http.MethodPost, client+"/client-secret", "").json(t)["value"].(string)
	if len(renewed) < 22 || renewed == agentSecret {
		t.Errorf("renewed secret of %d characters", len(renewed))
	}
	if old, now := s.form(tokenPath, agentForm(agentSecret)), s.form(tokenPath, agentForm(renewed)); old.status != 401 || now.status != 200 {
		t.Errorf("old secret %d, new secret %d, expected 401 and 200", old.status, now.status)
	}
	if res := s.admin(token, http.MethodPost, clientsPath, `{"clientId":"generated"}`); res.status != http.StatusCreated {
		t.Fatalf("create: %d %s", res.status, res.body)
	}
	if v := s.admin(token, http.MethodGet, s.clientPath(token, "generated")+"/client-secret", "").json(t)["value"]; v == nil || v == "" {
		t.Error("a confidential client without a secret got none")
	}
}

// TestServiceAccountIdentity follows Keycloak: the identity goes with the service account.
func TestServiceAccountIdentity(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token := s.adminToken()
	client := s.clientPath(token, "aip-agent-1")
	sub := func() any {
		return payload(t, s.form(tokenPath, agentForm(agentSecret)).json(t)["access_token"].(string))["sub"]
	}
	before := sub()
	for _, body := range []string{`{"serviceAccountsEnabled":false}`, `{"serviceAccountsEnabled":true}`} {
		if res := s.admin(token, http.MethodPut, client, body); res.status != http.StatusNoContent {
			t.Fatalf("update: %d %s", res.status, res.body)
		}
	}
	if after := sub(); after == before || after == "" {
		t.Errorf("sub before %v, after %v: expected a new one", before, after)
	}
}
