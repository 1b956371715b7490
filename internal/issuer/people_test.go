package issuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	usersPath  = "/admin/realms/aip/users"
	devicePath = "/realms/aip/protocol/openid-connect/auth/device"
	pagePath   = "/realms/aip/device"
	deviceType = "urn:ietf:params:oauth:grant-type:device_code"
	// ada is what docs/token.md makes, and grants what it lets the client do.
	ada    = `{"username":"Ada","enabled":true,"email":"ada@example.com","emailVerified":true,"firstName":"Ada","lastName":"L","credentials":[{"type":"password","value":"a-password"}]}`
	grants = `{"directAccessGrantsEnabled":true,"attributes":{"oauth2.device.authorization.grant.enabled":"true"}}`
)

// startWithAda runs an issuer with a person and a client that gets tokens for people.
func startWithAda(t *testing.T) (s *site, admin string) {
	t.Helper()
	s = startSeeded(t)
	admin = s.adminToken()
	if res := s.admin(admin, http.MethodPost, usersPath, ada); res.status != http.StatusCreated || !strings.HasPrefix(res.header.Get("Location"), s.url+usersPath+"/") {
		t.Fatalf("create: %d %s", res.status, res.body)
	}
	if res := s.admin(admin, http.MethodPut, s.clientPath(admin, "aip-agent-1"), grants); res.status != http.StatusNoContent {
		t.Fatalf("change the client: %d %s", res.status, res.body)
	}
	return s, admin
}

func personForm(name, password string) url.Values {
	return url.Values{"grant_type": {"password"}, "client_id": {"aip-agent-1"}, "client_secret": {agentSecret}, "username": {name}, "password": {password}, "scope": {"openid"}}
}

// TestUsers: what an administrator does to users, as with Keycloak, and that no answer and no log holds a password.
func TestUsers(t *testing.T) {
	t.Parallel()
	s, admin := startWithAda(t)
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"again":     {ada, 409, "User exists with same username"},
		"no name":   {`{"enabled":true}`, 400, "User name is missing"},
		"temporary": {`{"username":"x","credentials":[{"type":"password","value":"y","temporary":true}]}`, 400, "Temporary passwords are not served"},
		"otp":       {`{"username":"x","credentials":[{"type":"otp","value":"y"}]}`, 400, "Only credentials of type password"},
		"empty":     {`{"username":"x","credentials":[{"type":"password","value":""}]}`, 400, "Missing password value"},
		"no JSON":   {`{`, 400, "Cannot parse the JSON"},
	} {
		if res := s.admin(admin, http.MethodPost, usersPath, c.body); res.status != c.status || !strings.Contains(res.body, c.says) {
			t.Errorf("%s: found %d %s", name, res.status, res.body)
		}
	}
	if res := s.admin("none", http.MethodGet, usersPath, ""); res.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d %s", res.status, res.body)
	}
	for query, there := range map[string]bool{"": true, "?username=ad": true, "?username=ADA&exact=true": true, "?username=ad&exact=true": false, "?username=bob": false} {
		if res := s.admin(admin, http.MethodGet, usersPath+query, ""); res.status != http.StatusOK || strings.Contains(res.body, `"username":"ada"`) != there {
			t.Errorf("list %s: %d %s", query, res.status, res.body)
		}
	}
	created := s.admin(admin, http.MethodPost, usersPath, `{"username":"bob","enabled":true}`)
	bob := strings.TrimPrefix(created.header.Get("Location"), s.url)
	login := func(password, want string) {
		t.Helper()
		if res := s.form(tokenPath, personForm("bob", password)); !strings.Contains(res.body, want) {
			t.Errorf("bob with %q: %d %s", password, res.status, res.body)
		}
	}
	login("", "Invalid user credentials")
	for _, step := range []struct {
		method, path, body string
		status             int
		password, want     string
	}{
		{http.MethodPut, bob + "/reset-password", `{"type":"password","value":"bobs-own-password"}`, 204, "bobs-own-password", "access_token"},
		{http.MethodPut, bob, `{"username":"other","enabled":false}`, 204, "bobs-own-password", "Account disabled"},
		{http.MethodPut, bob, `{"enabled":true}`, 204, "bobs-own-password", "access_token"},
		{http.MethodPut, bob + "/reset-password", `{"value":"another-password"}`, 204, "bobs-own-password", "Invalid user credentials"},
		{http.MethodGet, bob, "", 200, "another-password", "access_token"},
		{http.MethodDelete, bob, "", 204, "another-password", "Invalid user credentials"},
		{http.MethodDelete, bob, "", 404, "another-password", "Invalid user credentials"},
		{http.MethodGet, bob, "", 404, "another-password", "Invalid user credentials"},
	} {
		if res := s.admin(admin, step.method, step.path, step.body); res.status != step.status || strings.Contains(res.body, "hash") {
			t.Errorf("%s %s: found %d %s", step.method, step.path, res.status, res.body)
		}
		login(step.password, step.want)
	}
	for _, secret := range []string{"a-password", "own-password", "another-password"} {
		if strings.Contains(s.logs.String()+s.seen.String(), secret) {
			t.Errorf("%q is in the log or an answer", secret)
		}
	}
	blob, err := s.store.Load(t.Context())
	if err != nil || strings.Contains(string(blob), "a-password") {
		t.Errorf("a password is kept in plain, or %v", err)
	}
}

