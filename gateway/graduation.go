package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// graduationPolicies are the endpoints below /agent-graduation-policies. A namespace has one policy that counts, so its name is
// known; the list is an array, as clients of the public AIP gateway expect it.
func (s *Server) graduationPolicies() []route {
	return kind[*v1alpha1.AgentGraduationPolicy]{
		server: s, path: "/agent-graduation-policies", name: "AgentGraduationPolicy", namespaced: true,
		empty:  func() *v1alpha1.AgentGraduationPolicy { return &v1alpha1.AgentGraduationPolicy{} },
		check:  func(_ context.Context, fresh, _ *v1alpha1.AgentGraduationPolicy) error { return checkGraduation(fresh) },
		nameOf: func(*v1alpha1.AgentGraduationPolicy) (string, error) { return v1alpha1.GraduationPolicyName, nil },
		list:   s.listGraduation,
		sample: v1alpha1.AgentGraduationPolicy{}, samples: []v1alpha1.AgentGraduationPolicy{},
	}.routes()
}

func (s *Server) listGraduation(ctx context.Context, namespace string) (any, error) {
	found, err := s.store.GraduationPolicies(ctx, namespace)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := make([]v1alpha1.AgentGraduationPolicy, len(found))
	for i := range found {
		out[i] = found[i]
		out[i].TypeMeta = typeOf("AgentGraduationPolicy")
	}
	return out, nil
}

// checkGraduation refuses a policy that would not count, and durations that the schema takes and nobody can wait for.
func checkGraduation(p *v1alpha1.AgentGraduationPolicy) error {
	if p.Name != v1alpha1.GraduationPolicyName {
		return refuse(http.StatusBadRequest, "AgentGraduationPolicy name must be %q, got %q", v1alpha1.GraduationPolicyName, p.Name)
	}
	for _, d := range []struct{ field, text string }{
		{"awaitingVerdictTTL", p.Spec.AwaitingVerdictTTL}, {"demotionPolicy.gracePeriod", p.Spec.DemotionPolicy.GracePeriod},
	} {
		if d.text == "" {
			continue
		}
		if _, err := time.ParseDuration(d.text); err != nil {
			return refuse(http.StatusUnprocessableEntity, "invalid spec.%s: %v, expected a Go duration, for example 24h", d.field, err)
		}
	}
	return nil
}
