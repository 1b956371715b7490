package keycloak_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/internal/issuer"
)

func TestApplyFromNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.admin()
	diff, err := a.Observe(t.Context(), desired)
	if err != nil {
		t.Fatal(err)
	}
	if got := diff.String(); got != "realm aip: absent; client aip-agent-1: absent; client aip-reviewer-1: absent; client aip-admin-1: absent" {
		t.Errorf("observed: %s", got)
	}
	if n := s.writes(); n != 0 {
		t.Errorf("Observe made %d writes", n)
	}
	var notes []string
	writes, err := a.Apply(t.Context(), desired, func(text string) { notes = append(notes, text) })
	if err != nil {
		t.Fatal(err)
	}
	onServer, all := s.count(http.MethodPost, http.MethodPut, http.MethodDelete)
	if writes != 4 || onServer != 4 || all != 6 { // two reads and no second login
		t.Errorf("%d writes, the server saw %d of %d requests, expected 4, 4 of 6", writes, onServer, all)
	}
	slices.Sort(notes)
	if got := strings.Join(notes, "; "); got != "client aip-admin-1 created; client aip-agent-1 created; client aip-reviewer-1 created; realm aip created" {
		t.Errorf("notes: %s", got)
	}
	for _, c := range desired.Clients {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {c.Secret}, "scope": {"openid"}}
		if status, body := s.request(http.MethodPost, "/realms/aip/protocol/openid-connect/token", form.Encode()); status != http.StatusOK {
			t.Errorf("%s gets no token: %d %s", c.ID, status, body)
		}
	}
	s.count()
	fresh := s.admin()
	if diff, err := fresh.Observe(t.Context(), desired); err != nil || !diff.Empty() {
		t.Errorf("after Apply: %v, %v", diff, err)
	}
	if _, all := s.count(); all != 3 {
		t.Errorf("Observe took %d requests, expected a login and two reads", all)
	}
	if writes, err := fresh.Apply(t.Context(), desired, nil); err != nil || writes != 0 || s.writes() != 0 {
		t.Errorf("second Apply: %d writes, %v", writes, err)
	}
}

