package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// scrapeTimeout bounds the counting for one scrape.
const scrapeTimeout = 5 * time.Second

// measures count what the reconciler does. The names are those of the public AIP control plane.
type measures struct {
	phases, denied      *prometheus.CounterVec
	evaluation          prometheus.Histogram
	contention, expired prometheus.Counter
}

// newMeasures registers the measures with to; nil is nobody.
func newMeasures(to prometheus.Registerer, s *store.Store) *measures {
	m := &measures{
		phases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aip_agentrequest_total", Help: "Requests that came into a phase.",
		}, []string{"phase"}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "aip_agentrequest_denied_total", Help: "Requests that were denied.",
		}, []string{"code"}),
		evaluation: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "aip_agentrequest_evaluation_duration_seconds", Help: "How long the policies took, with the look at the target.", Buckets: prometheus.DefBuckets,
		}),
		contention: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aip_opslock_contention_total", Help: "Requests that had to wait for their target.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "aip_opslock_expired_total", Help: "Locks that expired or were lost under a request.",
		}),
	}
	if to == nil {
		return m
	}
	to.MustRegister(m.phases, m.denied, m.evaluation, m.contention, m.expired,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aip_agentrequest_active", Help: "Requests that are not over; counted when they are asked for, by every replica.",
		}, counted(func(ctx context.Context) (int, error) {
			found, err := s.List(ctx, "", func(r *v1alpha1.AgentRequest) bool { return !r.Status.Phase.Terminal() })
			return len(found), err
		})),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "aip_opslock_active", Help: "Targets that are held; counted when they are asked for, by every replica.",
		}, counted(func(ctx context.Context) (int, error) {
			held, err := s.Locks(ctx)
			return len(held), err
		})))
	return m
}

// counted makes the value of a gauge of a count; what cannot be counted is 0.
func counted(count func(context.Context) (int, error)) func() float64 {
	return func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		n, err := count(ctx)
		if err != nil {
			return 0
		}
		return float64(n)
	}
}

// moved counts what a new status says.
func (m *measures) moved(before, after v1alpha1.AgentRequestStatus) {
	if lifecycle.WaitsForTarget(after) && !lifecycle.WaitsForTarget(before) {
		m.contention.Inc()
	}
	if before.Phase == after.Phase {
		return
	}
	m.phases.WithLabelValues(string(after.Phase)).Inc()
	if after.Phase == v1alpha1.PhaseDenied && after.Denial != nil {
		m.denied.WithLabelValues(codeOf(after.Denial.Code)).Inc()
	}
	for _, c := range after.Conditions {
		if c.Type == v1alpha1.ConditionLockAcquired && slices.Contains([]string{lifecycle.ReasonLockExpired, lifecycle.ReasonLockLost}, c.Reason) {
			m.expired.Inc()
		}
	}
}

// codeOf returns a denial code as a label: whoever writes objects chooses codes, and must not make a label of each.
func codeOf(code string) string {
	switch code {
	case v1alpha1.DenialPolicyViolation, v1alpha1.DenialEvaluationFailure, v1alpha1.DenialCascade, v1alpha1.DenialLockTimeout,
		v1alpha1.DenialActionNotPermitted, v1alpha1.DenialIdentityInvalid, v1alpha1.DenialGovernedResourceDeleted,
		v1alpha1.DenialGenerationMismatch, v1alpha1.DenialStateDrifted, v1alpha1.DenialRateLimited:
		return code
	default:
		return "other"
	}
}
