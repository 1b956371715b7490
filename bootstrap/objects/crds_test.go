package objects_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// fullSpec has every field of AgentRequestSpec but humanApproval, none at its default.
const fullSpec = `{
	"agentIdentity": "aip-agent-1", "action": "delete", "reason": "cleanup", "mode": "observe",
	"target": {"uri": "k8s://prod/default/deployment/payment-api", "resourceType": "deployment", "attributes": {"tier": "gold"}},
	"classification": "ops/cleanup", "dedupKey": "key", "intentPlanRef": "plan", "priority": 3,
	"cascadeModel": {"affectedTargets": [{"uri": "a", "effectType": "deleted"}], "modelSourceTrust": "derived", "modelSourceID": "m"},
	"reasoningTrace": {"confidenceScore": 0.5, "componentConfidence": {"plan": 0.25}, "calibrationEvidence": "c", "traceReference": "t", "alternatives": ["wait"]},
	"interruptibility": true, "parameters": {"replicas": 3, "names": ["a", {"b": null}], "deep": {"er": {"est": "x"}}},
	"executionMode": "scoped", "scopeBounds": {"permittedActions": ["delete"], "permittedTargetPatterns": ["**"], "timeBoundSeconds": 60},
	"governedResourceRef": {"name": "payment", "generation": 4}
}`

// bareSpec has what is required and nothing else.
const bareSpec = `{"agentIdentity": "aip-agent-1", "action": "delete", "reason": "cleanup", "target": {"uri": "k8s://prod"}}`

// others has for each field another valid value than fullSpec.
const others = `{
	"agentIdentity": "aip-agent-2", "action": "scale-down", "reason": "other", "mode": "govern",
	"target": {"uri": "k8s://prod/default/deployment/other", "resourceType": "deployment", "attributes": {"tier": "gold"}},
	"classification": "ops/other", "dedupKey": "other", "intentPlanRef": "other", "priority": 4,
	"cascadeModel": {"affectedTargets": [{"uri": "a", "effectType": "modified"}], "modelSourceTrust": "derived", "modelSourceID": "m"},
	"reasoningTrace": {"confidenceScore": 0.75}, "interruptibility": false, "parameters": {"replicas": 0},
	"executionMode": "single", "scopeBounds": {"permittedActions": ["delete", "drain"], "permittedTargetPatterns": ["**"], "timeBoundSeconds": 60},
	"governedResourceRef": {"name": "payment", "generation": 5}
}`

const approval = `{"decision": "approved", "forGeneration": 0, "reason": "fine", "approvedBy": "aip-reviewer-1"}`

// requests are AgentRequests on a real API server.
type requests struct {
	dynamic.ResourceInterface
}

func newRequests(t *testing.T) requests {
	t.Helper()
	c := dynamic.NewForConfigOrDie(testkit.Kube(t))
	return requests{c.Resource(v1alpha1.GroupVersion().WithResource("agentrequests")).Namespace("default")}
}

func (r requests) create(ctx context.Context, spec map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("AgentRequest"))
	u.SetGenerateName("immutable-")
	return r.Create(ctx, u, metav1.CreateOptions{})
}

