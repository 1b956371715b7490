package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aip-dev/aip-dev/internal/issuer"
)

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	first := startSeeded(t)
	const certs = "/realms/aip/protocol/openid-connect/certs"
	sub := func(s *site) any {
		return payload(t, s.form(tokenPath, agentForm(agentSecret)).json(t)["access_token"].(string))["sub"]
	}
	created := first.admin(first.adminToken(), http.MethodPost, clientsPath, `{"clientId":"late","secret":"late-secret","serviceAccountsEnabled":true}`)
	if created.status != http.StatusCreated {
		t.Fatalf("create: %d %s", created.status, created.body)
	}
	second := start(t, first.store)
	for _, path := range []string{certs, "/realms/master/protocol/openid-connect/certs"} {
		if a, b := first.get(path).body, second.get(path).body; a != b || !strings.Contains(a, `"kid"`) {
			t.Errorf("%s: %s before, %s after", path, a, b)
		}
	}
	if a, b := sub(first), sub(second); a != b {
		t.Errorf("sub: %v before, %v after", a, b)
	}
	form := agentForm("late-secret")
	form.Set("client_id", "late")
	if res := second.form(tokenPath, form); res.status != http.StatusOK {
		t.Errorf("late client after the restart: %d %s", res.status, res.body)
	}
}

func TestRecreatedRealmHasAnotherKey(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token, before := s.adminToken(), s.get("/realms/aip/protocol/openid-connect/certs").body
	s.admin(token, http.MethodDelete, "/admin/realms/aip", "")
	for _, body := range []string{guideRealm, `{"realm":"twin","enabled":true}`} {
		if res := s.admin(token, http.MethodPost, "/admin/realms", body); res.status != http.StatusCreated {
			t.Fatalf("create: %d %s", res.status, res.body)
		}
	}
	after, twin := s.get("/realms/aip/protocol/openid-connect/certs").body, s.get("/realms/twin/protocol/openid-connect/certs").body
	if before == after || after == twin {
		t.Error("two realms share a key")
	}
}

func TestNoTwoRealmsShareAKey(t *testing.T) {
	t.Parallel()
	s := start(t, &issuer.MemoryStore{})
	token, keys := s.adminToken(), map[string]bool{s.get("/realms/master/protocol/openid-connect/certs").body: true}
	for _, name := range []string{"one", "two"} {
		if res := s.admin(token, http.MethodPost, "/admin/realms", `{"realm":"`+name+`","enabled":true}`); res.status != http.StatusCreated {
			t.Fatalf("create: %d %s", res.status, res.body)
		}
		keys[s.get("/realms/"+name+"/protocol/openid-connect/certs").body] = true
	}
	if len(keys) != 3 {
		t.Errorf("%d keys for three realms", len(keys))
	}
}

func TestUnreadableState(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		blob  string
		newer bool
	}{
		"newer":       {`{"version":2,"realms":{"secret-x":1}}`, true},
		"no version":  {`{"realms":[]}`, false},
		"not JSON":    {`secret-x`, false},
		"other shape": {`{"version":1,"realms":"secret-x"}`, false},
		"bad key":     {`{"version":1,"realms":[{"realm":"master","key":"c2VjcmV0LXg="}]}`, false},
	}
	for name, tt := range tests {
		var store issuer.MemoryStore
		if err := store.Save(t.Context(), []byte(tt.blob)); err != nil {
			t.Fatal(err)
		}
		_, err := issuer.New(t.Context(), issuer.Options{Hostname: "http://localhost:8090", AdminUser: "a", AdminPassword: "b", Store: &store})
		if err == nil || errors.Is(err, issuer.ErrNewerState) != tt.newer || strings.Contains(err.Error(), "secret-x") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := issuer.Options{Hostname: "http://localhost:8090", AdminUser: "admin", AdminPassword: adminPassword, Store: &issuer.MemoryStore{}}
	if text := fmt.Sprintf("%v %+v %s %#v", good, good, good, good) + good.LogValue().String(); strings.Contains(text, adminPassword) {
		t.Errorf("options print the password: %s", text)
	}
	for name, spoil := range map[string]func(*issuer.Options){
		"no host":          func(o *issuer.Options) { o.Hostname = "" },
		"no scheme":        func(o *issuer.Options) { o.Hostname = "localhost:8090" },
		"slash at end":     func(o *issuer.Options) { o.Hostname += "/" },
		"query":            func(o *issuer.Options) { o.Hostname += "?a=b" },
		"user in URL":      func(o *issuer.Options) { o.Hostname = "http://u:adminpw-4f1c@localhost" },
		"no user":          func(o *issuer.Options) { o.AdminUser = "" },
		"no password":      func(o *issuer.Options) { o.AdminPassword = "" },
		"no store":         func(o *issuer.Options) { o.Store = nil },
		"store that fails": func(o *issuer.Options) { o.Store = brokenStore{} },
	} {
		o := good
		spoil(&o)
		if _, err := issuer.New(t.Context(), o); err == nil || strings.Contains(err.Error(), adminPassword) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenStore struct{}

var errBroken = errors.New("disk on fire")

func (brokenStore) Load(context.Context) ([]byte, error) { return nil, errBroken }
func (brokenStore) Save(context.Context, []byte) error   { return errBroken }

// readOnce has a state to load and refuses every save.
type readOnce struct{ brokenStore }

func (readOnce) Load(context.Context) ([]byte, error) { return seeded() }

func TestFailedSaveChangesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, readOnce{})
	token := s.adminToken()
	client := s.clientPath(token, "aip-agent-1")
	before := s.admin(token, http.MethodGet, "/admin/realms", "").body + s.admin(token, http.MethodGet, clientsPath, "").body
	for _, call := range [][3]string{
		{http.MethodPost, "/admin/realms", `{"realm":"x"}`},
		{http.MethodDelete, "/admin/realms/aip", ""},
		{http.MethodPost, clientsPath, `{"clientId":"x"}`},
		{http.MethodPut, client, `{"enabled":false,"attributes":{"a":"b"},"redirectUris":["x"]}`},
		{http.MethodDelete, client, ""},
		{http.MethodPost, client + "/client-secret", ""},
		{http.MethodPost, client + "/protocol-mappers/models", strings.Replace(guideMapper, "audience-aip-gateway", "x", 1)},
	} {
		res := s.admin(token, call[0], call[1], call[2])
		if res.status != http.StatusInternalServerError || res.json(t)["error"] != "unknown_error" || strings.Contains(res.body, "fire") {
			t.Errorf("%s %s: %d %s", call[0], call[1], res.status, res.body)
		}
	}
	if after := s.admin(token, http.MethodGet, "/admin/realms", "").body + s.admin(token, http.MethodGet, clientsPath, "").body; after != before {
		t.Errorf("state changed:\nbefore %s\nafter  %s", before, after)
	}
	if !strings.Contains(s.logs.String(), errBroken.Error()) {
		t.Error("the cause is not in the log")
	}
}

