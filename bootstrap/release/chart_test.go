package release

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/strvals"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/manifests"
)

// render does what `helm template NAME charts/aip-k8s -n aip-k8s-system --set ...` does.
func render(t *testing.T, name string, sets ...string) (string, error) {
	t.Helper()
	vals := map[string]any{}
	for _, s := range sets {
		if err := strvals.ParseInto(s, vals); err != nil {
			return "", err
		}
	}
	chrt, err := load(manifests.Chart())
	if err != nil {
		t.Fatal(err)
	}
	in := action.NewInstall(new(action.Configuration))
	in.ClientOnly, in.DryRun = true, true
	in.ReleaseName, in.Namespace = name, "aip-k8s-system"
	in.KubeVersion = &chartutil.KubeVersion{Version: "v1.37.2", Major: "1", Minor: "37"}
	rel, err := in.RunWithContext(t.Context(), chrt, vals)
	if err != nil {
		return "", err
	}
	return rel.Manifest, nil
}

// rendered decodes the object of that kind out of a rendered chart.
func rendered[T any](t *testing.T, manifest, kind string) T {
	t.Helper()
	var out T
	for _, doc := range releaseutil.SplitManifests(manifest) {
		if strings.Contains(doc, "\nkind: "+kind+"\n") {
			if err := yaml.UnmarshalStrict([]byte(doc), &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	t.Fatalf("no %s in\n%s", kind, manifest)
	return out
}

func gatewayArgs(t *testing.T, manifest string) []string {
	t.Helper()
	return rendered[appsv1.Deployment](t, manifest, "Deployment").Spec.Template.Spec.Containers[0].Args
}

func TestChartGolden(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"default": nil,
		"full": {
			"gateway.replicaCount=2", "gateway.image.repository=registry.test/gateway", "gateway.image.tag=v9",
			"gateway.image.pullPolicy=Never", "gateway.service.type=NodePort", "gateway.service.port=80",
			"gateway.auth.oidcIssuerURL=http://keycloak.keycloak.svc.cluster.local:8080/realms/aip",
			"gateway.auth.oidcAudience=other", "gateway.auth.oidcIdentityClaim=sub", "gateway.auth.oidcGroupsClaim=roles",
			`gateway.auth.agentSubjects=aip-agent-1\,aip-agent-2`, "gateway.auth.reviewerSubjects={aip-reviewer-1,aip-reviewer-2}",
			"gateway.auth.adminSubjects=aip-admin-1", "gateway.auth.agentGroups=agents", "gateway.auth.reviewerGroups=reviewers",
			"gateway.auth.adminGroups=admins", "gateway.dedupWindow=1h30m", "gateway.waitTimeout=10s",
			"gateway.defaultAction=Deny", "gateway.resources.limits.cpu=2", "gateway.resources.requests=null",
		},
	}
	for name, sets := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := render(t, "aip-k8s", sets...)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden.yaml")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("rendered chart differs; UPDATE_GOLDEN=1 accepts it (-want +got):\n%s", d)
			}
		})
	}
}

func TestChartArgs(t *testing.T) {
	t.Parallel()
	base := []string{"gateway", "--addr=:8080", "--dedup-window=24h", "--wait-timeout=90s", "--default-action=Allow"}
	issuer := slices.Concat(base, []string{
		"--oidc-issuer-url=http://i", "--oidc-audience=aip-gateway", "--oidc-identity-claim=azp", "--oidc-groups-claim=groups",
	})
	tests := map[string]struct{ sets, want []string }{
		"default":         {nil, base},
		"issuer":          {[]string{"gateway.auth.oidcIssuerURL=http://i"}, issuer},
		"commas":          {[]string{`gateway.auth.agentSubjects=a\,b`}, slices.Concat(base, []string{"--agent-subjects=a,b"})},
		"list":            {[]string{"gateway.auth.agentSubjects={a,b}"}, slices.Concat(base, []string{"--agent-subjects=a,b"})},
		"empty list":      {[]string{"gateway.auth.agentSubjects={}"}, base},
		"dedup off":       {[]string{"gateway.dedupWindow=0"}, slices.Replace(slices.Clone(base), 2, 3, "--dedup-window=0")},
		"left to gateway": {[]string{"gateway.dedupWindow=", "gateway.waitTimeout=null"}, slices.Delete(slices.Clone(base), 2, 4)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := render(t, "aip-k8s", tt.sets...)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, gatewayArgs(t, manifest)); d != "" {
				t.Errorf("args (-want +got):\n%s", d)
			}
		})
	}
}

