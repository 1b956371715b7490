package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/trust"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// readNamespace reads the namespace of the query.
func readNamespace(r *http.Request) (string, error) {
	namespace := cmp.Or(r.URL.Query().Get("namespace"), defaultNamespace)
	return namespace, checkNamespace(namespace)
}

// records returns what the audit trail of a namespace says of the agents that the caller may read about, by name. It is counted
// anew whenever somebody asks, so it cannot drift from the trail.
func (s *Server) records(ctx context.Context, who caller, namespace string) ([]trust.Record, error) {
	if who.Roles.Has(authz.RoleReviewer) || who.Roles.Has(authz.RoleAdmin) {
		return s.store.TrustRecords(ctx, namespace) //nolint:wrapcheck // problemOf knows the store's errors
	}
	var out []trust.Record
	for _, agent := range slices.Sorted(slices.Values(who.Agents)) {
		own, err := s.store.TrustRecord(ctx, namespace, agent)
		if err != nil {
			return nil, err //nolint:wrapcheck // problemOf knows the store's errors
		}
		out = append(out, own)
	}
	return out, nil
}

// summaries answers GET /diagnostic-accuracy-summaries: the agents that were graded.
func (s *Server) summaries(ctx context.Context, who caller, namespace string) ([]v1alpha1.DiagnosticAccuracySummary, error) {
	records, err := s.records(ctx, who, namespace)
	if err != nil {
		return nil, err
	}
	out := []v1alpha1.DiagnosticAccuracySummary{}
	for i := range records {
		if r := &records[i]; len(r.Grades) > 0 {
			out = append(out, v1alpha1.DiagnosticAccuracySummary{
				TypeMeta: typeOf("DiagnosticAccuracySummary"), ObjectMeta: store.ProfileMeta(namespace, r.Agent),
				Spec: v1alpha1.DiagnosticAccuracySummarySpec{AgentIdentity: r.Agent}, Status: r.Summary(),
			})
		}
	}
	return out, nil
}

// recompute answers POST /agent-requests/recompute-accuracy: what is shown of each agent is what the trail says. A summary that
// changes at this moment is being made so by the reconciler.
func (s *Server) recompute(ctx context.Context, _ caller, namespace string) (wire.Reported, error) {
	records, err := s.store.TrustRecords(ctx, namespace)
	for i := range records {
		if err == nil {
			err = s.store.ShowSummary(ctx, namespace, &records[i])
		}
		if errors.Is(err, store.ErrConflict) {
			err = nil
		}
	}
	return wire.Reported{Message: "recomputed accuracy summaries"}, err //nolint:wrapcheck // problemOf knows the store's errors
}

// profiles answers GET /agent-trust-profiles: the agents that were graded or executed something.
func (s *Server) profiles(ctx context.Context, who caller, namespace string) ([]v1alpha1.AgentTrustProfile, error) {
	records, err := s.records(ctx, who, namespace)
	if err != nil {
		return nil, err
	}
	policy, err := s.store.GraduationPolicy(ctx, namespace)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := []v1alpha1.AgentTrustProfile{}
	for i := range records {
		history, err := s.store.TrustHistory(ctx, namespace, records[i].Agent)
		if err != nil {
			return nil, err //nolint:wrapcheck // problemOf knows the store's errors
		}
		status := records[i].Profile(history, policy)
		if status.LastEvaluatedAt == nil {
			continue // nothing is known of the agent
		}
		out = append(out, v1alpha1.AgentTrustProfile{
			TypeMeta: typeOf("AgentTrustProfile"), ObjectMeta: store.ProfileMeta(namespace, records[i].Agent),
			Spec: v1alpha1.AgentTrustProfileSpec{AgentIdentity: records[i].Agent}, Status: status,
		})
	}
	return out, nil
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: kind}
}

// profile answers GET /agent-trust-profiles/{name}. One that the caller may not read is not there.
func (s *Server) profile(ctx context.Context, who caller, in object) (v1alpha1.AgentTrustProfile, error) {
	all, err := s.profiles(ctx, who, in.namespace)
	if err != nil {
		return v1alpha1.AgentTrustProfile{}, err
	}
	for i := range all {
		if all[i].Name == in.name {
			return all[i], nil
		}
	}
	return v1alpha1.AgentTrustProfile{}, refuse(http.StatusNotFound, "AgentTrustProfile not found")
}

func (s *Server) accuracyRoutes() []route {
	in := []parameter{namespaceParameter()}
	return []route{
		{
			http.MethodGet, "/diagnostic-accuracy-summaries", authz.AnyRole, handle(s, readNamespace, s.summaries),
			"how right each agent was, as reviewers graded it",
			api{Query: in, Answers: answers{200: []v1alpha1.DiagnosticAccuracySummary{}}, Refuses: []int{400}},
		},
		{
			http.MethodPost, "/agent-requests/recompute-accuracy", authz.Reviewer, handle(s, readNamespace, s.recompute),
			"make the stored summaries of a namespace what the audit trail says, as they are by themselves a moment after each verdict",
			api{Query: in, Answers: answers{200: wire.Reported{}}, Refuses: []int{400}},
		},
		{
			http.MethodGet, "/agent-trust-profiles", authz.AnyRole, handle(s, readNamespace, s.profiles),
			"how far each agent is trusted, and its record", api{Query: in, Answers: answers{200: []v1alpha1.AgentTrustProfile{}}, Refuses: []int{400}},
		},
		{
			http.MethodGet, "/agent-trust-profiles/{name}", authz.AnyRole, handle(s, readObject, s.profile),
			"how far one agent is trusted, and its record", api{Query: in, Answers: answers{200: v1alpha1.AgentTrustProfile{}}, Refuses: []int{400, 404}},
		},
	}
}
