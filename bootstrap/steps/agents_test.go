package steps

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/bootstrap/release"
	"github.com/aip-dev/aip-dev/internal/issuer"
)

func TestPlansOfOneClient(t *testing.T) {
	t.Parallel()
	e := bootstrap.Default()
	e.Clients = append(e.Clients, bootstrap.Client{ID: "aip-agent-2", Role: bootstrap.RoleAgent})
	add := AddClient(e, Deps{}, bootstrap.Facts{}, "aip-agent-2")
	if got := add.Names(); !slices.Equal(got, []string{"identity", "gateway", "registration", "proof"}) {
		t.Errorf("to add: %v", got)
	}
	// Access ends before anything else that can fail.
	remove := RemoveClient(e.Without("aip-agent-2"), Deps{}, bootstrap.Facts{}, "aip-agent-2")
	if got := remove.Names(); !slices.Equal(got, []string{"subjects", "identity", "gateway"}) {
		t.Errorf("to remove: %v", got)
	}
	list := func(s bootstrap.Step, role string) release.Names {
		t.Helper()
		if first, ok := s.(subjects); ok {
			s = first.gateway
		}
		g, ok := s.(gateway)
		if !ok {
			t.Fatalf("%T is not the gateway", s)
		}
		return g.lists()[slices.Index(bootstrap.Roles(), role)]
	}
	if l := list(add[1][0], bootstrap.RoleAgent); !slices.Equal(l.In, []string{"aip-agent-2"}) || !slices.Contains(l.Proposed, "aip-agent-2") || l.Out != nil {
		t.Errorf("agents, to add: %+v", l)
	}
	if l := list(add[1][0], bootstrap.RoleReviewer); l.In != nil || l.Out != nil {
		t.Errorf("reviewers, to add an agent: %+v", l)
	}
	for _, role := range bootstrap.Roles() {
		if last := list(remove[2][0], role); !slices.Equal(last.Out, []string{"aip-agent-2"}) {
			t.Errorf("%s, at the end: %+v", role, last)
		}
		if l := list(remove[0][0], role); l.In != nil || !slices.Equal(l.Out, []string{"aip-agent-2"}) {
			t.Errorf("%s, to remove: %+v", role, l)
		}
	}
}

func TestMember(t *testing.T) {
	t.Parallel()
	w := &way{}
	whole := newProof(w)
	before := bootstrap.Facts{}
	digest, err := whole.digest(before)
	if err != nil {
		t.Fatal(err)
	}
	before.Proof.Of = digest
	step := func(facts bootstrap.Facts) member {
		return member{env: whole.env, deps: whole.deps, id: "aip-agent-1", proven: proven(whole.env, whole.deps, facts)}
	}
	now := before
	now.Identity.Clients = []bootstrap.ClientFacts{{ID: "aip-agent-1"}}

	seen := observed(t, step(before), now)
	if seen.State != bootstrap.Ready || !proven(whole.env, whole.deps, seen.Facts) {
		t.Errorf("%+v, expected that the proof of the others holds on", seen)
	}
	if seen := observed(t, step(bootstrap.Facts{}), now); seen.State != bootstrap.Ready || proven(whole.env, whole.deps, seen.Facts) {
		t.Errorf("%+v, expected that nothing is proven for the others", seen)
	}
	// The gateway of before answers for a moment.
	w.roles["aip-agent-1"] = "unknown"
	want := "the gateway says that aip-agent-1 is unknown, expected agent: is it in gateway.auth.agentSubjects of the chart's values?"
	if seen := observed(t, step(before), now); seen.State != bootstrap.Differs || seen.Detail != want {
		t.Errorf("%+v", seen)
	}
	asked := 0
	later := step(before)
	later.deps.Whoami = func(context.Context, bootstrap.Facts, string) (string, error) {
		if asked++; asked < 3 {
			return "unknown", nil
		}
		return "agent", nil
	}
	if _, r := applied(t, later, now); asked != 3 || r.last() != "token → gateway" {
		t.Errorf("asked %d times, said %q", asked, r.notes)
	}
	w.broken = errors.New("invalid token")
	if _, err := step(before).Apply(t.Context(), now, &report{}); !errors.Is(err, w.broken) {
		t.Errorf("a refused token: %v", err)
	}
}