// TestPersonByPassword: the token says who the person is, the client is azp, and a restart forgets nobody.
func TestPersonByPassword(t *testing.T) {
	t.Parallel()
	first, _ := startWithAda(t)
	s := start(t, first.store)
	res := s.form(tokenPath, personForm("ADA", "a-password"))
	if res.status != http.StatusOK {
		t.Fatalf("found %d %s", res.status, res.body)
	}
	for _, kind := range []string{"access_token", "id_token"} {
		claims := payload(t, res.json(t)[kind].(string))
		if claims["azp"] != "aip-agent-1" || claims["preferred_username"] != "ada" || claims["email"] != "ada@example.com" || claims["email_verified"] != true ||
			claims["name"] != "Ada L" || claims["sub"] == "" || claims["sid"] == nil || claims["client_id"] != nil {
			t.Errorf("%s: %v", kind, claims)
		}
	}
	if aud := payload(t, res.json(t)["access_token"].(string))["aud"]; len(aud.([]any)) != 2 {
		t.Errorf("aud is %v", aud)
	}
	if res := s.form(tokenPath, personForm("ada", "wrong")); res.status != http.StatusBadRequest || !strings.Contains(res.body, "invalid_grant") {
		t.Errorf("found %d %s", res.status, res.body)
	}
}

// device begins a device authorization and returns its codes and how to ask whether it was let in.
func device(t *testing.T, s *site) (codes map[string]any, ask func() response) {
	t.Helper()
	res := s.form(devicePath, url.Values{"client_id": {"aip-agent-1"}, "client_secret": {agentSecret}, "scope": {"openid"}})
	if res.status != http.StatusOK || res.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("begin: %d %s", res.status, res.body)
	}
	codes = res.json(t)
	form := url.Values{"grant_type": {deviceType}, "client_id": {"aip-agent-1"}, "client_secret": {agentSecret}, "device_code": {codes["device_code"].(string)}}
	return codes, func() response { return s.form(tokenPath, form) }
}

