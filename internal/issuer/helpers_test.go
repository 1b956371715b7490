package issuer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/issuer"
)

const (
	adminPassword = "adminpw-4f1c"
	agentSecret   = "agent-1-secret"
	tokenPath     = "/realms/aip/protocol/openid-connect/token"
	clientsPath   = "/admin/realms/aip/clients"
)

// The bodies of the guide, step 2.
const (
	guideRealm = `{"realm":"aip","enabled":true}`
	guideAgent = `{"clientId":"aip-agent-1","enabled":true,"publicClient":false,"serviceAccountsEnabled":true,
		"standardFlowEnabled":false,"directAccessGrantsEnabled":false,"clientAuthenticatorType":"client-secret","secret":"agent-1-secret"}`
	guideMapper = `{"name":"audience-aip-gateway","protocol":"openid-connect","protocolMapper":"oidc-audience-mapper",
		"config":{"included.custom.audience":"aip-gateway","id.token.claim":"true","access.token.claim":"true"}}`
)

// site is a running issuer and what a test needs to talk to it.
type site struct {
	t     *testing.T
	url   string
	store issuer.Store
	logs  *syncBuffer
	clock *clock
	seen  *syncBuffer // everything that was answered with an error status
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs an issuer with this store on a port of its own.
func start(t *testing.T, store issuer.Store) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, url: "http://" + l.Addr().String(), store: store, logs: &syncBuffer{}, seen: &syncBuffer{}, clock: &clock{now: time.Now()}}
	server, err := issuer.New(t.Context(), issuer.Options{
		Hostname: s.url, AdminUser: "admin", AdminPassword: adminPassword, Store: store, Now: s.clock.Now,
		Log: slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	hs := &httptest.Server{Listener: l, Config: &http.Server{Handler: server.Handler(), ReadHeaderTimeout: time.Second}}
	hs.Start()
	t.Cleanup(hs.Close)
	return s
}

// seeded is the state of an issuer with realm aip and the guide's agent. It is made once, because it takes two RSA keys.
var seeded = sync.OnceValues(func() ([]byte, error) {
	var store issuer.MemoryStore
	ctx := context.Background()
	server, err := issuer.New(ctx, issuer.Options{Hostname: "http://seed", AdminUser: "admin", AdminPassword: adminPassword, Store: &store})
	if err != nil {
		return nil, err
	}
	h, token := server.Handler(), ""
	call := func(path, contentType, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	var login struct {
		AccessToken string `json:"access_token"`
	}
	res := call("/realms/master/protocol/openid-connect/token", "application/x-www-form-urlencoded", adminForm(adminPassword).Encode())
	if err := json.Unmarshal(res.Body.Bytes(), &login); err != nil {
		return nil, err
	}
	token = login.AccessToken
	call("/admin/realms", "application/json", guideRealm)
	created := call(clientsPath, "application/json", guideAgent)
	path, _ := strings.CutPrefix(created.Header().Get("Location"), "http://seed")
	call(path+"/protocol-mappers/models", "application/json", guideMapper)
	return store.Load(ctx)
})

// startSeeded runs an issuer that holds what the guide's step 2 makes.
func startSeeded(t *testing.T) *site {
	t.Helper()
	blob, err := seeded()
	if err != nil {
		t.Fatal(err)
	}
	store := &issuer.MemoryStore{}
	if err := store.Save(t.Context(), blob); err != nil {
		t.Fatal(err)
	}
	return start(t, store)
}

func adminForm(password string) url.Values {
	return url.Values{"client_id": {"admin-cli"}, "username": {"admin"}, "password": {password}, "grant_type": {"password"}}
}

func agentForm(secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {"aip-agent-1"}, "client_secret": {secret}, "scope": {"openid"}}
}

// response is what came back, read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

func (r response) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return m
}

func (s *site) send(req *http.Request) response {
	s.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		_, _ = s.seen.Write(body)
	}
	return response{status: res.StatusCode, header: res.Header, body: string(body)}
}

func (s *site) request(method, path, contentType, body string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	return req
}

func (s *site) form(path string, form url.Values) response {
	s.t.Helper()
	return s.send(s.request(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode()))
}

func (s *site) get(path string) response {
	s.t.Helper()
	return s.send(s.request(http.MethodGet, path, "", ""))
}

// adminToken logs in as the guide does.
func (s *site) adminToken() string {
	s.t.Helper()
	res := s.form("/realms/master/protocol/openid-connect/token", adminForm(adminPassword))
	if res.status != http.StatusOK {
		s.t.Fatalf("admin login: %d %s", res.status, res.body)
	}
	return res.json(s.t)["access_token"].(string)
}

func (s *site) admin(token, method, path, body string) response {
	s.t.Helper()
	req := s.request(method, path, "application/json", body)
	req.Header.Set("Authorization", "Bearer "+token)
	return s.send(req)
}

// clientPath returns the admin path of a client, found by its clientId as in the guide.
func (s *site) clientPath(token, clientID string) string {
	s.t.Helper()
	res := s.admin(token, http.MethodGet, clientsPath+"?clientId="+clientID, "")
	var list []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(res.body), &list); err != nil || len(list) != 1 {
		s.t.Fatalf("look up %s: %d %s", clientID, res.status, res.body)
	}
	return clientsPath + "/" + list[0].ID
}
