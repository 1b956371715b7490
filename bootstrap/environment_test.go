package bootstrap

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*Environment)
		// want are parts of the error, one per fault; none when e is valid.
		want []string
	}{
		"default":        {func(*Environment) {}, nil},
		"zero":           {func(e *Environment) { *e = Environment{} }, []string{`version: found "", expected "aip-dev/v1"`, `name: found ""`, `cluster: found ""`, `realm: found ""`, "audience: empty"}},
		"newer version":  {func(e *Environment) { e.Version = "aip-dev/v2" }, []string{`version: found "aip-dev/v2", expected "aip-dev/v1"`}},
		"name of a path": {func(e *Environment) { e.Name = "../etc" }, []string{`name: found "../etc", expected a DNS label`}},
		"kind":           {func(e *Environment) { e.Cluster = ClusterKind }, nil},
		"unknown place":  {func(e *Environment) { e.Cluster = "cloud" }, []string{`cluster: found "cloud", expected one of auto, embedded, kind, existing`}},
		"ports":          {func(e *Environment) { e.Ports = Ports{Gateway: 1, Issuer: 65535} }, nil},
		"port too high":  {func(e *Environment) { e.Ports.Gateway = 65536 }, []string{"ports.gateway: found 65536, expected 1 to 65535"}},
		"negative port":  {func(e *Environment) { e.Ports.Issuer = -1 }, []string{"ports.issuer: found -1"}},
		"one port twice": {func(e *Environment) { e.Ports = Ports{Gateway: 8080, Issuer: 8080} }, []string{"gateway and issuer are both 8080"}},
		"master realm":   {func(e *Environment) { e.Realm = "master" }, []string{`realm: found "master"`}},
		"no clients":     {func(e *Environment) { e.Clients = nil }, nil},
		"kept secret":    {func(e *Environment) { e.Clients[0].Secret = "" }, nil},
		"client twice":   {func(e *Environment) { e.Clients[1].ID = e.Clients[0].ID }, []string{`clients[1].id: "aip-agent-1" is there twice`}},
		"client id":      {func(e *Environment) { e.Clients[2].ID = "Agent,1" }, []string{`clients[2].id: found "Agent,1", expected lower-case letters`}},
		"role":           {func(e *Environment) { e.Clients[0].Role = "root" }, []string{`clients[0].role: found "root", expected agent, reviewer or admin`}},
		"no role":        {func(e *Environment) { e.Clients[0].Role = "" }, []string{`clients[0].role: found ""`}},
		"all at once": {func(e *Environment) {
			e.Name, e.Audience, e.Ports.Gateway, e.Clients[0].Role, e.Clients[1].ID = "A", "", 70000, "x", ""
		}, []string{"name:", "audience:", "ports.gateway:", "clients[0].role:", "clients[1].id:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Default()
			c.edit(&e)
			err := e.Validate()
			if (err == nil) != (len(c.want) == 0) {
				t.Fatalf("got %v, expected faults %q", err, c.want)
			}
			if err == nil {
				return
			}
			if got := strings.Split(err.Error(), "\n"); len(got) != len(c.want) {
				t.Errorf("%d faults, expected %d:\n%v", len(got), len(c.want), err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not said:\n%v", want, err)
				}
			}
		})
	}
}

func TestValidateName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"aip": true, "a": true, "a1": true, "my-env-2": true, strings.Repeat("a", 32): true,
		"": false, strings.Repeat("a", 33): false, "-a": false, "a-": false, "A": false, "a.b": false, "a/b": false, "..": false,
		"a b": false, "a\n": false, "ä": false,
	} {
		if err := ValidateName(name); (err == nil) != ok {
			t.Errorf("%q: %v, expected ok %t", name, err, ok)
		}
	}
}

