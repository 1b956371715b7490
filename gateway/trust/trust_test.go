package trust_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/trust"
)

const agent = "agent"

func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// graded returns the records of verdicts, one a minute: c, p and i are correct, partial and incorrect.
func graded(verdicts string) []*v1alpha1.AuditRecord {
	words := map[rune]string{'c': v1alpha1.VerdictCorrect, 'p': v1alpha1.VerdictPartial, 'i': v1alpha1.VerdictIncorrect}
	var out []*v1alpha1.AuditRecord
	for i, v := range verdicts {
		out = append(out, verdict(i, words[v], "reviewer", ""))
	}
	return out
}

func verdict(minute int, verdict, by, code string) *v1alpha1.AuditRecord {
	return &v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{
		AgentIdentity: agent, Event: v1alpha1.AuditVerdictSubmitted, AgentRequestRef: fmt.Sprint("r", minute),
		Timestamp: metav1.NewTime(start().Add(time.Duration(minute) * time.Minute)),
		Annotations: map[string]string{
			v1alpha1.AuditVerdict: verdict, v1alpha1.AuditVerdictBy: by, v1alpha1.AuditVerdictReasonCode: code,
		},
	}}
}

// executed returns the records of executions: one that completed for each c, one that failed for each other letter.
func executed(ends string) []*v1alpha1.AuditRecord {
	var out []*v1alpha1.AuditRecord
	for _, e := range ends {
		event := v1alpha1.AuditRequestFailed
		if e == 'c' {
			event = v1alpha1.AuditRequestCompleted
		}
		out = append(out, &v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{
			AgentIdentity: agent, Event: event, PhaseTransition: &v1alpha1.PhaseTransition{From: v1alpha1.PhaseExecuting},
			Timestamp: metav1.NewTime(start()),
		}})
	}
	return out
}

func record(trails ...[]*v1alpha1.AuditRecord) trust.Record {
	var all []*v1alpha1.AuditRecord
	for _, t := range trails {
		all = append(all, t...)
	}
	if found := trust.Count(all); len(found) == 1 {
		return found[0]
	}
	return trust.Record{Agent: agent}
}

// TestSameSecond: the trail has seconds, so of two verdicts in one second the one that was stored later is the last.
func TestSameSecond(t *testing.T) {
	t.Parallel()
	first, last := verdict(0, v1alpha1.VerdictCorrect, "reviewer", ""), verdict(0, v1alpha1.VerdictIncorrect, "reviewer", "")
	first.ResourceVersion, last.ResourceVersion = "99", "100"
	first.Spec.AgentRequestRef, last.Spec.AgentRequestRef = "b", "a"
	for _, trail := range [][]*v1alpha1.AuditRecord{{first, last}, {last, first}} {
		of := record(trail)
		if got := of.Summary().RecentVerdicts; !slices.Equal(got, []string{"b", "a"}) {
			t.Errorf("verdicts %v, want that of b first", got)
		}
	}
}

// TestCount: what is the agent's own word, or no fault of its diagnosis, does not count.
func TestCount(t *testing.T) {
	t.Parallel()
	trail := graded("ccpi")
	trail = append(trail,
		verdict(9, v1alpha1.VerdictCorrect, agent, ""), verdict(9, v1alpha1.VerdictCorrect, "", ""),
		verdict(9, v1alpha1.VerdictIncorrect, "reviewer", "bad_timing"), verdict(9, v1alpha1.VerdictIncorrect, "reviewer", "policy_block"),
		&v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{
			AgentIdentity: agent, Event: v1alpha1.AuditRequestFailed, PhaseTransition: &v1alpha1.PhaseTransition{From: v1alpha1.PhaseApproved},
		}},
		&v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{AgentIdentity: agent, Event: v1alpha1.AuditRequestApproved}},
		verdict(9, v1alpha1.VerdictCorrect, "reviewer", v1alpha1.VerdictWrongDiagnosis),
	)
	r := record(trail, executed("ccf"))
	s := r.Summary()
	if s.TotalReviewed != 5 || s.CorrectCount != 3 || s.PartialCount != 1 || s.IncorrectCount != 1 || *s.DiagnosticAccuracy != 0.7 ||
		strings.Join(s.RecentVerdicts, " ") != "r0 r1 r2 r3 r9" || !s.LastUpdatedAt.Time.Equal(start().Add(9*time.Minute)) {
		t.Errorf("summary %+v", s)
	}
	p := r.Profile(nil, policy())
	if p.TrustLevel != v1alpha1.TrustObserver || p.TotalExecutions != 3 || *p.SuccessRate != 2.0/3 || *p.RecentAccuracy != 0.625 || p.TotalReviewed != 5 {
		t.Errorf("profile %+v", p)
	}
	if s := record(graded(strings.Repeat("c", 150))); len(s.Grades) != 150 {
		t.Errorf("%d grades", len(s.Grades))
	} else if s := s.Summary(); len(s.RecentVerdicts) != 100 || s.RecentVerdicts[99] != "r149" || s.TotalReviewed != 150 {
		t.Errorf("recent %q", s.RecentVerdicts)
	}
	nobody := trust.Record{}
	if s, p := nobody.Summary(), nobody.Profile(nil, nil); s.DiagnosticAccuracy != nil || p.RecentAccuracy != nil || p.SuccessRate != nil || p.LastEvaluatedAt != nil {
		t.Errorf("of nobody: %+v, %+v", s, p)
	}
}

