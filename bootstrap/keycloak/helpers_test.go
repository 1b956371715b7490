package keycloak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/internal/issuer"
)

const password = "admin-pw-31"

// desired is the realm of the guide with its administrator.
var desired = keycloak.Realm{Name: "aip", Clients: []keycloak.Client{
	{ID: "aip-agent-1", Secret: "agent-1-secret", Audience: "aip-gateway"},
	{ID: "aip-reviewer-1", Secret: "reviewer-1-secret", Audience: "aip-gateway"},
	{ID: "aip-admin-1", Secret: "admin-1-secret", Audience: "aip-gateway"},
}}

// site is a running issuer that counts what it is asked.
type site struct {
	t     testing.TB
	url   string
	clock *clock

	mu     sync.Mutex
	calls  []string // method and path
	before func(w http.ResponseWriter, r *http.Request) bool
	issuer http.Handler
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

func start(t *testing.T) *site { return startWith(t, &issuer.MemoryStore{}) }

func startWith(t testing.TB, store issuer.Store) *site {
	t.Helper()
	s := &site{t: t, clock: &clock{now: time.Now()}}
	hs := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.url = "http://" + hs.Listener.Addr().String()
	s.restart(store)
	hs.Start()
	t.Cleanup(hs.Close)
	return s
}

// restart gives the site an issuer with this store.
func (s *site) restart(store issuer.Store) {
	s.t.Helper()
	server, err := issuer.New(s.t.Context(), issuer.Options{
		Hostname: s.url, AdminUser: "admin", AdminPassword: password, Store: store, Now: s.clock.Now,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issuer = server.Handler()
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	before, next := s.before, s.issuer
	s.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	next.ServeHTTP(w, r)
}

// intercept lets fn answer in the place of the issuer when it returns true.
func (s *site) intercept(fn func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = fn
}

// count returns how many requests of these methods went to the admin API since the last call, and all requests.
func (s *site) count(methods ...string) (admin, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		method, path, _ := strings.Cut(c, " ")
		if strings.HasPrefix(path, "/admin/") && slices.Contains(methods, method) {
			admin++
		}
	}
	all = len(s.calls)
	s.calls = nil
	return admin, all
}

func (s *site) writes() int {
	n, _ := s.count(http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch)
	return n
}

func (s *site) admin() *keycloak.Admin {
	return keycloak.New(s.url, "admin", password, nil, s.clock.Now)
}

// request is a call past the package under test, with the administrator's token when path is below /admin.
func (s *site) request(method, path, body string) (int, string) {
	s.t.Helper()
	kind := "application/x-www-form-urlencoded"
	if strings.HasPrefix(path, "/admin/") {
		kind = "application/json"
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	if kind == "application/json" {
		form := url.Values{"client_id": {"admin-cli"}, "username": {"admin"}, "password": {password}, "grant_type": {"password"}}
		_, login := s.request(http.MethodPost, "/realms/master/protocol/openid-connect/token", form.Encode())
		req.Header.Set("Authorization", "Bearer "+field(s.t, login, "access_token"))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	blob, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(blob)
}

func field(t testing.TB, blob, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(blob), &m); err != nil {
		t.Fatalf("%v: %s", err, blob)
	}
	return fmt.Sprint(m[name])
}

// client returns the admin path of a client of realm aip and its representation.
func (s *site) client(id string) (path, representation string) {
	s.t.Helper()
	_, blob := s.request(http.MethodGet, "/admin/realms/aip/clients?clientId="+id, "")
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(blob), &list); err != nil || len(list) != 1 {
		s.t.Fatalf("client %s: %s", id, blob)
	}
	return "/admin/realms/aip/clients/" + field(s.t, string(list[0]), "id"), string(list[0])
}

// seed is the state of an issuer whose realm is as desired; made once, because keys take their time.
var seed = sync.OnceValues(func() ([]byte, error) {
	store, ctx := &issuer.MemoryStore{}, context.Background()
	server, err := issuer.New(ctx, issuer.Options{Hostname: "http://seed", AdminUser: "admin", AdminPassword: password, Store: store})
	if err != nil {
		return nil, err
	}
	hs := httptest.NewServer(server.Handler())
	defer hs.Close()
	if _, err := keycloak.New(hs.URL, "admin", password, nil, nil).Apply(ctx, desired, nil); err != nil {
		return nil, err
	}
	return store.Load(ctx)
})

// applied is a site whose realm is as desired.
func applied(t testing.TB) *site {
	t.Helper()
	blob, err := seed()
	if err != nil {
		t.Fatal(err)
	}
	store := &issuer.MemoryStore{}
	if err := store.Save(t.Context(), blob); err != nil {
		t.Fatal(err)
	}
	return startWith(t, store)
}
