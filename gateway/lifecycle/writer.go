package lifecycle

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// maxMessage bounds the messages that come from reviewers and policies, in characters. The schema of a condition
// ends at 32768; a longer message would make the status unwritable and the request would hang for ever.
const maxMessage = 4096

// statusWriter changes one status at one time.
type statusWriter struct {
	before v1alpha1.AgentRequestStatus
	status *v1alpha1.AgentRequestStatus
	at     metav1.Time
}

func (w *statusWriter) set(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&w.status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: w.at,
	})
}

// again is set for a condition that holds already and whose time shall be now.
func (w *statusWriter) again(kind string, status metav1.ConditionStatus, reason, message string) {
	w.clear(kind)
	w.set(kind, status, reason, message)
}

func (w *statusWriter) clear(kind string) { meta.RemoveStatusCondition(&w.status.Conditions, kind) }

func (w *statusWriter) deny(reason, code, message string, results []v1alpha1.PolicyResult) {
	w.status.Denial = &v1alpha1.Denial{Code: code, Message: message, PolicyResults: results}
	w.set(v1alpha1.ConditionApproved, metav1.ConditionFalse, reason, message)
}

func (w *statusWriter) fail(reason, code, message string) {
	w.status.Denial = &v1alpha1.Denial{Code: code, Message: message}
	w.set(v1alpha1.ConditionFailed, metav1.ConditionTrue, reason, message)
}

func withReason(what, reason string) string {
	return fmt.Sprintf("%s: %s", what, cmp.Or(reason, "no reason given"))
}

// clip cuts s to maxMessage characters and marks the cut.
func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	if r := []rune(s); len(r) > maxMessage {
		return string(r[:maxMessage-1]) + "…"
	}
	return s
}