func TestChartRefusesValues(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ set, want string }{
		"unknown key":        {"gateway.logLevel=debug", "additional properties 'logLevel' not allowed"},
		"unknown group":      {"controller.replicaCount=1", "additional properties 'controller' not allowed"},
		"not rendered":       {"gateway.auth.requireGovernedResource=true", "additional properties 'requireGovernedResource' not allowed"},
		"misspelt":           {"gateway.auth.oidcIssuerUrl=http://i", "additional properties 'oidcIssuerUrl' not allowed"},
		"type":               {"gateway.replicaCount=two", "'/gateway/replicaCount': got string, want integer"},
		"no replica":         {"gateway.replicaCount=0", "'/gateway/replicaCount': minimum"},
		"enum":               {"gateway.service.type=Tunnel", "'/gateway/service/type': value must be one of"},
		"default action":     {"gateway.defaultAction=Log", "'/gateway/defaultAction': value must be one of"},
		"number as subject":  {"gateway.auth.agentSubjects=12", "'/gateway/auth/agentSubjects': got number, want string"},
		"comma in a list":    {`gateway.auth.agentSubjects={a\,b}`, "'/gateway/auth/agentSubjects/0': 'a,b' does not match"},
		"issuer without URL": {"gateway.auth.oidcIssuerURL=keycloak", "'/gateway/auth/oidcIssuerURL': 'keycloak' does not match"},
		"no audience":        {"gateway.auth.oidcAudience=", "'/gateway/auth/oidcAudience': minLength"},
		"no unit":            {"gateway.dedupWindow=24", "'/gateway/dedupWindow'"},
		"days":               {"gateway.dedupWindow=14d", "'/gateway/dedupWindow': '14d' does not match"},
		// Helm itself refuses what the guide types when it adds an agent: a comma has to be escaped.
		"unescaped comma": {"gateway.auth.agentSubjects=aip-agent-1,aip-agent-2", `key "aip-agent-2" has no value`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := render(t, "aip-k8s", tt.set); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestChartNames(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		release string
		sets    []string
		want    string
	}{
		"release of the guide":  {"aip-k8s", nil, "aip-k8s-gateway"},
		"another release":       {"demo", nil, "demo-aip-k8s-gateway"},
		"name override":         {"demo", []string{"nameOverride=aip"}, "demo-aip-gateway"},
		"full name override":    {"demo", []string{"fullnameOverride=mine"}, "mine-gateway"},
		"as long as Helm takes": {strings.Repeat("x", 53), nil, strings.Repeat("x", 53) + "-a-gateway"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := render(t, tt.release, tt.sets...)
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range releaseutil.SplitManifests(manifest) {
				var obj struct {
					Kind     string
					Metadata struct{ Name string }
				}
				if err := yaml.Unmarshal([]byte(doc), &obj); err != nil {
					t.Fatal(err)
				}
				if obj.Metadata.Name != tt.want || len(obj.Metadata.Name) > 63 {
					t.Errorf("%s is named %q, want %q", obj.Kind, obj.Metadata.Name, tt.want)
				}
			}
		})
	}
}

// The gateway reads no Secret and holds no wildcard.
func TestChartRights(t *testing.T) {
	t.Parallel()
	manifest, err := render(t, "aip-k8s")
	if err != nil {
		t.Fatal(err)
	}
	rules := slices.Concat(rendered[rbacv1.ClusterRole](t, manifest, "ClusterRole").Rules, rendered[rbacv1.Role](t, manifest, "Role").Rules)
	if len(rules) == 0 {
		t.Fatal("no rules")
	}
	for _, rule := range rules {
		all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs)
		for _, bad := range []string{"*", "secrets", "delete", "deletecollection", "impersonate", "escalate", "bind"} {
			if slices.Contains(all, bad) {
				t.Errorf("rule %v holds %q", rule, bad)
			}
		}
	}
}

func TestChartLint(t *testing.T) {
	t.Parallel()
	res := action.NewLint().Run([]string{filepath.Join("..", "..", "manifests", "charts", "aip-k8s")}, nil)
	for _, m := range res.Messages {
		if m.Severity > support.InfoSev {
			t.Error(m)
		}
	}
	if res.TotalChartsLinted != 1 {
		t.Errorf("linted %d charts, want 1", res.TotalChartsLinted)
	}
}