// TestManyAtOnce changes, reads and mints at the same time and counts what is there in the end, also after a restart.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 5
	s := startSeeded(t)
	token := s.adminToken()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				body := fmt.Sprintf(`{"clientId":"c-%d-%d","secret":"s","serviceAccountsEnabled":true,"protocolMappers":[%s]}`, w, i, guideMapper)
				if res := s.admin(token, http.MethodPost, clientsPath, body); res.status != http.StatusCreated {
					t.Errorf("create: %d %s", res.status, res.body)
				}
				form := agentForm("s")
				form.Set("client_id", fmt.Sprintf("c-%d-%d", w, i))
				if res := s.form(tokenPath, form); res.status != http.StatusOK {
					t.Errorf("mint: %d %s", res.status, res.body)
				}
				if res := s.admin(token, http.MethodGet, clientsPath, ""); res.status != http.StatusOK {
					t.Errorf("list: %d %s", res.status, res.body)
				}
				if res := s.admin(token, http.MethodPost, clientsPath, `{"clientId":"contested"}`); res.status != http.StatusCreated && res.status != http.StatusConflict {
					t.Errorf("contested: %d %s", res.status, res.body)
				}
			}
		})
	}
	wg.Wait()
	want := workers*each + 2 // and the agent, and the contested one
	for name, at := range map[string]*site{"now": s, "after a restart": start(t, s.store)} {
		if got := strings.Count(at.admin(at.adminToken(), http.MethodGet, clientsPath, "").body, `"clientId"`); got != want {
			t.Errorf("%s: %d clients, expected %d", name, got, want)
		}
	}
}

// TestNothingSecretIsSaid drives all kinds of calls and searches the log and every refusal.
func TestNothingSecretIsSaid(t *testing.T) {
	t.Parallel()
	s := startSeeded(t)
	token := s.adminToken()
	client := s.clientPath(token, "aip-agent-1")
	minted := s.form(tokenPath, agentForm(agentSecret)).json(t)["access_token"].(string)
	given := "given-secret-77"
	s.form(tokenPath, agentForm(given))
	s.form("/realms/master/protocol/openid-connect/token", adminForm(given))
	s.admin(token, http.MethodPost, clientsPath, `{"clientId":"x","secret":"`+given+`"}`)
	s.admin(token, http.MethodPost, clientsPath, `{"clientId":"x","secret":"`+given+`"}`)
	s.admin(token, http.MethodPut, client, `{"secret":"`+given+`"`)
	s.admin(token, http.MethodPut, client, `{"secret":"`+given+`","enabled":7}`)
	s.admin(minted, http.MethodGet, clientsPath, "")
	renewed := s.admin(token, http.MethodPost, client+"/client-secret", "").json(t)["value"].(string)
	broken := start(t, readOnce{})
	broken.admin(broken.adminToken(), http.MethodPost, clientsPath, `{"clientId":"x","secret":"`+given+`"}`)
	said := s.logs.String() + s.seen.String() + broken.logs.String() + broken.seen.String()
	if !strings.Contains(said, "client created") || !strings.Contains(said, "already exists") || !strings.Contains(said, "request failed") {
		t.Fatalf("the test says too little to mean anything: %s", said)
	}
	for name, secret := range map[string]string{
		"admin password": adminPassword, "client secret": agentSecret, "given secret": given, "renewed secret": renewed,
		"admin token": token, "signature of the admin token": token[strings.LastIndex(token, ".")+1:], "token": minted,
	} {
		if strings.Contains(said, secret) {
			t.Errorf("%s is in a log or a refusal", name)
		}
	}
}