// withProvider returns facts that lead to an API server and to a provider with the realm of e.
func withProvider(t *testing.T, e bootstrap.Environment) bootstrap.Facts {
	t.Helper()
	facts := onServer(t)
	provider, err := issuer.New(t.Context(), issuer.Options{
		Hostname: "http://provider.test", AdminUser: adminUser, AdminPassword: adminPassword, Store: &issuer.MemoryStore{},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(provider.Handler())
	t.Cleanup(server.Close)
	facts.Identity.Address, facts.Identity.Realm = server.URL, e.Realm
	realm := identity{env: e}.realm(facts)
	for i := range realm.Clients {
		realm.Clients[i].Secret = "secret"
	}
	if _, err := keycloak.New(server.URL, adminUser, adminPassword, nil, time.Now).Apply(t.Context(), realm, nil); err != nil {
		t.Fatal(err)
	}
	return facts
}

func TestMembersAndDeparture(t *testing.T) {
	t.Parallel()
	e := bootstrap.Default()
	e.Clients = []bootstrap.Client{{ID: "there", Role: bootstrap.RoleAgent}, {ID: "leaves", Role: bootstrap.RoleAgent}}
	facts := withProvider(t, e)
	e.Clients[0] = bootstrap.Client{ID: "described", Role: bootstrap.RoleAgent}
	namespace(t, Namespace)
	secrets := clients(t).CoreV1().Secrets(Namespace)
	_, err := secrets.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: SecretName("leaves"), Labels: map[string]string{clientLabel: "leaves"}},
		StringData: map[string]string{bootstrap.ClientSecretKey: "x"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deps := Deps{Now: time.Now}
	find := func(facts bootstrap.Facts) (members map[string]Member, unknown error) {
		t.Helper()
		list, unknown, err := Members(t.Context(), e, deps, facts)
		if err != nil {
			t.Fatal(err)
		}
		members = map[string]Member{}
		for _, m := range list {
			members[m.ID] = m
		}
		return members, unknown
	}
	all, unknown := find(facts)
	if unknown != nil {
		t.Fatal(unknown)
	}
	if m := all["described"]; !m.Described || m.Secret || *m.Realm || *m.Mapper || m.Roles != nil {
		t.Errorf("described: %+v", m)
	}
	if m, ok := all["there"]; !ok || m.Described || !*m.Realm || !*m.Mapper {
		t.Errorf("in the realm alone: %+v, %v", m, ok)
	}
	if m := all["leaves"]; !m.Described || !m.Secret || !*m.Realm || !*m.Mapper {
		t.Errorf("everywhere: %+v", m)
	}
	if _, ok := all["admin-cli"]; ok {
		t.Error("a client of Keycloak itself is a member")
	}

	away := facts
	away.Identity.Address = "http://127.0.0.1:1"
	all, unknown = find(away)
	if !errors.Is(unknown, keycloak.ErrUnreachable) || all["leaves"].Realm != nil || !all["leaves"].Secret {
		t.Errorf("without the provider: %v, %+v", unknown, all["leaves"])
	}

	e = e.Without("leaves")
	for range 2 { // a second run finds nothing left, and is content
		applied(t, departure{identity: identity{env: e, deps: deps}, id: "leaves"}, facts)
	}
	all, _ = find(facts)
	if m, ok := all["leaves"]; ok {
		t.Errorf("after its departure there is %+v", m)
	}
	if _, err := secrets.Get(t.Context(), SecretName("leaves"), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("its Secret: %v", err)
	}
}
