package store_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// TestCompact: what the cache keeps of an object is the same but for who wrote which field, and what two objects say alike
// is in memory once.
func TestCompact(t *testing.T) {
	t.Parallel()
	meta := metav1.ObjectMeta{
		Namespace: "default", Name: "aip-agent-1-x7k2m", UID: "426528cd", Labels: map[string]string{v1alpha1.LabelAgentIdentity: "aip-agent-1"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}},
	}
	results := []v1alpha1.PolicyResult{{PolicyName: "guard", RuleName: "rule", Result: "Deny"}}
	request := &v1alpha1.AgentRequest{
		ObjectMeta: meta, Spec: v1alpha1.AgentRequestSpec{AgentIdentity: "aip-agent-1", Action: "delete", Target: v1alpha1.Target{URI: "k8s://a/b/c/d"}},
		Status: v1alpha1.AgentRequestStatus{
			Phase: v1alpha1.PhaseDenied, Conditions: []metav1.Condition{{Type: "Approved", Status: "False", Message: "no"}},
			PolicyResults: results, Denial: &v1alpha1.Denial{Code: "c", Message: "no", PolicyResults: results},
		},
	}
	record := &v1alpha1.AuditRecord{ObjectMeta: meta, Spec: v1alpha1.AuditRecordSpec{
		AgentIdentity: "aip-agent-1", AgentRequestRef: meta.Name, TargetURI: "k8s://a/b/c/d", Event: v1alpha1.AuditRequestDenied,
		PhaseTransition:   &v1alpha1.PhaseTransition{From: v1alpha1.PhasePending, To: v1alpha1.PhaseDenied},
		PolicyEvaluations: []v1alpha1.PolicyEvaluation{{PolicyName: "guard", RuleName: "rule", Result: "Deny"}},
		Annotations:       map[string]string{"message": "no"},
	}}
	compact := store.Compact()
	r, a, b := compacted(t, compact, request), compacted(t, compact, record), compacted(t, compact, record)
	same := func(what, x, y string) {
		if x != y || unsafe.StringData(x) != unsafe.StringData(y) {
			t.Errorf("%s: %q and %q do not share their memory", what, x, y)
		}
	}
	same("name", r.Name, a.Spec.AgentRequestRef)
	same("target", r.Spec.Target.URI, a.Spec.TargetURI)
	same("label", r.Labels[v1alpha1.LabelAgentIdentity], a.Spec.AgentIdentity)
	same("phase", string(r.Status.Phase), string(a.Spec.PhaseTransition.To))
	same("result", r.Status.Denial.PolicyResults[0].Result, a.Spec.PolicyEvaluations[0].Result)
	if reflect.ValueOf(a.Labels).Pointer() != reflect.ValueOf(b.Labels).Pointer() || reflect.ValueOf(a.Labels).Pointer() != reflect.ValueOf(r.Labels).Pointer() {
		t.Error("equal labels do not share their memory")
	}
	same("message", r.Status.Conditions[0].Message, a.Spec.Annotations["message"])
}

// compacted returns what the cache keeps of a copy of o that came over the wire.
func compacted[T any](t *testing.T, compact cache.TransformFunc, o *T) *T {
	t.Helper()
	raw, err := json.Marshal(o)
	check(t, err)
	var got, want T
	check(t, json.Unmarshal(raw, &got))
	check(t, json.Unmarshal(raw, &want))
	_, err = compact(&got)
	check(t, err)
	any(&want).(metav1.Object).SetManagedFields(nil)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %+v, expected %+v", got, want)
	}
	return &got
}
