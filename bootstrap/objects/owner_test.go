package objects_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/internal/testkit"
	"github.com/aip-dev/aip-dev/manifests"
)

func team() objects.Owner { return objects.Owner{Environment: "team"} }

func secrets(namespace string) objects.Kind {
	return objects.Kind{Resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, Namespace: namespace}
}

const sharedManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: v1
kind: Secret
metadata: {name: ours, namespace: NAMESPACE, labels: {app: till}}
data: {key: YQ==}
`

// TestOwnerMarksWhatItMakes: what is made carries the marks, a second run writes nothing, and Remove takes the marked
// objects alone.
func TestOwnerMarksWhatItMakes(t *testing.T) {
	t.Parallel()
	ctx, cfg := withTimeout(t), testkit.Kube(t)
	core := kubernetes.NewForConfigOrDie(cfg).CoreV1()
	manifest := []byte(strings.ReplaceAll(sharedManifest, "NAMESPACE", "marked"))
	writes := countWrites(cfg)
	for _, want := range [][]string{{"Namespace marked", "Secret marked/ours"}, nil} {
		result, err := team().ApplyManifests(ctx, cfg, manifest, "marked")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, result.Changed); d != "" {
			t.Errorf("changed (-want +got):\n%s", d)
		}
	}
	if n := writes.Load(); n != 2 {
		t.Errorf("2 objects took %d writes over both runs", n)
	}
	made, err := core.Secrets("marked").Get(ctx, "ours", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !team().Owns(made.Labels) || made.Labels["app"] != "till" || (objects.Owner{Environment: "other"}).Owns(made.Labels) {
		t.Errorf("labels %v", made.Labels)
	}

	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{objects.LabelManagedBy: "aip-dev", objects.LabelEnvironment: "other"}}}
	if _, err := core.Secrets("marked").Create(ctx, theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if gone, why, err := team().RemoveNamespace(ctx, cfg, "marked"); gone || err != nil || cmp.Diff([]string{"secrets marked/theirs"}, why) != "" {
		t.Errorf("namespace with another's secret: gone %t, %q, %v", gone, why, err)
	}
	removed, err := team().Remove(ctx, cfg, secrets("marked"), objects.Kind{Resource: schema.GroupVersionResource{Group: "no.such", Version: "v1", Resource: "things"}})
	if err != nil || cmp.Diff([]string{"secrets marked/ours"}, removed) != "" {
		t.Errorf("removed %q, %v", removed, err)
	}
	left, err := core.Secrets("marked").List(ctx, metav1.ListOptions{})
	if err != nil || len(left.Items) != 1 || left.Items[0].Name != "theirs" {
		t.Errorf("left: %v, %v", left.Items, err)
	}
}

// TestOwnerLeavesOthersAlone: an object in the way is an error that names its owner and is not written to; a namespace
// of others is used as it is.
func TestOwnerLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	ctx, cfg := withTimeout(t), testkit.Kube(t)
	manifest := []byte(strings.ReplaceAll(sharedManifest, "NAMESPACE", "theirs"))
	if _, err := (objects.Owner{}).ApplyManifests(ctx, cfg, []byte(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}}`), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := (objects.Owner{Environment: "first"}).ApplyManifests(ctx, cfg, manifest, "theirs"); err != nil {
		t.Fatal(err)
	}
	core := kubernetes.NewForConfigOrDie(cfg).CoreV1()
	space, err := core.Namespaces().Get(ctx, "theirs", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if space.Labels[objects.LabelManagedBy] != "" {
		t.Errorf("the namespace of others was marked: %v", space.Labels)
	}
	if gone, why, err := (objects.Owner{Environment: "first"}).RemoveNamespace(ctx, cfg, "theirs"); gone || len(why) != 0 || err != nil {
		t.Errorf("namespace of others: gone %t, %q, %v", gone, why, err)
	}

	writes := countWrites(cfg)
	diff, err := team().CompareManifests(ctx, cfg, manifest, "theirs")
	if err != nil || len(diff) != 1 || !errors.Is(diff[0].Foreign, objects.ErrForeign) {
		t.Fatalf("compared: %v, %v", diff, err)
	}
	if got, want := diff[0].String(), "Secret theirs/ours belongs to environment first of aip-dev"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	var foreign *objects.ForeignError
	if _, err := team().ApplyManifests(ctx, cfg, manifest, "theirs"); !errors.As(err, &foreign) || foreign.Object != "Secret theirs/ours" {
		t.Errorf("applied over another's object: %v", err)
	}
	if n := writes.Load(); n != 0 {
		t.Errorf("%d writes to what belongs to others", n)
	}
}

// TestOwnerUsesDefinitionsOfOthers: the definitions that the test server has carry no marks. They hold what is wanted,
// so they are used; one that lacks something is in the way.
func TestOwnerUsesDefinitionsOfOthers(t *testing.T) {
	t.Parallel()
	ctx, cfg := withTimeout(t), testkit.Kube(t)
	writes := countWrites(cfg)
	if diff, err := team().CompareCRDs(ctx, cfg, manifests.CRDs()); err != nil || len(diff) != 0 {
		t.Errorf("definitions of others: %v, %v", diff, err)
	}
	if changed, err := team().ApplyCRDs(ctx, cfg, manifests.CRDs()); err != nil || changed != 0 {
		t.Errorf("applied %d definitions, %v", changed, err)
	}
	if n := writes.Load(); n != 0 {
		t.Errorf("%d writes to definitions of others", n)
	}
	theirs := strings.NewReplacer("widgets", "gears", "widget", "gear", "Widget", "Gear").Replace(widgetCRD)
	if _, err := objects.ApplyCRDs(ctx, cfg, files(theirs)); err != nil {
		t.Fatal(err)
	}
	wanted := strings.Replace(theirs, "type: object,", "type: object, description: more,", 1)
	if wanted == theirs {
		t.Fatal("the definition was not changed")
	}
	if _, err := team().ApplyCRDs(ctx, cfg, files(wanted)); !errors.Is(err, objects.ErrForeign) {
		t.Errorf("a definition that differs: %v", err)
	}
}

func files(yaml string) fstest.MapFS { return fstest.MapFS{"gears.yaml": {Data: []byte(yaml)}} }
