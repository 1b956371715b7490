package bootstrap

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func shared(edit func(*Environment)) Environment {
	e := Default()
	e.Cluster, e.Existing.Context = ClusterExisting, "team"
	edit(&e)
	return e
}

func TestValidateExisting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*Environment)
		want []string
	}{
		"own Keycloak":   {func(*Environment) {}, nil},
		"replicas":       {func(e *Environment) { e.Existing.Replicas = 3 }, nil},
		"provider":       {func(e *Environment) { e.Identity = Provider{IssuerURL: "https://id.example/t/", Preset: "auth0"} }, nil},
		"provider's ids": {func(e *Environment) { e.Identity.IssuerURL = "https://id.example"; e.Clients[0].ID = "0oA_b|c@clients" }, nil},
		"ingress":        {func(e *Environment) { e.Existing.GatewayURL = "https://aip.example/x" }, nil},
		"negative":       {func(e *Environment) { e.Existing.Replicas = -1 }, []string{"existing.replicas: found -1"}},
		"gateway URL":    {func(e *Environment) { e.Existing.GatewayURL = "aip.example" }, []string{`existing.gatewayURL: found "aip.example"`}},
		"issuer URL":     {func(e *Environment) { e.Identity.IssuerURL = "https://u:p@id.example?x=1" }, []string{"identity.issuerURL: found"}},
		"preset":         {func(e *Environment) { e.Identity = Provider{IssuerURL: "https://id.example", Preset: "moon"} }, []string{`identity.preset: found "moon", expected one of keycloak, okta, auth0, azure, ping, google`}},
		"preset alone":   {func(e *Environment) { e.Identity.Preset = "okta" }, []string{"identity.issuerURL: empty"}},
		"claim":          {func(e *Environment) { e.Identity = Provider{IssuerURL: "https://id.example", Claim: "a b"} }, []string{"identity.claim"}},
		"no clients": {func(e *Environment) {
			e.Identity = Provider{IssuerURL: "https://id.example", Preset: "okta"}
			e.Clients = nil
		}, []string{"which is the claim sub"}},
		"comma in an id":   {func(e *Environment) { e.Identity.IssuerURL = "https://id.example"; e.Clients[0].ID = "a,b" }, []string{`clients[0].id: found "a,b"`}},
		"two secrets":      {func(e *Environment) { e.Clients[0].SecretFile = "x" }, []string{"clients[0].secrets: found secret and secretFile, expected one of them"}},
		"secret of others": {func(e *Environment) { e.Clients[0].Secret, e.Clients[0].SecretName = "", "x" }, []string{"clients[0].secretName: set without identity.issuerURL"}},
		"another cluster": {func(e *Environment) { e.Cluster = ClusterKind; e.Identity.IssuerURL = "https://id.example" }, []string{
			"existing: set for cluster kind", "identity: set for cluster kind"}},
		"all at once": {func(e *Environment) {
			e.Existing.Replicas, e.Existing.GatewayURL, e.Identity = -1, "x", Provider{Preset: "moon"}
		}, []string{"existing.replicas", "existing.gatewayURL", "identity.preset", "identity.issuerURL"}},
	} {
		err := shared(c.edit).Validate()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if found := strings.Count(text, "\n") + 1; (err == nil) != (len(c.want) == 0) || err != nil && found != len(c.want) {
			t.Errorf("%s: %d faults, expected %d: %v", name, found, len(c.want), err)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not said: %v", name, want, err)
			}
		}
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ claim, scope string }{
		"": {"", ""}, "keycloak": {"azp", "openid"}, "okta": {"sub", ""}, "auth0": {"sub", ""}, "azure": {"appid,azp", "gate/.default"},
		"ping": {"client_id", ""}, "google": {"email", ""},
	} {
		p := Provider{Preset: name}
		if p.IdentityClaim() != want.claim || p.AskedScope("gate") != want.scope {
			t.Errorf("%s: claim %q, scope %q, expected %+v", name, p.IdentityClaim(), p.AskedScope("gate"), want)
		}
		if name != "" && p.Known().Audience == "" {
			t.Errorf("%s does not explain its audience", name)
		}
		if p.Claim, p.Scope = "email", "s"; p.IdentityClaim() != "email" || p.AskedScope("gate") != "s" {
			t.Errorf("%s: what is asked for does not win", name)
		}
	}
	if len(PresetNames()) != len(Presets()) {
		t.Error("a preset without a name")
	}
}

func TestExistingAsYAML(t *testing.T) {
	t.Parallel()
	want := shared(func(e *Environment) {
		e.Existing = Existing{Context: "team", Kubeconfig: "/k", Replicas: 2, GatewayURL: "https://g"}
		e.Identity = Provider{IssuerURL: "https://i", Preset: "okta", Claim: "cid", Scope: "s"}
		e.Clients = []Client{{ID: "a", Role: RoleAgent, SecretName: "s"}}
	})
	data, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Environment
	if err := yaml.UnmarshalStrict(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Existing != want.Existing || got.Identity != want.Identity || got.Clients[0] != want.Clients[0] {
		t.Errorf("got %+v", got)
	}
}