func (r requests) mustCreate(t *testing.T, spec string) *unstructured.Unstructured {
	t.Helper()
	u, err := r.create(t.Context(), object(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// update returns what the server says to a copy of u whose spec was edited.
func (r requests) update(ctx context.Context, u *unstructured.Unstructured, edit func(spec map[string]any)) (*unstructured.Unstructured, error) {
	u = u.DeepCopy()
	edit(u.Object["spec"].(map[string]any))
	return r.Update(ctx, u, metav1.UpdateOptions{})
}

// mustRefuse checks that an edit is refused, alone as well as together with a first decision.
func (r requests) mustRefuse(t *testing.T, u *unstructured.Unstructured, edit func(spec map[string]any)) {
	t.Helper()
	together := func(spec map[string]any) {
		edit(spec)
		spec["humanApproval"] = object(t, approval)
	}
	for name, edit := range map[string]func(map[string]any){"alone": edit, "with a decision": together} {
		if _, err := r.update(t.Context(), u, edit); !apierrors.IsInvalid(err) {
			t.Errorf("%s: got %v, want it refused as invalid", name, err)
		}
	}
}

func TestAgentRequestSpecIsImmutable(t *testing.T) {
	t.Parallel()
	r := newRequests(t)
	full, bare := r.mustCreate(t, fullSpec), r.mustCreate(t, bareSpec)
	changed := object(t, others)

	fields := fieldsOf(reflect.TypeFor[v1alpha1.AgentRequestSpec]())
	fields = slices.DeleteFunc(fields, func(f string) bool { return f == "humanApproval" })
	slices.Sort(fields)
	for _, fixture := range []string{fullSpec, others} {
		if have := slices.Sorted(maps.Keys(object(t, fixture))); !slices.Equal(have, fields) {
			t.Fatalf("a fixture has the fields\n%v\nbut the type has\n%v", have, fields)
		}
	}
	for _, field := range fields {
		t.Run("change "+field, func(t *testing.T) {
			t.Parallel()
			r.mustRefuse(t, full, func(spec map[string]any) { spec[field] = changed[field] })
		})
		t.Run("remove "+field, func(t *testing.T) {
			t.Parallel()
			r.mustRefuse(t, full, func(spec map[string]any) { delete(spec, field) })
		})
		if _, required := object(t, bareSpec)[field]; required {
			continue
		}
		t.Run("add "+field, func(t *testing.T) {
			t.Parallel()
			r.mustRefuse(t, bare, func(spec map[string]any) { spec[field] = object(t, fullSpec)[field] })
		})
	}
}

// What the rules must leave alone: metadata, status, and the first decision.
func TestAgentRequestCanBeDecided(t *testing.T) {
	t.Parallel()
	r := newRequests(t)
	for name, spec := range map[string]string{"full": fullSpec, "bare": bareSpec} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := r.mustCreate(t, spec)
			u.SetLabels(map[string]string{"a": "b"})
			u, err := r.update(t.Context(), u, func(map[string]any) {})
			if err != nil {
				t.Fatalf("a label was refused: %v", err)
			}
			u.Object["status"] = map[string]any{"phase": "Pending"}
			if u, err = r.UpdateStatus(t.Context(), u, metav1.UpdateOptions{}); err != nil {
				t.Fatalf("a status was refused: %v", err)
			}
			if _, err := r.update(t.Context(), u, func(s map[string]any) { s["humanApproval"] = object(t, approval) }); err != nil {
				t.Errorf("the first decision was refused: %v", err)
			}
		})
	}
}

// CEL does not know the type of parameters, so every way to change them gets a test.
func TestAgentRequestParametersAreImmutable(t *testing.T) {
	t.Parallel()
	big := map[string]any{}
	for i := range 5000 {
		big[fmt.Sprintf("key-%d", i)] = []any{strings.Repeat("x", 20), float64(i) + 0.5, map[string]any{"n": nil}}
	}
	text, err := json.Marshal(big)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ before, after string }{
		"string":               {`"a"`, `"b"`},
		"number":               {`1`, `2`},
		"number to string":     {`1`, `"1"`},
		"whole to fraction":    {`1`, `1.5`},
		"bool":                 {`true`, `false`},
		"list order":           {`["a", "b"]`, `["b", "a"]`},
		"list longer":          {`["a"]`, `["a", "b"]`},
		"list to object":       {`[]`, `{}`},
		"nested value":         {`{"a": {"b": [1, {"c": 2}]}}`, `{"a": {"b": [1, {"c": 3}]}}`},
		"nested null to zero":  {`{"a": [null]}`, `{"a": [0]}`},
		"key added":            {`{"a": 1}`, `{"a": 1, "b": 2}`},
		"key removed":          {`{"a": 1, "b": 2}`, `{"a": 1}`},
		"key renamed":          {`{"a": 1}`, `{"b": 1}`},
		"object to empty":      {`{"a": 1}`, `{}`},
		"large, one key added": {string(text), strings.Replace(string(text), "{", `{"new": 1, `, 1)},
	}
	r := newRequests(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := func(parameters string) string {
				return strings.Replace(bareSpec, "{", `{"parameters": `+parameters+", ", 1)
			}
			u := r.mustCreate(t, spec(tt.before))
			r.mustRefuse(t, u, func(s map[string]any) { s["parameters"] = object(t, spec(tt.after))["parameters"] })
			if _, err := r.update(t.Context(), u, func(s map[string]any) { s["humanApproval"] = object(t, approval) }); err != nil {
				t.Errorf("the first decision was refused: %v", err)
			}
		})
	}
}

func TestHumanApprovalIsSetOnce(t *testing.T) {
	t.Parallel()
	r := newRequests(t)
	u, err := r.update(t.Context(), r.mustCreate(t, bareSpec), func(s map[string]any) { s["humanApproval"] = object(t, approval) })
	if err != nil {
		t.Fatal(err)
	}
	edits := map[string]func(spec map[string]any){
		"removed":                func(s map[string]any) { delete(s, "humanApproval") },
		"turned round":           func(s map[string]any) { s["humanApproval"].(map[string]any)["decision"] = "denied" },
		"reason changed":         func(s map[string]any) { s["humanApproval"].(map[string]any)["reason"] = "no" },
		"reason removed":         func(s map[string]any) { delete(s["humanApproval"].(map[string]any), "reason") },
		"approver changed":       func(s map[string]any) { s["humanApproval"].(map[string]any)["approvedBy"] = "me" },
		"of another evaluation":  func(s map[string]any) { s["humanApproval"].(map[string]any)["forGeneration"] = int64(1) },
		"with another target":    func(s map[string]any) { s["target"].(map[string]any)["uri"] = "k8s://other" },
		"with parameters added":  func(s map[string]any) { s["parameters"] = "x" },
		"with a field added":     func(s map[string]any) { s["dedupKey"] = "x" },
		"and the action changed": func(s map[string]any) { s["action"] = "drain" },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := r.update(t.Context(), u, edit); !apierrors.IsInvalid(err) {
				t.Errorf("got %v, want it refused as invalid", err)
			}
		})
	}
}