func TestDriftIsFoundAndCorrected(t *testing.T) {
	t.Parallel()
	mapperOf := func(s *site) string {
		path, rep := s.client("aip-agent-1")
		_, id, _ := strings.Cut(rep, `"protocolMappers":[{"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		return path + "/protocol-mappers/models/" + id
	}
	const mapper = `{"name":"audience-aip-gateway","protocol":"openid-connect","protocolMapper":"oidc-audience-mapper","config":{`
	tests := map[string]struct {
		method string
		path   func(s *site) string
		body   string
		writes int
		want   string
	}{
		"realm disabled":  {http.MethodPut, func(*site) string { return "/admin/realms/aip" }, `{"enabled":false}`, 1, "realm aip: disabled"},
		"realm deleted":   {http.MethodDelete, func(*site) string { return "/admin/realms/aip" }, ``, 4, "realm aip: absent; client aip-agent-1: absent; client aip-reviewer-1: absent; client aip-admin-1: absent"},
		"client deleted":  {http.MethodDelete, agentPath, ``, 1, "client aip-agent-1: absent"},
		"client disabled": {http.MethodPut, agentPath, `{"enabled":false}`, 1, "client aip-agent-1: disabled"},
		"secret":          {http.MethodPut, agentPath, `{"secret":"stolen-secret"}`, 1, "client aip-agent-1: secret differs"},
		"all settings": {http.MethodPut, agentPath,
			`{"publicClient":true,"bearerOnly":true,"serviceAccountsEnabled":false,"standardFlowEnabled":true,"directAccessGrantsEnabled":true,"clientAuthenticatorType":"client-jwt"}`, 1,
			"client aip-agent-1: public, expected confidential; client aip-agent-1: bearer-only, expected one that gets tokens; " +
				"client aip-agent-1: service account off; client aip-agent-1: standard flow on, expected off; " +
				`client aip-agent-1: direct access grants on, expected off; client aip-agent-1: authenticator "client-jwt", expected "client-secret"; ` +
				"client aip-agent-1: secret differs"},
		"mapper deleted": {http.MethodDelete, mapperOf, ``, 1, "client aip-agent-1: audience mapper absent"},
		"mapper for another audience": {http.MethodPut, mapperOf, mapper + `"included.custom.audience":"other","id.token.claim":"true","access.token.claim":"true"}}`, 1,
			`client aip-agent-1: audience mapper: included.custom.audience is "other", expected "aip-gateway"`},
		"mapper overridden": {http.MethodPut, mapperOf, mapper + `"included.client.audience":"x","included.custom.audience":"aip-gateway","id.token.claim":"true","access.token.claim":"true"}}`, 1,
			`client aip-agent-1: audience mapper: included.client.audience is "x", expected none`},
		"mapper for ID tokens only": {http.MethodPut, mapperOf, mapper + `"included.custom.audience":"aip-gateway","id.token.claim":"true"}}`, 1,
			`client aip-agent-1: audience mapper: access.token.claim is "", expected "true"`},
		"client and mapper": {http.MethodPut, agentPath, `{"enabled":false,"protocolMappers":[]}`, 2, "client aip-agent-1: disabled; client aip-agent-1: audience mapper absent"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := applied(t)
			if status, body := s.request(tt.method, tt.path(s), tt.body); status >= 300 {
				t.Fatalf("make the drift: %d %s", status, body)
			}
			a := s.admin()
			if diff, err := a.Observe(t.Context(), desired); err != nil || diff.String() != tt.want {
				t.Errorf("observed:\n got %v, %v\nwant %s", diff, err, tt.want)
			}
			s.count()
			if writes, err := a.Apply(t.Context(), desired, nil); err != nil || writes != tt.writes || s.writes() != tt.writes {
				t.Errorf("%d writes, %v, expected %d", writes, err, tt.writes)
			}
			if diff, err := a.Observe(t.Context(), desired); err != nil || !diff.Empty() {
				t.Errorf("afterwards: %v, %v", diff, err)
			}
		})
	}
}

func agentPath(s *site) string {
	path, _ := s.client("aip-agent-1")
	return path
}

// TestApplyLeavesTheRest adds what the desired realm does not name, makes a drift beside it and corrects that.
func TestApplyLeavesTheRest(t *testing.T) {
	t.Parallel()
	s := applied(t)
	agent := agentPath(s)
	for _, call := range [][3]string{
		{http.MethodPost, "/admin/realms/aip/clients", `{"clientId":"mine","secret":"x"}`},
		{http.MethodPost, agent + "/protocol-mappers/models", `{"name":"mine","protocolMapper":"oidc-audience-mapper","config":{"included.custom.audience":"else","access.token.claim":"true"}}`},
		{http.MethodPut, agent, `{"enabled":false,"description":"kept","attributes":{"k":"v"}}`},
	} {
		if status, body := s.request(call[0], call[1], call[2]); status >= 300 {
			t.Fatalf("%v: %d %s", call, status, body)
		}
	}
	if writes, err := s.admin().Apply(t.Context(), desired, nil); err != nil || writes != 1 {
		t.Fatalf("%d writes, %v", writes, err)
	}
	s.client("mine")
	if _, rep := s.client("aip-agent-1"); !strings.Contains(rep, `"name":"mine"`) || !strings.Contains(rep, `"description":"kept"`) || !strings.Contains(rep, `"k":"v"`) {
		t.Errorf("something was lost: %s", rep)
	}
}

func TestClientWithoutAudience(t *testing.T) {
	t.Parallel()
	s := start(t)
	plain := keycloak.Realm{Name: "aip", Clients: []keycloak.Client{{ID: "plain", Secret: "s"}}}
	a := s.admin()
	if writes, err := a.Apply(t.Context(), plain, nil); err != nil || writes != 2 {
		t.Errorf("%d writes, %v", writes, err)
	}
	if _, rep := s.client("plain"); strings.Contains(rep, "protocolMappers") {
		t.Errorf("a mapper nobody asked for: %s", rep)
	}
	if diff, err := a.Observe(t.Context(), plain); err != nil || !diff.Empty() {
		t.Errorf("%v, %v", diff, err)
	}
}

// TestTwoAppliesAtOnce are two runs of up: both succeed, and each object is made once.
func TestTwoAppliesAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 4 {
		wg.Go(func() {
			writes, err := s.admin().Apply(t.Context(), desired, nil)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += writes
		})
	}
	wg.Wait()
	if total != 4 {
		t.Errorf("%d writes in all, expected 4", total)
	}
	if diff, err := s.admin().Observe(t.Context(), desired); err != nil || !diff.Empty() {
		t.Errorf("%v, %v", diff, err)
	}
}

// TestApplyLooksAgainAfterAConflict answers the first creation of a client as if another run had been faster.
func TestApplyLooksAgainAfterAConflict(t *testing.T) {
	t.Parallel()
	s := applied(t)
	a := s.admin()
	if err := a.RemoveClient(t.Context(), "aip", "aip-agent-1"); err != nil {
		t.Fatal(err)
	}
	var conflicts atomic.Int32
	s.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/clients") || conflicts.Add(1) > 1 {
			return false
		}
		w.WriteHeader(http.StatusConflict)
		return true
	})
	if writes, err := a.Apply(t.Context(), desired, nil); err != nil || writes != 1 {
		t.Errorf("%d writes, %v, expected 1", writes, err)
	}
}

func TestRemoveClient(t *testing.T) {
	t.Parallel()
	s := applied(t)
	a := s.admin()
	for _, clientID := range []string{"aip-agent-1", "aip-agent-1", "nobody"} {
		if err := a.RemoveClient(t.Context(), "aip", clientID); err != nil {
			t.Error(err)
		}
	}
	if n := s.writes(); n != 1 {
		t.Errorf("%d writes, expected one", n)
	}
	if err := a.RemoveClient(t.Context(), "nowhere", "x"); err != nil {
		t.Errorf("unknown realm: %v", err)
	}
	for _, args := range [][2]string{{"", "x"}, {"aip", ""}, {"a/b", "x"}} {
		if err := a.RemoveClient(t.Context(), args[0], args[1]); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	if diff, err := a.Observe(t.Context(), desired); err != nil || diff.String() != "client aip-agent-1: absent" {
		t.Errorf("%v, %v", diff, err)
	}
}

func TestLoginIsKeptAndRenewed(t *testing.T) {
	t.Parallel()
	s := applied(t)
	a := s.admin()
	logins := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.calls {
			if strings.HasSuffix(c, "/token") {
				n++
			}
		}
		s.calls = nil
		return n
	}
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {44 * time.Second, 0}, {2 * time.Second, 1}, {10 * time.Minute, 1}} {
		s.clock.Advance(step.wait)
		if _, err := a.Observe(t.Context(), desired); err != nil {
			t.Fatal(err)
		}
		if n := logins(); n != step.want {
			t.Errorf("after %v: %d logins, expected %d", step.wait, n, step.want)
		}
	}
	s.restart(&issuer.MemoryStore{}) // new keys: the token at hand is refused
	if writes, err := a.Apply(t.Context(), desired, nil); err != nil || writes != 4 || logins() != 1 {
		t.Errorf("after the loss of the keys: %d writes, %v", writes, err)
	}
}

// BenchmarkNothingToDo is what a second run of up pays for the realm: a login, two reads and the comparison.
func BenchmarkNothingToDo(b *testing.B) {
	s := applied(b)
	for b.Loop() {
		if writes, err := s.admin().Apply(b.Context(), desired, nil); err != nil || writes != 0 {
			b.Fatal(writes, err)
		}
	}
}

// BenchmarkFromNothing is the realm and three clients, with the realm's key made anew each time.
func BenchmarkFromNothing(b *testing.B) {
	s := applied(b)
	for b.Loop() {
		s.request(http.MethodDelete, "/admin/realms/aip", "")
		if writes, err := s.admin().Apply(b.Context(), desired, nil); err != nil || writes != 4 {
			b.Fatal(writes, err)
		}
	}
}

func TestClientsOfARealm(t *testing.T) {
	t.Parallel()
	s := applied(t)
	path, _ := s.client("aip-reviewer-1")
	s.request(http.MethodPut, path, `{"enabled":false}`)
	s.request(http.MethodPost, "/admin/realms/aip/clients", `{"clientId":"by-hand","enabled":true}`)
	s.count()
	found, err := s.admin().Clients(t.Context(), "aip")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.writes(); n != 0 {
		t.Errorf("reading made %d writes", n)
	}
	for _, want := range []keycloak.Found{
		{ID: "aip-agent-1", Enabled: true, Audience: "aip-gateway"}, {ID: "aip-reviewer-1", Audience: "aip-gateway"}, {ID: "by-hand", Enabled: true},
	} {
		if !slices.Contains(found, want) {
			t.Errorf("%+v is not among %+v", want, found)
		}
	}
	if !slices.IsSortedFunc(found, func(a, b keycloak.Found) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("not sorted: %+v", found)
	}
	if found, err := s.admin().Clients(t.Context(), "absent"); err != nil || len(found) != 0 {
		t.Errorf("of a realm that is not there: %+v, %v", found, err)
	}
}
