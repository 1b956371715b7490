package objects_test

import (
	"context"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/internal/testkit"
	"github.com/aip-dev/aip-dev/manifests"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// withTimeout ends a test that waits for something that will not come.
func withTimeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// countWrites makes cfg count the requests that change something.
func countWrites(cfg *rest.Config) *atomic.Int32 {
	var n atomic.Int32
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet && r.URL.Query().Get("dryRun") == "" {
				n.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	return &n
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

const shopManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
# a comment alone makes no object
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till}
spec:
  replicas: 1
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec:
      containers:
        - {name: till, image: till, resources: {requests: {cpu: "0.1"}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: prices, namespace: default}
data: {bread: "2", salt: "1"}
`

func TestApplyManifests(t *testing.T) {
	t.Parallel()
	ctx, cfg := withTimeout(t), testkit.Kube(t)
	writes := countWrites(cfg)
	all := []string{"Namespace shop", "Deployment shop/till", "ConfigMap default/prices"}

	diff, err := (objects.Owner{}).CompareManifests(ctx, cfg, []byte(shopManifest), "shop")
	if err != nil {
		t.Fatal(err)
	}
	want := []objects.Difference{{Object: all[0], Absent: true}, {Object: all[1], Absent: true}, {Object: all[2], Absent: true}}
	if d := cmp.Diff(want, diff); d != "" {
		t.Errorf("compared with nothing (-want +got):\n%s", d)
	}
	if n := writes.Load(); n != 0 {
		t.Errorf("comparing wrote %d times", n)
	}

	apply(t, cfg, "shop", shopManifest, objects.Result{Changed: all})
	apply(t, cfg, "shop", shopManifest, objects.Result{})
	if n := writes.Load(); n != 3 {
		t.Errorf("3 objects took %d writes over both runs, want 3", n)
	}

	// A value changed and another dropped: both reach the object, the others are not touched.
	next := strings.Replace(shopManifest, `bread: "2", salt: "1"`, `bread: "3"`, 1)
	apply(t, cfg, "shop", next, objects.Result{Changed: all[2:]})
	if d := cmp.Diff(map[string]string{"bread": "3"}, prices(t, cfg)); d != "" {
		t.Errorf("prices (-want +got):\n%s", d)
	}
}

func TestApplyManifestsKeepsChangesByHand(t *testing.T) {
	t.Parallel()
	ctx, cfg := withTimeout(t), testkit.Kube(t)
	const manifest = `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "menu"}, "data": {"soup": "leek"}}`
	apply(t, cfg, "default", manifest, objects.Result{Changed: []string{"ConfigMap default/menu"}})

	maps := kubernetes.NewForConfigOrDie(cfg).CoreV1().ConfigMaps("default")
	patch := []byte(`{"data": {"soup": "pea", "cake": "plum"}}`)
	if _, err := maps.Patch(ctx, "menu", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	apply(t, cfg, "default", manifest, objects.Result{Kept: []string{"ConfigMap default/menu"}})
	diff, err := (objects.Owner{}).CompareManifests(ctx, cfg, []byte(manifest), "default")
	if err != nil || len(diff) != 1 || diff[0].String() != "ConfigMap default/menu was changed by hand" {
		t.Errorf("CompareManifests() = %v, %v", diff, err)
	}
	menu, err := maps.Get(ctx, "menu", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"soup": "pea", "cake": "plum"}, menu.Data); d != "" {
		t.Errorf("menu (-want +got):\n%s", d)
	}
}

func TestApplyManifestsErrors(t *testing.T) {
	t.Parallel()
	cfg := testkit.Kube(t)
	tests := map[string]struct{ manifest, want string }{
		"not YAML":      {"a: [", "decode document 1"},
		"no name":       {`{"apiVersion": "v1", "kind": "ConfigMap"}`, `got "v1", "ConfigMap" and ""`},
		"unknown field": {`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dat": {}}`, "apply ConfigMap default/x"},
		"no namespace":  {`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "nowhere"}}`, "apply ConfigMap nowhere/x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := (objects.Owner{}).ApplyManifests(withTimeout(t), cfg, []byte(tt.manifest), "default")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ApplyManifests() = %v, %v, want an error with %q", res, err, tt.want)
			}
		})
	}
	t.Run("unknown kind", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		manifest := []byte(`{"apiVersion": "example.test/v1", "kind": "Ghost", "metadata": {"name": "x"}}`)
		if _, err := (objects.Owner{}).ApplyManifests(ctx, cfg, manifest, "default"); err == nil || !strings.Contains(err.Error(), "Ghost") {
			t.Errorf("ApplyManifests() = %v, want an error that names the kind", err)
		}
		diff, err := (objects.Owner{}).CompareManifests(t.Context(), cfg, manifest, "default")
		if err != nil || len(diff) != 1 || !diff[0].Absent {
			t.Errorf("CompareManifests() = %v, %v, want one absent object", diff, err)
		}
	})
}