func TestAgentRequestValidation(t *testing.T) {
	t.Parallel()
	r := newRequests(t)
	tests := map[string]struct{ field, value, want string }{
		"born with a decision": {"humanApproval", approval, "cannot be set at creation"},
		"no agent":             {"agentIdentity", `""`, "spec.agentIdentity"},
		"no action":            {"action", `""`, "spec.action"},
		"no target":            {"target", `{}`, "spec.target.uri"},
		"unknown mode":         {"mode", `"dream"`, "spec.mode"},
		"classification":       {"classification", `"Ops"`, "spec.classification"},
		"long dedup key":       {"dedupKey", `"` + strings.Repeat("x", 513) + `"`, "spec.dedupKey"},
		"negative priority":    {"priority", `-1`, "spec.priority"},
		"confidence over 1":    {"reasoningTrace", `{"confidenceScore": 1.5}`, "spec.reasoningTrace.confidenceScore"},
		"empty cascade":        {"cascadeModel", `{"affectedTargets": []}`, "spec.cascadeModel.affectedTargets"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := object(t, bareSpec)
			spec[tt.field] = object(t, `{"v": `+tt.value+`}`)["v"]
			if _, err := r.create(t.Context(), spec); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it refused with %q", err, tt.want)
			}
		})
	}
}

// What kubectl get -o wide shows: every column has a value.
func TestPrinterColumns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec, status string
		want         map[string]any
	}{
		"agentrequests": {
			spec: bareSpec, status: `{"phase": "Denied", "denial": {"code": "POLICY_VIOLATION", "message": "m"}}`,
			want: map[string]any{
				"Phase": "Denied", "Action": "delete", "Agent": "aip-agent-1", "Target": "k8s://prod", "Denial": "POLICY_VIOLATION",
			},
		},
		"safetypolicies": {
			spec: `{"rules": [{"name": "first", "type": "StateEvaluation", "action": "Deny", "expression": "true"}]}`,
			status: `{"conditions": [{"type": "Valid", "status": "True", "reason": "Compiled", "message": "",
				"lastTransitionTime": "2026-01-01T00:00:00Z"}]}`,
			want: map[string]any{"FailureMode": "FailClosed", "Valid": "True", "First Rule": "first"},
		},
	}
	for resource, tt := range tests {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			kind := map[string]string{"agentrequests": "AgentRequest", "safetypolicies": "SafetyPolicy"}[resource]
			cfg := testkit.Kube(t)
			c := dynamic.NewForConfigOrDie(cfg).Resource(v1alpha1.GroupVersion().WithResource(resource)).Namespace("default")
			u := &unstructured.Unstructured{Object: map[string]any{"spec": object(t, tt.spec)}}
			u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(kind))
			u.SetName("columns")
			u, err := c.Create(t.Context(), u, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			u.Object["status"] = object(t, tt.status)
			if _, err := c.UpdateStatus(t.Context(), u, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := table(t, resource, "columns"); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("columns are %v, want %v", got, tt.want)
			}
		})
	}
}

// table returns the cells that kubectl would print, by column; name and age are left out.
func table(t *testing.T, resource, name string) map[string]any {
	t.Helper()
	raw, err := kubernetes.NewForConfigOrDie(testkit.Kube(t)).Discovery().RESTClient().Get().
		AbsPath("/apis", v1alpha1.GroupVersion().String(), "namespaces", "default", resource, name).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(raw, &table); err != nil || len(table.Rows) != 1 {
		t.Fatalf("got %s, %v, want one row", raw, err)
	}
	out := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		if column.Name != "Name" && column.Name != "Age" {
			out[column.Name] = table.Rows[0].Cells[i]
		}
	}
	return out
}

func fieldsOf(t reflect.Type) []string {
	var out []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// object decodes as the API server does: whole numbers are int64.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(`{"apiVersion": "v1", "kind": "Test", "spec": ` + text + `}`)); err != nil {
		t.Fatal(err)
	}
	return u.Object["spec"].(map[string]any)
}