// TestDevice: a device waits, is let in or refused by a person on the page, and gets one token; RFC 8628.
func TestDevice(t *testing.T) {
	t.Parallel()
	s, _ := startWithAda(t)
	if found := s.get("/realms/aip/.well-known/openid-configuration").json(t); found["device_authorization_endpoint"] != s.url+devicePath {
		t.Errorf("found %v", found["device_authorization_endpoint"])
	}
	decide := func(code, password, decision string, status int, says string) {
		t.Helper()
		res := s.form(pagePath, url.Values{"user_code": {code}, "username": {"ada"}, "password": {password}, "decision": {decision}})
		if res.status != status || !strings.Contains(res.body, says) || !strings.Contains(res.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("decide %s: %d %s", decision, res.status, res.body)
		}
	}
	is := func(res response, status int, says string) {
		t.Helper()
		if res.status != status || !strings.Contains(res.body, says) {
			t.Errorf("found %d %s, expected %d %s", res.status, res.body, status, says)
		}
	}
	codes, ask := device(t, s)
	code := codes["user_code"].(string)
	if codes["verification_uri"] != s.url+pagePath || codes["verification_uri_complete"] != s.url+pagePath+"?user_code="+code || codes["interval"] != 5.0 || codes["expires_in"] != 600.0 {
		t.Errorf("found %v", codes)
	}
	is(ask(), 400, "authorization_pending")
	is(ask(), 400, "slow_down")
	s.clock.Advance(6 * time.Second)
	is(s.get(pagePath+"?user_code="+code), 200, "<b>aip-agent-1</b>")
	is(s.get(pagePath+"?user_code=%22%3E%3Cscript%3E"), 200, "&#34;&gt;&lt;script&gt;")
	is(s.get("/realms/nowhere/device"), 404, "Realm does not exist")
	decide(code, "wrong", "yes", 401, "not right")
	decide("BBBB-BBBB", "a-password", "yes", 400, "No device waits")
	decide(strings.ToLower(strings.ReplaceAll(code, "-", " ")), "a-password", "yes", 200, "is let in")
	decide(code, "a-password", "no", 400, "No device waits")
	res := ask()
	is(res, 200, "access_token")
	if claims := payload(t, res.json(t)["access_token"].(string)); claims["preferred_username"] != "ada" || claims["azp"] != "aip-agent-1" || res.json(t)["id_token"] == nil {
		t.Errorf("found %v", claims)
	}
	is(ask(), 400, "invalid_grant")

	codes, ask = device(t, s)
	decide(codes["user_code"].(string), "a-password", "no", 200, "is refused")
	is(ask(), 400, "access_denied")

	codes, ask = device(t, s)
	s.clock.Advance(11 * time.Minute)
	decide(codes["user_code"].(string), "a-password", "yes", 400, "No device waits")
	is(ask(), 400, "expired_token")

	admin := s.adminToken()
	if res := s.admin(admin, http.MethodPut, s.clientPath(admin, "aip-agent-1"), `{"attributes":{"oauth2.device.authorization.grant.enabled":"false"}}`); res.status != http.StatusNoContent {
		t.Fatalf("%d %s", res.status, res.body)
	}
	is(s.form(devicePath, url.Values{"client_id": {"aip-agent-1"}, "client_secret": {agentSecret}}), 400, "The flow is disabled for the client")
	is(ask(), 400, "unauthorized_client")
	is(s.form(devicePath, url.Values{"client_id": {"aip-agent-1"}, "client_secret": {"wrong"}}), 401, "unauthorized_client")
}

// TestDeviceOfSomebodyElse: a code is good for the client and the realm that began alone.
func TestDeviceOfSomebodyElse(t *testing.T) {
	t.Parallel()
	s, admin := startWithAda(t)
	s.admin(admin, http.MethodPost, clientsPath, `{"clientId":"other","secret":"other-secret","attributes":{"oauth2.device.authorization.grant.enabled":"true"}}`)
	codes, _ := device(t, s)
	s.form(pagePath, url.Values{"user_code": {codes["user_code"].(string)}, "username": {"ada"}, "password": {"a-password"}, "decision": {"yes"}})
	form := url.Values{"grant_type": {deviceType}, "client_id": {"other"}, "client_secret": {"other-secret"}, "device_code": {codes["device_code"].(string)}}
	if res := s.form(tokenPath, form); res.status != http.StatusBadRequest || !strings.Contains(res.body, "Device code not valid") {
		t.Errorf("found %d %s", res.status, res.body)
	}
}

// TestManyDevices: what waits is bounded, and room comes back.
func TestManyDevices(t *testing.T) {
	t.Parallel()
	s, _ := startWithAda(t)
	form := url.Values{"client_id": {"aip-agent-1"}, "client_secret": {agentSecret}}
	for range 1000 {
		if res := s.form(devicePath, form); res.status != http.StatusOK {
			t.Fatalf("found %d %s", res.status, res.body)
		}
	}
	if res := s.form(devicePath, form); res.status != http.StatusServiceUnavailable {
		t.Errorf("found %d %s", res.status, res.body)
	}
	s.clock.Advance(21 * time.Minute)
	if res := s.form(devicePath, form); res.status != http.StatusOK {
		t.Errorf("found %d %s", res.status, res.body)
	}
}