// policy lists its levels in another order than theirs.
func policy() *v1alpha1.AgentGraduationPolicy {
	return &v1alpha1.AgentGraduationPolicy{Spec: v1alpha1.AgentGraduationPolicySpec{
		EvaluationWindow: v1alpha1.EvaluationWindow{Count: 4},
		Levels: []v1alpha1.GraduationLevel{
			{
				Name: v1alpha1.TrustTrusted, CanExecute: true,
				Accuracy: &v1alpha1.AccuracyBand{Min: new(0.9), DemotionBuffer: new(0.15)}, Executions: &v1alpha1.ExecutionBand{Min: new(int64(2))},
			},
			{Name: v1alpha1.TrustObserver},
			{Name: v1alpha1.TrustAdvisor, CanExecute: true, RequiresHumanApproval: true, Accuracy: &v1alpha1.AccuracyBand{Min: new(0.5), Max: new(0.6)}},
		},
		DemotionPolicy: v1alpha1.DemotionPolicy{AccuracyDropThreshold: 0.25, WindowSize: 2, GracePeriod: "1h"},
	}}
}

func rose(to string, ago time.Duration) trust.History {
	return trust.History{{Number: 7, From: v1alpha1.TrustObserver, To: to, At: metav1.NewTime(start().Add(-ago))}}
}

func TestNext(t *testing.T) {
	t.Parallel()
	const observer, advisor, trusted = v1alpha1.TrustObserver, v1alpha1.TrustAdvisor, v1alpha1.TrustTrusted
	without := policy()
	without.Spec.Levels = without.Spec.Levels[:2]
	long := 2 * time.Hour
	for name, c := range map[string]struct {
		policy   *v1alpha1.AgentGraduationPolicy
		verdicts string
		ends     string
		history  trust.History
		to       string
		wait     time.Duration
	}{
		"nothing is known":                  {policy(), "", "", nil, "", 0},
		"no policy promotes nobody":         {nil, "cccc", "cccc", nil, "", 0},
		"one verdict is enough":             {policy(), "c", "", nil, advisor, 0},
		"above the band, nothing higher":    {policy(), "cccc", "c", nil, advisor, 0},
		"executions too":                    {policy(), "cccc", "ccf", nil, trusted, 0},
		"too few executions":                {policy(), "cccc", "c", rose(advisor, 0), "", 0},
		"old verdicts are forgotten":        {policy(), "iiiicccc", "cc", rose(advisor, 0), trusted, 0},
		"wrong too often":                   {policy(), "ciii", "", nil, "", 0},
		"rises no higher than it holds":     {policy(), "ccii", "", nil, "", 0},
		"within the buffer":                 {policy(), "cccp", "cc", rose(trusted, long), "", 0},
		"at the edge of the buffer":         {policy(), "ccpc", "cc", rose(trusted, long), "", 0},
		"falls":                             {policy(), "cccpp", "cc", rose(trusted, long), advisor, 0},
		"falls far":                         {policy(), "ccii", "cc", rose(trusted, long), observer, 0},
		"falls not yet":                     {policy(), "ccii", "cc", rose(trusted, 20*time.Minute), "", 40 * time.Minute},
		"few executions make nobody fall":   {policy(), "cccc", "", rose(trusted, long), "", 0},
		"the level is listed no more":       {without, "cccc", "cc", rose(advisor, 0), trusted, 0},
		"the level is gone, within grace":   {without, "cccc", "", rose(advisor, 0), observer, 0},
		"the policy is gone, within grace":  {nil, "cccc", "cc", rose(trusted, 0), observer, 0},
		"a level that nobody knows is none": {policy(), "c", "", rose("King", long), advisor, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(graded(c.verdicts), executed(c.ends))
			change, wait := trust.Next(c.policy, &r, c.history, start())
			to := ""
			if change != nil {
				to = change.To
				if change.From != c.history.Level() || change.Number != int64(len(c.history))*7+1 || !strings.Contains(change.Why, "from "+change.From+" to "+to) {
					t.Errorf("change %+v", change)
				}
			}
			if to != c.to || wait != c.wait {
				t.Errorf("to %q, wait %s; want %q, %s (%+v)", to, wait, c.to, c.wait, change)
			}
		})
	}
}

