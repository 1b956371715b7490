package steps

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func crds() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

func TestResources(t *testing.T) {
	t.Parallel()
	facts := onServer(t)
	applied(t, resources{}, facts)
	if seen := observed(t, resources{}, facts); seen.State != bootstrap.Ready || seen.Detail != "up to date" {
		t.Fatalf("after Apply: %+v", seen)
	}
	if _, r := applied(t, resources{}, facts); r.last() != "0 kinds" {
		t.Errorf("a second Apply changed %s", r.last())
	}
	// A definition that was changed by hand is noticed and put right: the program owns the kinds.
	changed := []byte(`{"spec":{"names":{"shortNames":["changed"]}}}`)
	definitions := dynamic.NewForConfigOrDie(testkit.Kube(t)).Resource(crds())
	const name = "safetypolicies.governance.aip.io"
	if _, err := definitions.Patch(t.Context(), name, types.MergePatchType, changed, metav1.PatchOptions{FieldManager: "someone"}); err != nil {
		t.Fatal(err)
	}
	if seen := observed(t, resources{}, facts); seen.State != bootstrap.Differs || !strings.Contains(seen.Detail, name) {
		t.Errorf("after a change by hand: %+v", seen)
	}
	if _, r := applied(t, resources{}, facts); r.last() != "1 kinds" {
		t.Errorf("Apply changed %s", r.last())
	}
	if seen := observed(t, resources{}, facts); seen.State != bootstrap.Ready {
		t.Errorf("after it was put right: %+v", seen)
	}
}

// Once they are there the sample policies belong to the user: a changed one stays changed, a removed one comes back.
func TestPolicies(t *testing.T) {
	t.Parallel()
	facts := onServer(t)
	later := func() time.Time { return time.Now().Add(time.Hour) } // the kinds are settled
	step := policies{wanted: true, now: later}
	samples := dynamic.NewForConfigOrDie(testkit.Kube(t)).
		Resource(v1alpha1.GroupVersion().WithResource("safetypolicies")).Namespace(policyNamespace)
	const name = "guard-destructive"

	if seen := observed(t, policies{}, facts); seen.State != bootstrap.Ready || seen.Detail != "none wanted" {
		t.Errorf("none wanted: %+v", seen)
	}
	if seen := observed(t, step, facts); seen.State != bootstrap.Differs || !strings.Contains(seen.Detail, "is missing") {
		t.Errorf("before: %+v", seen)
	}
	if _, r := applied(t, step, facts); r.last() != "1 sample policies" || len(r.warnings) != 0 {
		t.Errorf("Apply said %q, %q", r.notes, r.warnings)
	}
	if seen := observed(t, step, facts); seen.State != bootstrap.Ready {
		t.Errorf("after Apply: %+v", seen)
	}

	byHand := []byte(`[{"op":"replace","path":"/spec/rules/0/message","value":"mine"}]`)
	if _, err := samples.Patch(t.Context(), name, types.JSONPatchType, byHand, metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
	if seen := observed(t, step, facts); seen.State != bootstrap.Ready {
		t.Errorf("after a change by hand: %+v", seen)
	}
	if _, r := applied(t, step, facts); len(r.warnings) != 1 || !strings.Contains(r.warnings[0], name+" was changed by hand and is left as it is") {
		t.Errorf("Apply warned %q", r.warnings)
	}
	kept, err := samples.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rules, _, err := unstructured.NestedSlice(kept.Object, "spec", "rules")
	if err != nil {
		t.Fatal(err)
	}
	if rule, ok := rules[0].(map[string]any); !ok || rule["message"] != "mine" {
		t.Errorf("the user's change is gone: %v", rules)
	}

	if err := samples.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if seen := observed(t, step, facts); seen.State != bootstrap.Differs {
		t.Errorf("after it was removed: %+v", seen)
	}
}

func TestSettled(t *testing.T) {
	t.Parallel()
	config := testkit.Kube(t)
	if err := settled(t.Context(), config, func() time.Time { return time.Now().Add(time.Hour) }); err != nil {
		t.Errorf("an hour after they were made: %v", err)
	}
	// By a clock that stands far in the past the kinds are quite new; the wait ends with its context.
	early := func() time.Time { return time.Now().Add(-time.Hour) }
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := settled(ctx, config, early); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an hour before they were made: %v", err)
	}
}

func TestEstablishedAt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	conditions := func(list ...any) map[string]any {
		return map[string]any{"status": map[string]any{"conditions": list}}
	}
	for name, c := range map[string]struct {
		object map[string]any
		want   time.Time
	}{
		"established": {conditions(
			map[string]any{"type": "NamesAccepted", "lastTransitionTime": "2020-01-01T00:00:00Z"},
			map[string]any{"type": "Established", "lastTransitionTime": "2026-03-01T14:00:00Z"}), at},
		"not yet":      {conditions(map[string]any{"type": "NamesAccepted", "lastTransitionTime": "2020-01-01T00:00:00Z"}), time.Time{}},
		"no status":    {map[string]any{}, time.Time{}},
		"not a time":   {conditions(map[string]any{"type": "Established", "lastTransitionTime": "soon"}), time.Time{}},
		"other shapes": {conditions("text", map[string]any{"type": "Established", "lastTransitionTime": int64(7)}), time.Time{}},
		"no list":      {map[string]any{"status": map[string]any{"conditions": "x"}}, time.Time{}},
	} {
		if got := establishedAt(&unstructured.Unstructured{Object: c.object}); !got.Equal(c.want) {
			t.Errorf("%s: got %s, expected %s", name, got, c.want)
		}
	}
}
