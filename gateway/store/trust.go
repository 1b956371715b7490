package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/trust"
)

// Keys of the index byTrust. An agent may have any identity, so each kind of key has a beginning of its own.
const (
	everyAgent = "every agent"
	recordOf   = "record of "
	levelsOf   = "levels of "
)

// trustKeys are the keys under which a record is found: one that counts for an agent's record, or is a change of its level, by the
// agent and among those of all.
func trustKeys(r *v1alpha1.AuditRecord) []string {
	switch {
	case r.Spec.Event == v1alpha1.AuditTrustProfileUpdated:
		return []string{levelsOf + r.Spec.AgentIdentity, everyAgent}
	case trust.Counts(r):
		return []string{recordOf + r.Spec.AgentIdentity, everyAgent}
	default:
		return nil
	}
}

// TrustRecords returns what the audit trail of a namespace says of each agent, by name.
func (s *Store) TrustRecords(ctx context.Context, namespace string) ([]trust.Record, error) {
	trail, err := s.trail(ctx, namespace, everyAgent)
	return trust.Count(trail), err
}

// TrustRecord returns what the audit trail of a namespace says of one agent.
func (s *Store) TrustRecord(ctx context.Context, namespace, agent string) (trust.Record, error) {
	trail, err := s.trail(ctx, namespace, recordOf+agent)
	if found := trust.Count(trail); len(found) == 1 {
		return found[0], err
	}
	return trust.Record{Agent: agent}, err
}

// TrustHistory returns the changes of an agent's level of trust in a namespace.
func (s *Store) TrustHistory(ctx context.Context, namespace, agent string) (trust.History, error) {
	trail, err := s.trail(ctx, namespace, levelsOf+agent)
	return trust.HistoryOf(trail), err
}

// trail returns the records that the cache has under a key of byTrust.
func (s *Store) trail(ctx context.Context, namespace, key string) ([]*v1alpha1.AuditRecord, error) {
	var list v1alpha1.AuditRecordList
	err := s.cache.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{byTrust: key}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, classify("list AuditRecords", err)
	}
	out := make([]*v1alpha1.AuditRecord, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// GraduationPolicy returns the AgentGraduationPolicy of a namespace that counts, as the cache has it; nil when there is none.
func (s *Store) GraduationPolicy(ctx context.Context, namespace string) (*v1alpha1.AgentGraduationPolicy, error) {
	var p v1alpha1.AgentGraduationPolicy
	err := classify("get AgentGraduationPolicy", s.cache.Get(ctx, key(namespace, v1alpha1.GraduationPolicyName), &p, shared()))
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // no policy is an answer
	}
	return &p, err
}

// GraduationPolicies returns the AgentGraduationPolicies that count of a namespace (of all when empty), as the cache has
// them, by namespace.
func (s *Store) GraduationPolicies(ctx context.Context, namespace string) ([]v1alpha1.AgentGraduationPolicy, error) {
	var list v1alpha1.AgentGraduationPolicyList
	if err := s.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, classify("list AgentGraduationPolicies", err)
	}
	count := slices.DeleteFunc(list.Items, func(p v1alpha1.AgentGraduationPolicy) bool { return p.Name != v1alpha1.GraduationPolicyName })
	slices.SortFunc(count, func(a, b v1alpha1.AgentGraduationPolicy) int { return strings.Compare(a.Namespace, b.Namespace) })
	return count, nil
}

// Gate returns what trust in an agent lets it do in a namespace with a target that g governs; nil when the target asks for no
// trust, and then nothing is looked up. Everything comes from the cache.
func (s *Store) Gate(ctx context.Context, g *v1alpha1.GovernedResource, namespace, agent string) (*trust.Gate, error) {
	if !trust.Asks(g) {
		return nil, nil //nolint:nilnil // no gate is an answer
	}
	p, err := s.GraduationPolicy(ctx, namespace)
	if err != nil {
		return nil, err
	}
	history, err := s.TrustHistory(ctx, namespace, agent)
	if err != nil {
		return nil, err
	}
	gate := trust.Through(g, p, agent, history.Level())
	return &gate, nil
}

// TrustProfile returns the stored profile of an agent as the cache has it; nil when there is none.
func (s *Store) TrustProfile(ctx context.Context, namespace, agent string) (*v1alpha1.AgentTrustProfile, error) {
	var p v1alpha1.AgentTrustProfile
	err := classify("get AgentTrustProfile", s.cache.Get(ctx, key(namespace, ProfileName(agent)), &p, shared()))
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // no profile is an answer
	}
	return &p, err
}

// ShowProfile stores the profile of an agent, unless that stands there already.
//
// Errors: ErrNoNamespace, ErrConflict, ErrUnavailable.
func (s *Store) ShowProfile(ctx context.Context, namespace, agent string, status v1alpha1.AgentTrustProfileStatus) error {
	is, err := s.TrustProfile(ctx, namespace, agent)
	if err != nil {
		return err
	}
	if is == nil {
		is = &v1alpha1.AgentTrustProfile{
			ObjectMeta: ProfileMeta(namespace, agent), Spec: v1alpha1.AgentTrustProfileSpec{AgentIdentity: agent},
		}
		if err := s.create(ctx, "create AgentTrustProfile", is); err != nil {
			return err
		}
	}
	if is.Spec.AgentIdentity != agent || apiequality.Semantic.DeepEqual(is.Status, status) {
		return nil
	}
	changed := is.DeepCopy()
	changed.Status = status
	return s.setStatus(ctx, "write status of AgentTrustProfile", changed)
}

// ShowSummary stores the summary of an agent's verdicts, unless that stands there already.
//
// Errors: ErrNoNamespace, ErrConflict, ErrUnavailable.
func (s *Store) ShowSummary(ctx context.Context, namespace string, r *trust.Record) error {
	is := &v1alpha1.DiagnosticAccuracySummary{}
	err := classify("get DiagnosticAccuracySummary", s.cache.Get(ctx, key(namespace, ProfileName(r.Agent)), is, shared()))
	status := r.Summary()
	switch {
	case isNotFound(err) && status.TotalReviewed == 0:
		return nil // nobody graded the agent
	case isNotFound(err):
		is = &v1alpha1.DiagnosticAccuracySummary{
			ObjectMeta: ProfileMeta(namespace, r.Agent), Spec: v1alpha1.DiagnosticAccuracySummarySpec{AgentIdentity: r.Agent},
		}
		err = s.create(ctx, "create DiagnosticAccuracySummary", is)
	}
	if err != nil || is.Spec.AgentIdentity != r.Agent || apiequality.Semantic.DeepEqual(is.Status, status) {
		return err
	}
	changed := is.DeepCopy()
	changed.Status = status
	return s.setStatus(ctx, "write status of DiagnosticAccuracySummary", changed)
}

// ProfileMeta is the metadata under which is shown what is known of an agent.
func ProfileMeta(namespace, agent string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: ProfileName(agent), Labels: map[string]string{v1alpha1.LabelProfileName: ProfileName(agent)},
	}
}

// create stores a new object. One that is there already is one that the cache does not know yet: ErrConflict.
func (s *Store) create(ctx context.Context, action string, o client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := classify(action, s.live.Create(ctx, o))
	if errors.Is(err, ErrExists) {
		return ErrConflict
	}
	return err
}

func (s *Store) setStatus(ctx context.Context, action string, o client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return classify(action, s.live.Status().Update(ctx, o))
}
