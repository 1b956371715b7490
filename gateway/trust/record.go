package trust

import (
	"cmp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// maxRecent is how many names status.recentVerdicts holds.
const maxRecent = 100

// Record is what is known of one agent in one namespace.
type Record struct {
	Agent string
	// Grades are the verdicts that count, the oldest first.
	Grades []Grade
	// Executed counts the requests that the agent executed, Succeeded those of them that completed.
	Executed, Succeeded int64
	// Last is when the last of all that happened.
	Last metav1.Time
}

// Grade is one verdict of a reviewer.
type Grade struct {
	// Verdict is correct, partial or incorrect.
	Verdict string
	// Request is the name of the request.
	Request string
	At      metav1.Time
	// version is the resource version of its record. Records never change, so it tells which of those that the trail has for the
	// same second was stored first.
	// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
	version string
}

// before orders verdicts as they were given.
func (g Grade) before(other Grade) int {
	stored, err := resourceversion.CompareResourceVersion(g.version, other.version)
	if err != nil {
		stored = 0 // of records that no API server has stored the names decide
	}
	return cmp.Or(g.At.Compare(other.At.Time), stored, strings.Compare(g.Request, other.Request))
}

// Counts reports whether a record of the audit trail counts for an agent's record: a verdict on its diagnosis by a reviewer
// other than the agent, or the end of an execution.
func Counts(r *v1alpha1.AuditRecord) bool {
	switch r.Spec.Event {
	case v1alpha1.AuditVerdictSubmitted:
		by, code := r.Spec.Annotations[v1alpha1.AuditVerdictBy], r.Spec.Annotations[v1alpha1.AuditVerdictReasonCode]
		return by != "" && by != r.Spec.AgentIdentity && (code == "" || code == v1alpha1.VerdictWrongDiagnosis)
	case v1alpha1.AuditRequestCompleted, v1alpha1.AuditRequestFailed:
		t := r.Spec.PhaseTransition
		return t != nil && t.From == v1alpha1.PhaseExecuting
	default:
		return false
	}
}

// Count returns the record of each agent that the trail tells of, by name. Records that neither count nor tell of a change of trust
// are passed over.
func Count(trail []*v1alpha1.AuditRecord) []Record {
	of := map[string]*Record{}
	for _, r := range trail {
		counts, agent := Counts(r), r.Spec.AgentIdentity
		if !counts && r.Spec.Event != v1alpha1.AuditTrustProfileUpdated {
			continue
		}
		if of[agent] == nil {
			of[agent] = &Record{Agent: agent}
		}
		if counts {
			of[agent].add(r)
		}
	}
	out := make([]Record, 0, len(of))
	for _, r := range of {
		slices.SortFunc(r.Grades, Grade.before)
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Record) int { return strings.Compare(a.Agent, b.Agent) })
	return out
}

func (r *Record) add(a *v1alpha1.AuditRecord) {
	if r.Last.Before(&a.Spec.Timestamp) {
		r.Last = a.Spec.Timestamp
	}
	switch a.Spec.Event {
	case v1alpha1.AuditVerdictSubmitted:
		r.Grades = append(r.Grades, Grade{
			Verdict: a.Spec.Annotations[v1alpha1.AuditVerdict], Request: a.Spec.AgentRequestRef, At: a.Spec.Timestamp, version: a.ResourceVersion,
		})
	case v1alpha1.AuditRequestCompleted:
		r.Executed++
		r.Succeeded++
	default:
		r.Executed++
	}
}

// accuracy returns (correct + partial/2) / total over the last so many verdicts, all when last is 0; nil without any.
func (r *Record) accuracy(last int64) *float64 {
	grades := r.Grades
	if total := int64(len(grades)); last > 0 && total > last {
		grades = grades[total-last:]
	}
	if len(grades) == 0 {
		return nil
	}
	points := 0.0
	for _, g := range grades {
		switch g.Verdict {
		case v1alpha1.VerdictCorrect:
			points++
		case v1alpha1.VerdictPartial:
			points += 0.5
		}
	}
	points /= float64(len(grades))
	return &points
}

// Summary returns the status of the DiagnosticAccuracySummary.
func (r *Record) Summary() v1alpha1.DiagnosticAccuracySummaryStatus {
	out := v1alpha1.DiagnosticAccuracySummaryStatus{TotalReviewed: int64(len(r.Grades)), DiagnosticAccuracy: r.accuracy(0)}
	for i, g := range r.Grades {
		switch g.Verdict {
		case v1alpha1.VerdictCorrect:
			out.CorrectCount++
		case v1alpha1.VerdictPartial:
			out.PartialCount++
		default:
			out.IncorrectCount++
		}
		if i >= len(r.Grades)-maxRecent {
			out.RecentVerdicts = append(out.RecentVerdicts, g.Request)
		}
		out.LastUpdatedAt = &r.Grades[i].At
	}
	return out
}

// Profile returns the status of the AgentTrustProfile under a policy, nil when there is none.
func (r *Record) Profile(h History, p *v1alpha1.AgentGraduationPolicy) v1alpha1.AgentTrustProfileStatus {
	out := v1alpha1.AgentTrustProfileStatus{
		TrustLevel: h.Level(), DiagnosticAccuracy: r.accuracy(0), RecentAccuracy: r.accuracy(window(p)),
		TotalReviewed: int64(len(r.Grades)), TotalExecutions: r.Executed,
		LastPromotedAt: h.last(false), LastDemotedAt: h.last(true),
	}
	if r.Executed > 0 {
		rate := float64(r.Succeeded) / float64(r.Executed)
		out.SuccessRate = &rate
	}
	for _, at := range []*metav1.Time{&r.Last, out.LastPromotedAt, out.LastDemotedAt} {
		if !at.IsZero() && (out.LastEvaluatedAt == nil || out.LastEvaluatedAt.Before(at)) {
			out.LastEvaluatedAt = at
		}
	}
	return out
}

// window returns over how many verdicts a policy counts accuracy, 0 for all.
func window(p *v1alpha1.AgentGraduationPolicy) int64 {
	if p == nil {
		return 0
	}
	return p.Spec.EvaluationWindow.Count
}
