package lifecycle

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Unverified says that an approved request is not what was decided about any more. It changes no phase: whether to go on
// is up to the agent, who asked. Code is STATE_DRIFTED or GENERATION_MISMATCH.
type Unverified struct{ Code, Message string }

// Note returns status with the condition that the trail tells of.
func (u Unverified) Note(status v1alpha1.AgentRequestStatus, at time.Time) v1alpha1.AgentRequestStatus {
	out := *status.DeepCopy()
	meta.RemoveStatusCondition(&out.Conditions, v1alpha1.ConditionStateVerified)
	meta.SetStatusCondition(&out.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionStateVerified, Status: metav1.ConditionFalse, Reason: u.Code, Message: clip(u.Message),
		LastTransitionTime: metav1.NewTime(at),
	})
	return out
}

// verification records that an agent was told that what was decided about has changed; once for each answer.
func (t *trail) verification() {
	if c := t.condition(v1alpha1.ConditionStateVerified, metav1.ConditionFalse); c != nil {
		spec := t.add(v1alpha1.AuditStateDriftedVerify, c, "|", c.Reason, "|", c.Message)
		spec.Annotations = map[string]string{v1alpha1.AuditDenialCode: c.Reason, v1alpha1.AuditMessage: c.Message}
		spec.Details = asJSON(map[string]any{"evaluationGeneration": t.request.Status.EvaluationGeneration, "window": "T2T3"})
	}
}
