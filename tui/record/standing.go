package record

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

// verdict says where the request stands and why: what people said comes before what policies did.
func (w *writer) verdict(r *v1alpha1.AgentRequest) {
	switch r.Status.Phase {
	case "":
		w.heading("NOT LOOKED AT YET", "")
		w.decided(r)
	case v1alpha1.PhasePending:
		w.pending(r)
		w.decided(r)
	default:
		w.heading(strings.ToUpper(string(r.Status.Phase)), "")
		w.decided(r)
		w.rules(r.Status.PolicyResults)
	}
}

// decided says what was decided, by whom, and what came of it.
func (w *writer) decided(r *v1alpha1.AgentRequest) {
	if h := r.Spec.HumanApproval; h != nil {
		w.field(h.Decision+" by", id(cmp.Or(h.ApprovedBy, "a reviewer who gave no name")))
		if h.Reason != "" {
			w.quote(h.Reason)
		}
	}
	w.denial(r.Status.Denial)
	w.grade(r.Status)
	if result := r.Status.Result; result != nil {
		w.field("result", id(result.URL))
		w.quote(result.Summary)
	}
}

// pending says what a request waits for.
func (w *writer) pending(r *v1alpha1.AgentRequest) {
	held := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionRequiresApproval)
	if held == nil || held.Status != metav1.ConditionTrue {
		w.heading("POLICIES ARE BEING EVALUATED", "")
		w.rules(r.Status.PolicyResults)
		return
	}
	w.heading("WHY IT WAITS", "")
	w.note(cmp.Or(held.Message, held.Reason, "a policy asks for a reviewer's decision"))
	w.rules(r.Status.PolicyResults)
}

// rules lists what policies said.
func (w *writer) rules(results []v1alpha1.PolicyResult) {
	for _, p := range results {
		w.field("policy", line(fmt.Sprintf("%s, rule %s: %s (generation %d)", p.PolicyName, p.RuleName, p.Result, p.PolicyGeneration)))
		w.explain(p)
	}
}

// explain writes the expression of a rule, where it is known, and the values that it saw.
func (w *writer) explain(p v1alpha1.PolicyResult) {
	i := slices.IndexFunc(w.why, func(r Rule) bool { return r.Policy == p.PolicyName && r.Name == p.RuleName })
	if i < 0 {
		return
	}
	if w.why[i].Newer {
		w.put("    ", ours("the policy was changed since; it now says"), w.look.Soon.Render)
	}
	for _, l := range strings.Split(w.why[i].Expression, "\n") {
		w.put("    ", line(l), w.look.Accent.Render)
	}
	for _, v := range w.why[i].Values {
		w.put("      ", line(v.Name)+ours(" = ")+line(v.Value), nil)
	}
}

// denial says why a request was denied or failed.
func (w *writer) denial(d *v1alpha1.Denial) {
	if d == nil {
		return
	}
	w.field(d.Code, line(d.Message))
	w.rules(d.PolicyResults)
	if d.RetryAfterSeconds != nil {
		w.field("retry after", ours((time.Duration(*d.RetryAfterSeconds) * time.Second).String()))
	}
}

// grade says how a reviewer graded a request that was not executed.
func (w *writer) grade(s v1alpha1.AgentRequestStatus) {
	if s.Verdict == "" {
		return
	}
	w.field("graded", line(strings.TrimSpace(s.Verdict+" "+s.VerdictReasonCode)))
	w.fieldIf("graded by", id(s.VerdictBy))
	if s.VerdictAt != nil {
		w.field("graded at", ours(s.VerdictAt.In(w.zone).Format(stamp)))
	}
	if s.VerdictNote != "" {
		w.quote(s.VerdictNote)
	}
}

// rivals lists who else wants or has the target. Only one at a time may act on it.
func (w *writer) rivals(others []*v1alpha1.AgentRequest) {
	if len(others) == 0 {
		return
	}
	w.heading("SAME TARGET", plural(len(others), "other request"))
	others = slices.Clone(others)
	slices.SortStableFunc(others, func(a, b *v1alpha1.AgentRequest) int { return holding(b) - holding(a) })
	for _, o := range others[:min(len(others), rivalsShown)] {
		words := id(o.Spec.AgentIdentity) + ours(" ") + id(o.Spec.Action) + ours(" "+w.look.Dot+" ") + id(o.Name)
		if holding(o) > 0 {
			w.labelled("  ", string(o.Status.Phase), words+ours(", holds the target"), w.look.Alert.Render)
			continue
		}
		w.field(string(o.Status.Phase), words)
	}
	if more := len(others) - rivalsShown; more > 0 {
		w.put("  ", ours("and "+plural(more, "more request")), w.look.Dim.Render)
	}
}