// The manifests of this repository hold no field that the API server does not know: server-side apply refuses those.
func TestOwnManifests(t *testing.T) {
	t.Parallel()
	cfg := testkit.Kube(t)
	apply(t, cfg, "default", string(manifests.Keycloak()), objects.Result{
		Changed: []string{"Namespace keycloak", "Deployment keycloak/keycloak", "Service keycloak/keycloak"},
	})
	policy, err := fs.ReadFile(manifests.Policies(), "guard-destructive.yaml")
	if err != nil {
		t.Fatal(err)
	}
	apply(t, cfg, "default", string(policy), objects.Result{Changed: []string{"SafetyPolicy default/guard-destructive"}})
}

const widgetCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.objects.test}
spec:
  group: objects.test
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object}}}}
`

func TestApplyCRDs(t *testing.T) {
	t.Parallel()
	ctx, cfg := withTimeout(t), testkit.Kube(t)
	writes := countWrites(cfg)
	files := func(yaml string) fstest.MapFS { return fstest.MapFS{"widgets.yaml": {Data: []byte(yaml)}} }
	named := strings.Replace(widgetCRD, "kind: Widget,", "kind: Widget, shortNames: [wd],", 1)

	diff, err := objects.CompareCRDs(ctx, cfg, files(widgetCRD))
	if err != nil || len(diff) != 1 || diff[0].String() != "CustomResourceDefinition widgets.objects.test is missing" {
		t.Errorf("CompareCRDs() = %v, %v", diff, err)
	}
	for _, step := range []struct {
		name, yaml string
		changed    int
	}{
		{"new", widgetCRD, 1}, {"again", widgetCRD, 0}, {"with a short name", named, 1}, {"again", named, 0},
	} {
		before := writes.Load()
		changed, err := objects.ApplyCRDs(ctx, cfg, files(step.yaml))
		if err != nil || changed != step.changed {
			t.Errorf("%s: ApplyCRDs() = %d, %v, want %d", step.name, changed, err, step.changed)
		}
		if n := int(writes.Load() - before); n != step.changed {
			t.Errorf("%s: %d writes, want %d", step.name, n, step.changed)
		}
	}
	// Established means that objects are served at once.
	widget := `{"apiVersion": "objects.test/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": {}}`
	apply(t, cfg, "default", widget, objects.Result{Changed: []string{"Widget default/one"}})

	// Another definition that claims the same names is never served, and that is said instead of waited for.
	rival := strings.NewReplacer("objects.test", "rival.test").Replace(widgetCRD)
	if _, err := objects.ApplyCRDs(ctx, cfg, files(rival)); err != nil {
		t.Errorf("a definition of another group: %v", err)
	}
	clash := strings.NewReplacer("widgets", "gadgets", "singular: widget", "singular: gadget").Replace(widgetCRD)
	if _, err := objects.ApplyCRDs(ctx, cfg, files(clash)); err == nil || !strings.Contains(err.Error(), "names not accepted") {
		t.Errorf("ApplyCRDs() of a clashing definition = %v, want names not accepted", err)
	}
}

func apply(t *testing.T, cfg *rest.Config, namespace, manifest string, want objects.Result) {
	t.Helper()
	got, err := (objects.Owner{}).ApplyManifests(withTimeout(t), cfg, []byte(manifest), namespace)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ApplyManifests (-want +got):\n%s", d)
	}
}

func prices(t *testing.T, cfg *rest.Config) map[string]string {
	t.Helper()
	maps := kubernetes.NewForConfigOrDie(cfg).CoreV1().ConfigMaps("default")
	m, err := maps.Get(t.Context(), "prices", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Data
}