func TestDefaultIsTheGuide(t *testing.T) {
	t.Parallel()
	e := Default()
	for role, want := range map[string][]string{
		RoleAgent: {"aip-agent-1"}, RoleReviewer: {"aip-reviewer-1"}, RoleAdmin: {"aip-admin-1"}, "root": nil,
	} {
		if got := e.Subjects(role); !slices.Equal(got, want) {
			t.Errorf("%s: %v, expected %v", role, got, want)
		}
	}
	if e.Realm != "aip" || e.Audience != "aip-gateway" || !e.SamplePolicies {
		t.Errorf("%+v", e)
	}
}

func TestEnvironmentAsYAML(t *testing.T) {
	t.Parallel()
	want := Default()
	want.Ports.Gateway = 9000
	data, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Environment
	if err := yaml.UnmarshalStrict(data, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Clients, want.Clients) || got.Ports != want.Ports || got.Name != want.Name {
		t.Errorf("got %+v, expected %+v", got, want)
	}
}

// Facts go into files and onto screens; nothing of them may hold a secret.
func TestFactsHaveNoPlaceForASecret(t *testing.T) {
	t.Parallel()
	facts := Facts{Identity: IdentityFacts{Clients: []ClientFacts{{ID: "a", Role: RoleAgent, Secret: "oidc-client-a"}}}}
	data, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Default().Clients {
		if strings.Contains(string(data), c.Secret) {
			t.Errorf("%s holds the secret of %s", data, c.ID)
		}
	}
	for _, word := range []string{"password", "token", ClientSecretKey} {
		if strings.Contains(strings.ToLower(string(data)), word) {
			t.Errorf("facts have a field for a %s: %s", word, data)
		}
	}
}

func TestPlanNames(t *testing.T) {
	t.Parallel()
	if got := strings.Join(sample(newWorld()).Names(), " "); got != "cluster identity gateway proof" {
		t.Errorf("names: %s", got)
	}
	if got := (Plan{}).Names(); got != nil {
		t.Errorf("names of nothing: %v", got)
	}
}

func TestClientFault(t *testing.T) {
	t.Parallel()
	for id, good := range map[string]bool{
		"aip-agent-2": true, "a": true, "team.a-b.1": true, strings.Repeat("x", 63): true,
		"": false, "A": false, "a,b": false, "-a": false, "a-": false, "a..b": false, "a.-b": false, "a b": false, "ä": false,
		strings.Repeat("x", 64): false, "account": false, "admin-cli": false,
	} {
		if err := (Client{ID: id, Role: RoleAgent}).Fault(); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
	err := Client{ID: "B", Role: "root"}.Fault()
	if err == nil || !strings.Contains(err.Error(), `id: found "B"`) || !strings.Contains(err.Error(), `role: found "root"`) {
		t.Errorf("not all faults were told: %v", err)
	}
}

func TestClientsOfAnEnvironment(t *testing.T) {
	t.Parallel()
	last := Default()
	last.Clients = append(last.Clients, Client{ID: "added", Role: RoleAgent, Added: true}, Client{ID: "listed", Role: RoleAgent, Added: true})
	file := Environment{Clients: []Client{{ID: "listed", Role: RoleReviewer}}}
	ids := func(e Environment) string {
		var ids []string
		for _, c := range e.Clients {
			ids = append(ids, c.ID+"="+c.Role)
		}
		return strings.Join(ids, " ")
	}
	// What an older description listed is gone with it; what was added stays; what the file lists is as the file says.
	if got := ids(file.KeepAdded(last)); got != "listed=reviewer added=agent" {
		t.Errorf("kept %s", got)
	}
	if got := ids(file); got != "listed=reviewer" {
		t.Errorf("the description was changed to %s", got)
	}
	if got := ids(last.Without("aip-agent-1")); got != "aip-reviewer-1=reviewer aip-admin-1=admin added=agent listed=agent" || len(last.Clients) != 5 {
		t.Errorf("without one: %s; before: %s", got, ids(last))
	}
	if c, there := last.Find("added"); !there || !c.Added {
		t.Errorf("found %+v, %v", c, there)
	}
	if c, there := last.Find("nobody"); there || c.ID != "" {
		t.Errorf("found %+v", c)
	}
}
