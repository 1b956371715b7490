package issuer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func testServer(tb testing.TB) *Server {
	tb.Helper()
	s, err := New(tb.Context(), Options{Hostname: "http://localhost:8090", AdminUser: "admin", AdminPassword: "pw", Store: &MemoryStore{}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func call(h http.Handler, method, path, contentType, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestKeysInTheMakingBlockNobodyElse puts a key that never gets ready in place of master's.
func TestKeysInTheMakingBlockNobodyElse(t *testing.T) {
	t.Parallel()
	s := testServer(t)
	never := &futureKey{done: make(chan struct{})}
	key, err := s.spare.wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient()
	c.ID, c.ClientID, c.Secret, c.ServiceAccountsEnabled = "1", "agent", "s", true
	st := &state{realms: map[string]*realm{
		masterRealm: {Name: masterRealm, Enabled: true, key: never},
		"aip":       {Name: "aip", Enabled: true, AccessTokenLifespan: 300, key: readyKey(key), clients: []*client{c}},
	}}
	s.current.Store(st)
	h := s.Handler()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"agent"}, "client_secret": {"s"}}.Encode()
	for path, method := range map[string]string{
		"/realms/master/.well-known/openid-configuration": http.MethodGet,
		"/realms/aip/.well-known/openid-configuration":    http.MethodGet,
		"/realms/aip/protocol/openid-connect/certs":       http.MethodGet,
		"/realms/aip/protocol/openid-connect/token":       http.MethodPost,
	} {
		if w := call(h, method, path, "application/x-www-form-urlencoded", "", form); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(gone, http.MethodGet, "/realms/master", nil)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusInternalServerError {
		t.Errorf("a caller that went away while waiting: %d", w.Code)
	}
}

func BenchmarkMintToken(b *testing.B) {
	s := testServer(b)
	h := s.Handler()
	c := newClient()
	c.ID, c.ClientID, c.Secret, c.ServiceAccountsEnabled = "1", "agent", "s", true
	key, err := s.spare.wait(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	s.current.Store(&state{realms: map[string]*realm{
		"aip": {Name: "aip", Enabled: true, AccessTokenLifespan: 300, key: readyKey(key), clients: []*client{c}},
	}})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"agent"}, "client_secret": {"s"}}.Encode()
	for b.Loop() {
		if w := call(h, http.MethodPost, "/realms/aip/protocol/openid-connect/token", "application/x-www-form-urlencoded", "", form); w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkUpdateClient is an admin write in a realm of 100 clients, without the cost of a store.
func BenchmarkUpdateClient(b *testing.B) {
	s := testServer(b)
	h := s.Handler()
	master := s.current.Load().realms[masterRealm]
	key, err := master.key.wait(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	token, err := key.sign(s.adminClaims(master, master.clients[0], ""))
	if err != nil {
		b.Fatal(err)
	}
	r := &realm{Name: "aip", Enabled: true, AccessTokenLifespan: 300, key: readyKey(key)}
	for i := range 100 {
		c := newClient()
		c.ID = strings.Repeat("x", i+1)
		c.ClientID, c.Secret = c.ID, "s"
		r.put(c)
	}
	s.current.Store(&state{realms: map[string]*realm{masterRealm: master, "aip": r}})
	for b.Loop() {
		if w := call(h, http.MethodPut, "/admin/realms/aip/clients/x", "application/json", token, `{"enabled":true}`); w.Code != http.StatusNoContent {
			b.Fatal(w.Code, w.Body)
		}
	}
}
