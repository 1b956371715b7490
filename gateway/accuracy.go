package gateway

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// recordOf is what is known of one agent: its grades and its executions.
type recordOf struct {
	agent                       string
	correct, partial, incorrect int
	executed, succeeded         int
	last                        *metav1.Time
}

func (r *recordOf) reviewed() int { return r.correct + r.partial + r.incorrect }

func (r *recordOf) accuracy() float64 {
	return share(float64(r.correct)+float64(r.partial)/2, r.reviewed())
}

func share(part float64, of int) float64 {
	if of == 0 {
		return 0
	}
	return part / float64(of)
}

// add counts a request.
func (r *recordOf) add(q *v1alpha1.AgentRequest) {
	switch q.Status.Verdict {
	case v1alpha1.VerdictCorrect:
		r.correct++
	case v1alpha1.VerdictPartial:
		r.partial++
	case v1alpha1.VerdictIncorrect:
		r.incorrect++
	}
	if at := q.Status.VerdictAt; at != nil && (r.last == nil || r.last.Before(at)) {
		r.last = at
	}
	if meta.IsStatusConditionTrue(q.Status.Conditions, v1alpha1.ConditionExecuting) && q.Status.Phase.Terminal() {
		r.executed++
		if q.Status.Phase == v1alpha1.PhaseCompleted {
			r.succeeded++
		}
	}
}

// records returns what is known of the agents of a namespace that the caller may read about, by name. They are counted anew
// whenever somebody asks, so they cannot drift from the requests.
func (s *Server) records(ctx context.Context, who caller, namespace string) ([]*recordOf, error) {
	found, err := s.store.List(ctx, namespace, func(r *v1alpha1.AgentRequest) bool {
		return authz.MayRead(who.Subject, who.Agents, who.Roles, r).Allowed
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	of := map[string]*recordOf{}
	var out []*recordOf
	for _, q := range found {
		agent := q.Spec.AgentIdentity
		if of[agent] == nil {
			of[agent] = &recordOf{agent: agent}
			out = append(out, of[agent])
		}
		of[agent].add(q)
	}
	slices.SortFunc(out, func(a, b *recordOf) int { return strings.Compare(a.agent, b.agent) })
	return out, nil
}

// readNamespace reads the namespace of the query.
func readNamespace(r *http.Request) (string, error) {
	namespace := cmp.Or(r.URL.Query().Get("namespace"), defaultNamespace)
	return namespace, checkNamespace(namespace)
}

// summaries answers GET /diagnostic-accuracy-summaries: the agents that were graded.
func (s *Server) summaries(ctx context.Context, who caller, namespace string) ([]wire.Summary, error) {
	records, err := s.records(ctx, who, namespace)
	if err != nil {
		return nil, err
	}
	out := []wire.Summary{}
	for _, r := range records {
		if r.reviewed() == 0 {
			continue
		}
		out = append(out, wire.Summary{
			TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "DiagnosticAccuracySummary"},
			Metadata: wire.ProfileName{Name: store.ProfileName(r.agent), Namespace: namespace}, Spec: wire.ProfileSpec{AgentIdentity: r.agent},
			Status: wire.SummaryStatus{
				TotalReviewed: r.reviewed(), CorrectCount: r.correct, PartialCount: r.partial, IncorrectCount: r.incorrect,
				DiagnosticAccuracy: r.accuracy(), LastUpdatedAt: r.last,
			},
		})
	}
	return out, nil
}

// recompute answers POST /agent-requests/recompute-accuracy. Nothing is kept that could be wrong.
func (s *Server) recompute(context.Context, caller, struct{}) (wire.Reported, error) {
	return wire.Reported{Message: "recomputed accuracy summaries"}, nil
}

// profiles answers GET /agent-trust-profiles.
func (s *Server) profiles(ctx context.Context, who caller, namespace string) ([]wire.Profile, error) {
	records, err := s.records(ctx, who, namespace)
	if err != nil {
		return nil, err
	}
	out := []wire.Profile{}
	for _, r := range records {
		out = append(out, wire.Profile{
			TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "AgentTrustProfile"},
			Metadata: wire.ProfileName{Name: store.ProfileName(r.agent), Namespace: namespace}, Spec: wire.ProfileSpec{AgentIdentity: r.agent},
			Status: wire.ProfileStatus{
				TrustLevel: observer, DiagnosticAccuracy: r.accuracy(), SuccessRate: share(float64(r.succeeded), r.executed),
				TotalReviewed: r.reviewed(), TotalExecutions: r.executed, LastEvaluatedAt: r.last,
			},
		})
	}
	return out, nil
}

// profile answers GET /agent-trust-profiles/{name}. One that the caller may not read is not there.
func (s *Server) profile(ctx context.Context, who caller, in object) (wire.Profile, error) {
	all, err := s.profiles(ctx, who, in.namespace)
	if err != nil {
		return wire.Profile{}, err
	}
	for _, p := range all {
		if p.Metadata.Name == in.name {
			return p, nil
		}
	}
	return wire.Profile{}, refuse(http.StatusNotFound, "AgentTrustProfile not found")
}

func (s *Server) accuracyRoutes() []route {
	in := []parameter{namespaceParameter()}
	return []route{
		{
			http.MethodGet, "/diagnostic-accuracy-summaries", authz.AnyRole, handle(s, readNamespace, s.summaries),
			"how right each agent was, as reviewers graded it", api{Query: in, Answers: answers{200: []wire.Summary{}}, Refuses: []int{400}},
		},
		{
			http.MethodPost, "/agent-requests/recompute-accuracy", authz.Reviewer, handle(s, readNothing, s.recompute),
			"there for clients that ask for it: summaries are counted whenever they are read", api{Answers: answers{200: wire.Reported{}}},
		},
		{
			http.MethodGet, "/agent-trust-profiles", authz.AnyRole, handle(s, readNamespace, s.profiles),
			"the record of each agent", api{Query: in, Answers: answers{200: []wire.Profile{}}, Refuses: []int{400}},
		},
		{
			http.MethodGet, "/agent-trust-profiles/{name}", authz.AnyRole, handle(s, readObject, s.profile),
			"the record of one agent", api{Query: in, Answers: answers{200: wire.Profile{}}, Refuses: []int{400, 404}},
		},
	}
}