// TestHistory: the trail of changes is read in the order of their numbers, whatever their times.
func TestHistory(t *testing.T) {
	t.Parallel()
	changes := trust.History{
		{Number: 1, From: v1alpha1.TrustObserver, To: v1alpha1.TrustAdvisor, At: metav1.NewTime(start())},
		{Number: 2, From: v1alpha1.TrustAdvisor, To: v1alpha1.TrustObserver, At: metav1.NewTime(start().Add(time.Second))},
		{Number: 10, From: v1alpha1.TrustObserver, To: v1alpha1.TrustTrusted, At: metav1.NewTime(start().Add(time.Second))},
	}
	trail := graded("c")
	for _, i := range []int{2, 0, 1} {
		trail = append(trail, &v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{
			Event: v1alpha1.AuditTrustProfileUpdated, Timestamp: changes[i].At, Annotations: changes[i].Annotations(), AgentIdentity: agent,
		}})
	}
	h := trust.HistoryOf(trail)
	if len(h) != 3 || h.Level() != v1alpha1.TrustTrusted || h[1].Number != 2 {
		t.Errorf("history %+v", h)
	}
	r := record(trail)
	if p := r.Profile(h, policy()); !p.LastDemotedAt.Time.Equal(start().Add(time.Second)) || !p.LastPromotedAt.Time.Equal(start().Add(time.Second)) {
		t.Errorf("profile %+v", p)
	}
	if annotations := trail[3].Spec.Annotations; annotations["demoted"] != "true" || annotations["oldLevel"] != "Advisor" || annotations["newLevel"] != "Observer" {
		t.Errorf("annotations %v", annotations)
	}
}

func TestThrough(t *testing.T) {
	t.Parallel()
	free := policy()
	free.Spec.Levels = append(free.Spec.Levels, v1alpha1.GraduationLevel{Name: v1alpha1.TrustSupervised, CanExecute: true, RequiresHumanApproval: true})
	for name, c := range map[string]struct {
		policy           *v1alpha1.AgentGraduationPolicy
		level            string
		least, most      string
		refused          string
		counts           string
		executes, review bool
	}{
		"enough":                      {policy(), "Trusted", "Advisor", "Autonomous", "", "Trusted", true, false},
		"not more than the target's":  {policy(), "Trusted", "Advisor", "Advisor", "", "Advisor", true, true},
		"below the least itself":      {policy(), "Trusted", "Trusted", "Advisor", "", "Advisor", true, true},
		"too little":                  {policy(), "Advisor", "Supervised", "Autonomous", "asks for trust level Supervised; agent \"agent\" is Advisor", "Advisor", false, false},
		"graded only":                 {policy(), "Observer", "Observer", "Autonomous", "", "Observer", false, false},
		"a level that is not listed":  {policy(), "Autonomous", "Observer", "Autonomous", "", "Autonomous", false, false},
		"no level":                    {policy(), "", "Observer", "Autonomous", "", "Observer", false, false},
		"where everybody starts":      {free, "", "Supervised", "Autonomous", "", "Supervised", true, true},
		"no policy":                   {nil, "Trusted", "Observer", "Autonomous", "", "Observer", false, false},
		"no policy, too little":       {nil, "Trusted", "Advisor", "Autonomous", "has no AgentGraduationPolicy", "Observer", false, false},
		"a least that nobody reaches": {policy(), "Autonomous", "King", "Autonomous", "INSUFFICIENT_TRUST", "Autonomous", false, false},
		"a most below all":            {policy(), "Trusted", "Observer", "King", "", "King", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &v1alpha1.GovernedResource{Spec: v1alpha1.GovernedResourceSpec{
				TrustRequirements: &v1alpha1.TrustRequirements{MinTrustLevel: c.least, MaxAutonomyLevel: c.most},
			}}
			gate := trust.Through(g, c.policy, agent, c.level)
			if !strings.Contains(gate.Refused, c.refused) || (gate.Refused == "") != (c.refused == "") || gate.Level != c.counts ||
				gate.CanExecute != c.executes || gate.NeedsReview != c.review {
				t.Errorf("gate %+v", gate)
			}
			notes := gate.Annotations()
			if (notes[v1alpha1.AnnotationCanExecute] == "false") == c.executes || notes[v1alpha1.AnnotationTrustLevel] != c.counts ||
				c.executes && notes[v1alpha1.AnnotationRequiresHumanApproval] != fmt.Sprint(c.review) || len(notes) != 2 {
				t.Errorf("annotations %v", notes)
			}
		})
	}
	if trust.Asks(nil) || trust.Asks(&v1alpha1.GovernedResource{}) {
		t.Error("what asks for no trust asks for trust")
	}
}

func TestVerdictLimit(t *testing.T) {
	t.Parallel()
	p := policy()
	if got := trust.VerdictLimit(p, time.Hour); got != time.Hour {
		t.Errorf("not said: %s", got)
	}
	if got := trust.VerdictLimit(nil, time.Hour); got != time.Hour {
		t.Errorf("no policy: %s", got)
	}
	p.Spec.AwaitingVerdictTTL = "1h30m"
	if got := trust.VerdictLimit(p, time.Hour); got != 90*time.Minute {
		t.Errorf("said: %s", got)
	}
}
