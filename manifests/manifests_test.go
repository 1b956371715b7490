package manifests_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/manifests"
)

// Every file of the folder is inside the program, those with a leading underscore included.
func TestChartIsComplete(t *testing.T) {
	t.Parallel()
	for folder, embedded := range map[string]fs.FS{"charts/aip-k8s": manifests.Chart(), "policies": manifests.Policies()} {
		onDisk, inside := paths(t, os.DirFS(folder)), paths(t, embedded)
		if strings.Join(onDisk, " ") != strings.Join(inside, " ") {
			t.Errorf("%s: embedded are\n%v\nbut on disk are\n%v", folder, inside, onDisk)
		}
	}
}

func TestChartVersion(t *testing.T) {
	t.Parallel()
	var chart map[string]any
	decode(t, manifests.Chart(), "Chart.yaml", &chart)
	if got := manifests.ChartVersion(); got != chart["appVersion"] || got == "" {
		t.Errorf("ChartVersion is %q, want %v", got, chart["appVersion"])
	}
}

func TestCRDs(t *testing.T) {
	t.Parallel()
	var names, plurals []string
	for _, path := range paths(t, manifests.CRDs()) {
		var crd apiextensionsv1.CustomResourceDefinition
		decode(t, manifests.CRDs(), path, &crd)
		names, plurals = append(names, crd.Name), append(plurals, crd.Spec.Names.Plural)
	}
	if got := manifests.Kinds(); !slices.Equal(got, plurals) {
		t.Errorf("Kinds are %v, want %v", got, plurals)
	}
	if got := strings.Join(names, " "); got != "agentgraduationpolicies.governance.aip.io agentregistrations.governance.aip.io agentrequests.governance.aip.io agenttrustprofiles.governance.aip.io auditrecords.governance.aip.io "+
		"diagnosticaccuracysummaries.governance.aip.io governedresources.governance.aip.io safetypolicies.governance.aip.io" {
		t.Errorf("CRDs are %s", got)
	}
}

// The guide names test/fixtures/keycloak-dev.yaml; it is the file that the program holds.
func TestKeycloakFixture(t *testing.T) {
	t.Parallel()
	fixture, err := os.ReadFile(filepath.Join("..", "test", "fixtures", "keycloak-dev.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fixture, manifests.Keycloak()) {
		t.Error("test/fixtures/keycloak-dev.yaml differs; make generate copies manifests/keycloak-dev.yaml there")
	}
}

// What the guide says about the development Keycloak.
func TestKeycloak(t *testing.T) {
	t.Parallel()
	docs := bytes.Split(manifests.Keycloak(), []byte("\n---\n"))
	if len(docs) != 3 {
		t.Fatalf("%d objects, want Namespace, Deployment and Service", len(docs))
	}
	var ns corev1.Namespace
	var deploy appsv1.Deployment
	var svc corev1.Service
	for i, into := range []any{&ns, &deploy, &svc} {
		if err := yaml.UnmarshalStrict(docs[i], into); err != nil {
			t.Fatal(err)
		}
	}
	if ns.Name != "keycloak" || deploy.Name != "keycloak" || deploy.Namespace != "keycloak" || svc.Name != "keycloak" || svc.Namespace != "keycloak" {
		t.Errorf("names are %s, %s/%s, %s/%s", ns.Name, deploy.Namespace, deploy.Name, svc.Namespace, svc.Name)
	}
	if p := svc.Spec.Ports[0].Port; p != 8080 {
		t.Errorf("service port is %d, want 8080", p)
	}
	c := deploy.Spec.Template.Spec.Containers[0]
	if manifests.KeycloakImage() != c.Image {
		t.Errorf("KeycloakImage is %q, want %q", manifests.KeycloakImage(), c.Image)
	}
	if c.Image != "quay.io/keycloak/keycloak:26.7.3" || c.ImagePullPolicy != corev1.PullIfNotPresent || strings.Join(c.Args, " ") != "start-dev" {
		t.Errorf("container is %s, %s, %v", c.Image, c.ImagePullPolicy, c.Args)
	}
	if get := c.ReadinessProbe.HTTPGet; get.Path != "/realms/master" || c.StartupProbe.HTTPGet.Path != "/realms/master" {
		t.Errorf("readiness asks for %s", get.Path)
	}
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	for name, want := range map[string]string{
		"KEYCLOAK_ADMIN": "admin", "KEYCLOAK_ADMIN_PASSWORD": "admin", "KC_HTTP_PORT": "8080",
		"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin", "KC_HOSTNAME": "",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
}

func TestGuardDestructive(t *testing.T) {
	t.Parallel()
	var policy v1alpha1.SafetyPolicy
	decode(t, manifests.Policies(), "guard-destructive.yaml", &policy)
	if policy.Name != "guard-destructive" || policy.Namespace != "default" || len(policy.Spec.Rules) != 1 {
		t.Fatalf("policy is %s/%s with %d rules", policy.Namespace, policy.Name, len(policy.Spec.Rules))
	}
	rule := policy.Spec.Rules[0]
	if rule.Name != "needs-human" || rule.Action != v1alpha1.ActionRequireApproval || rule.Type != v1alpha1.RuleStateEvaluation || rule.Message == "" {
		t.Errorf("rule is %+v", rule)
	}
	env, err := cel.NewEnv(cel.Variable("request", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := env.Compile(rule.Expression)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := env.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]bool{
		"delete": true, "DELETE": true, "k8s/delete": true, "k8s/resources_delete": true, "delete-namespace": true,
		"deleteNamespace": true, "resourcesDelete": true, "drain": true, "k8s:drain": true, "destroy": true,
		"terraform/destroy": true, "terminate": true, "purge": true, "drop": true, "drop_table": true, "wipe": true,
		"erase": true, "truncate": true, "evict": true, "remove": true, "uninstall": true, "rm": true, "fs/rm": true,
		"del": true, "kill": true, "kill-pod": true,

		"scale-down": false, "k8s/resources_scale": false, "kiro/deploy": false, "restart": false, "read": false,
		"model": false, "skill": false, "form": false, "rollout": false,
	} {
		out, _, err := program.Eval(map[string]any{"request": map[string]any{"spec": map[string]any{"action": action}}})
		if err != nil || out.Value() != want {
			t.Errorf("%s: needs a person: %v, %v, want %v", action, out, err, want)
		}
	}
}

func paths(t *testing.T, files fs.FS) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("files are %v, %v", out, err)
	}
	return out
}

func decode(t *testing.T, files fs.FS, path string, into any) {
	t.Helper()
	b, err := fs.ReadFile(files, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(b, into); err != nil {
		t.Fatal(err)
	}
}