// rivalsShown is how many rivals are listed.
const rivalsShown = 20

// holding is 1 for a request that has its target for itself.
func holding(r *v1alpha1.AgentRequest) int {
	if r.Status.Phase == v1alpha1.PhaseApproved || r.Status.Phase == v1alpha1.PhaseExecuting {
		return 1
	}
	return 0
}

// pairFrom is the width from which what the agent says and what was verified stand side by side.
const pairFrom = 48

// claims puts what the agent says beside what the gateway itself saw, and marks what does not fit.
func (w *writer) claims(r *v1alpha1.AgentRequest) {
	v := r.Status.ControlPlaneVerification
	if v == nil {
		return
	}
	when := v.FetchedAt.In(w.zone).Format(time.TimeOnly)
	if w.width < pairFrom {
		w.heading("VERIFIED", v.FetchedAt.In(w.zone).Format(stamp))
		w.lines = append(w.lines, w.column("  ", w.seen(r, v), w.width)...)
		return
	}
	w.lines = append(w.lines, "")
	half := (w.width - 2) / 2
	left := append([]string{w.look.Title.Render("THE AGENT SAYS")}, w.column(w.bar, w.said(r), half)...)
	right := append([]string{w.look.Title.Render("VERIFIED  " + when)}, w.column("", w.seen(r, v), w.width-half-2)...)
	for i := range max(len(left), len(right)) {
		var l, r string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		w.lines = append(w.lines, strings.TrimRight(text.Fit(l, half, "")+"  "+r, " "))
	}
}

// claim is one line of either side; wrong says that it does not fit with the other.
type claim struct {
	text  safe
	wrong bool
}

// column lays claims out in width columns.
func (w *writer) column(lead string, claims []claim, width int) []string {
	var lines []string
	for _, c := range claims {
		words, style := c.text, w.look.Plain.Render
		if c.wrong {
			words, style = ours(w.look.Denied+" ")+words, w.look.Alert.Render
		}
		plain := string(words)
		for _, l := range text.Wrap(w.ascii(plain), max(width-text.Width(lead), 1)) {
			lines = append(lines, lead+style(l))
		}
	}
	return lines
}

// saidLimit is how much of the reason stands beside what was verified; it follows whole.
const saidLimit = 90

// saidWhole reports whether the whole reason stands beside what was verified, so that it need not follow.
func (w *writer) saidWhole(r *v1alpha1.AgentRequest) bool {
	reason := strings.TrimSpace(r.Spec.Reason)
	return r.Status.ControlPlaneVerification != nil && w.width >= pairFrom && reason != "" && !strings.Contains(reason, "\n") &&
		text.Width(string(line(reason))) <= saidLimit
}

// said is what the agent claims, in short.
func (w *writer) said(r *v1alpha1.AgentRequest) []claim {
	first, _, _ := strings.Cut(strings.TrimSpace(r.Spec.Reason), "\n")
	claims := []claim{{text: safe(text.Cut(string(line(first)), saidLimit, w.look.Cut))}}
	if t := r.Spec.ReasoningTrace; t != nil && t.ConfidenceScore != nil {
		claims = append(claims, claim{text: ours("confidence " + number(*t.ConfidenceScore))})
	}
	if c := r.Spec.CascadeModel; c != nil {
		claims = append(claims, claim{text: ours("also touches " + plural(len(c.AffectedTargets), "target"))})
	}
	return claims
}

// seen is what the gateway saw of the target. Live endpoints, a target that is not there, and users of the target that
// the agent does not name speak against every claim.
func (w *writer) seen(r *v1alpha1.AgentRequest, v *v1alpha1.ControlPlaneVerification) []claim {
	if !v.TargetExists {
		return []claim{{text: ours("the target does not exist"), wrong: true}}
	}
	claims := []claim{{text: ours("the target exists")}}
	if v.HasActiveEndpoints {
		claims = append(claims, claim{text: ours(plural(int(v.ActiveEndpointCount), "live endpoint")), wrong: true})
	} else {
		claims = append(claims, claim{text: ours("no live endpoints")})
	}
	claims = append(claims, claim{text: ours(fmt.Sprintf("%d of %d replicas ready", v.ReadyReplicas, v.SpecReplicas))})
	for _, service := range v.DownstreamServices {
		named := r.Spec.CascadeModel != nil && slices.ContainsFunc(r.Spec.CascadeModel.AffectedTargets,
			func(t v1alpha1.AffectedTarget) bool { return strings.HasSuffix(t.URI, "/"+service) })
		words := ours("used by ") + id(service)
		if !named {
			words += ours(", not declared")
		}
		claims = append(claims, claim{text: words, wrong: !named})
	}
	return claims
}
