package trust

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Change is one change of an agent's level of trust.
type Change struct {
	// Number counts the changes of the agent in the namespace, from 1 on.
	Number int64
	// From and To are the levels before and after.
	From, To string
	At       metav1.Time
	// Why says it in one sentence.
	Why string
}

// Demoted reports whether the agent fell.
func (c Change) Demoted() bool { return rank(c.To) < rank(c.From) }

// Annotations are what an AuditRecord says of the change.
func (c Change) Annotations() map[string]string {
	return map[string]string{
		v1alpha1.AuditOldLevel: c.From, v1alpha1.AuditNewLevel: c.To, v1alpha1.AuditDemoted: strconv.FormatBool(c.Demoted()),
		v1alpha1.AuditChange: strconv.FormatInt(c.Number, 10), v1alpha1.AuditMessage: c.Why,
	}
}

// History is every change of the level of one agent in one namespace, the oldest first.
type History []Change

// HistoryOf reads the changes from the trail; other records are passed over.
func HistoryOf(trail []*v1alpha1.AuditRecord) History {
	var out History
	for _, r := range trail {
		number, err := strconv.ParseInt(r.Spec.Annotations[v1alpha1.AuditChange], 10, 64)
		if err != nil || r.Spec.Event != v1alpha1.AuditTrustProfileUpdated {
			continue
		}
		out = append(out, Change{
			Number: number, From: r.Spec.Annotations[v1alpha1.AuditOldLevel], To: r.Spec.Annotations[v1alpha1.AuditNewLevel],
			At: r.Spec.Timestamp, Why: r.Spec.Annotations[v1alpha1.AuditMessage],
		})
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// Level returns the level that the agent has.
func (h History) Level() string {
	if len(h) == 0 || rank(h[len(h)-1].To) < 0 {
		return v1alpha1.TrustObserver
	}
	return h[len(h)-1].To
}

// last returns when the agent last fell or, with demoted false, rose; nil for never.
func (h History) last(demoted bool) *metav1.Time {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Demoted() == demoted {
			return &h[i].At
		}
	}
	return nil
}

// rank orders levels; what is no level is below all.
func rank(level string) int { return slices.Index(v1alpha1.TrustLevels(), level) }

// LevelOf returns what a policy says about a level; nil when it does not list it or there is no policy.
func LevelOf(p *v1alpha1.AgentGraduationPolicy, level string) *v1alpha1.GraduationLevel {
	if p == nil {
		return nil
	}
	i := slices.IndexFunc(p.Spec.Levels, func(l v1alpha1.GraduationLevel) bool { return l.Name == level })
	if i < 0 {
		return nil
	}
	return &p.Spec.Levels[i]
}

// Next returns the change of the level that is due now, nil when none is, and after what time one may be due though nothing
// happens until then, 0 for never. An agent rises at once to the highest level whose minima it meets. It falls when its accuracy
// over the demotion window is below the minimum of its level less the buffer, and the grace period after its last rise is over;
// without a policy, or when the policy does not list its level any more, it falls at once.
func Next(p *v1alpha1.AgentGraduationPolicy, r *Record, h History, now time.Time) (*Change, time.Duration) {
	is := h.Level()
	to := deserved(p, r)
	current := LevelOf(p, is)
	if rank(to) < rank(is) && current != nil {
		if holds(p, current, r) {
			return nil, 0
		}
		if left := grace(p, h).Sub(now); left > 0 {
			return nil, left
		}
	}
	if to == is {
		return nil, 0
	}
	number := int64(1)
	if len(h) > 0 {
		number = h[len(h)-1].Number + 1
	}
	return &Change{Number: number, From: is, To: to, At: metav1.NewTime(now), Why: why(p, r, is, to)}, 0
}

// deserved returns the highest level whose minima the agent meets, and which it would not lose at once.
func deserved(p *v1alpha1.AgentGraduationPolicy, r *Record) string {
	out := v1alpha1.TrustObserver
	if p == nil {
		return out
	}
	for i := range p.Spec.Levels {
		if l := &p.Spec.Levels[i]; rank(l.Name) > rank(out) && meets(p, l, r) && holds(p, l, r) {
			out = l.Name
		}
	}
	return out
}

func meets(p *v1alpha1.AgentGraduationPolicy, l *v1alpha1.GraduationLevel, r *Record) bool {
	least := minimum(l)
	return (least == 0 || value(r.accuracy(window(p))) >= least) &&
		(l.Executions == nil || l.Executions.Min == nil || r.Executed >= *l.Executions.Min)
}

// rounding is more than what is lost when accuracies are subtracted, and less than one verdict in any window.
const rounding = 1e-9

// holds reports whether an agent's accuracy lets it keep a level.
func holds(p *v1alpha1.AgentGraduationPolicy, l *v1alpha1.GraduationLevel, r *Record) bool {
	buffer := p.Spec.DemotionPolicy.AccuracyDropThreshold
	if l.Accuracy != nil && l.Accuracy.DemotionBuffer != nil {
		buffer = *l.Accuracy.DemotionBuffer
	}
	return value(r.accuracy(p.Spec.DemotionPolicy.WindowSize)) >= minimum(l)-buffer-rounding
}

// minimum returns the least accuracy of a level; 0 when it does not matter.
func minimum(l *v1alpha1.GraduationLevel) float64 {
	if l.Accuracy == nil {
		return 0
	}
	return value(l.Accuracy.Min)
}

func value(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

// grace returns until when the agent does not fall. A period that is no duration is none.
func grace(p *v1alpha1.AgentGraduationPolicy, h History) time.Time {
	period, err := time.ParseDuration(p.Spec.DemotionPolicy.GracePeriod)
	if rose := h.last(false); err == nil && rose != nil {
		return rose.Add(period)
	}
	return time.Time{}
}

func why(p *v1alpha1.AgentGraduationPolicy, r *Record, from, to string) string {
	change := fmt.Sprintf("Trust level changed from %s to %s: ", from, to)
	switch {
	case p == nil:
		return change + "there is no AgentGraduationPolicy any more"
	case rank(to) < rank(from) && LevelOf(p, from) == nil:
		return change + "the AgentGraduationPolicy does not list the level any more"
	case rank(to) < rank(from):
		size := p.Spec.DemotionPolicy.WindowSize
		return change + fmt.Sprintf("accuracy %.2f over the last %d of %d verdicts", value(r.accuracy(size)), min(size, int64(len(r.Grades))), len(r.Grades))
	default:
		return change + fmt.Sprintf("accuracy %.2f over the last %d of %d verdicts, %d executions",
			value(r.accuracy(window(p))), min(window(p), int64(len(r.Grades))), len(r.Grades), r.Executed)
	}
}
