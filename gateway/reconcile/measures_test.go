package reconcile

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
)

// TestMeasures: each change of phase counts once, and who writes objects chooses no label.
func TestMeasures(t *testing.T) {
	t.Parallel()
	m := newMeasures(nil, nil)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m.phases, m.denied, m.contention, m.expired)
	condition := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason}
	}
	pending := v1alpha1.AgentRequestStatus{Phase: v1alpha1.PhasePending}
	waiting := pending
	waiting.Conditions = []metav1.Condition{
		condition(v1alpha1.ConditionPolicyEvaluated, metav1.ConditionTrue, "x"), condition(v1alpha1.ConditionLockAcquired, metav1.ConditionFalse, "x"),
	}
	executing := v1alpha1.AgentRequestStatus{Phase: v1alpha1.PhaseExecuting}
	lost := v1alpha1.AgentRequestStatus{
		Phase: v1alpha1.PhaseFailed, Conditions: []metav1.Condition{condition(v1alpha1.ConditionLockAcquired, metav1.ConditionFalse, lifecycle.ReasonLockExpired)},
	}
	m.moved(v1alpha1.AgentRequestStatus{}, pending)
	m.moved(pending, pending)
	m.moved(pending, waiting)
	m.moved(waiting, waiting)
	m.moved(executing, lost)
	m.moved(lost, lost)
	for _, code := range []string{v1alpha1.DenialPolicyViolation, "MADE-UP-1", "MADE-UP-2"} {
		m.moved(pending, v1alpha1.AgentRequestStatus{Phase: v1alpha1.PhaseDenied, Denial: &v1alpha1.Denial{Code: code}})
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`# HELP aip_agentrequest_denied_total Requests that were denied.
# TYPE aip_agentrequest_denied_total counter
aip_agentrequest_denied_total{code="POLICY_VIOLATION"} 1
aip_agentrequest_denied_total{code="other"} 2
# HELP aip_agentrequest_total Requests that came into a phase.
# TYPE aip_agentrequest_total counter
aip_agentrequest_total{phase="Denied"} 3
aip_agentrequest_total{phase="Failed"} 1
aip_agentrequest_total{phase="Pending"} 1
# HELP aip_opslock_contention_total Requests that had to wait for their target.
# TYPE aip_opslock_contention_total counter
aip_opslock_contention_total 1
# HELP aip_opslock_expired_total Locks that expired or were lost under a request.
# TYPE aip_opslock_expired_total counter
aip_opslock_expired_total 1
`)); err != nil {
		t.Error(err)
	}
}
