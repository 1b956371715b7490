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
	"github.com/aip-dev/aip-dev/tui/theme"
)

// stamp is how moments are written.
const stamp = "2006-01-02 15:04:05 MST"

// Lines returns the record of r for width columns, with times in zone.
func Lines(r *v1alpha1.AgentRequest, look theme.Theme, zone *time.Location, width int) []string {
	w := &writer{look: look, zone: zone, width: max(width, 4), bar: look.Dim.Render(look.Quote) + " "}
	w.top(r)
	w.verdict(r)
	w.verification(r.Status.ControlPlaneVerification)
	w.heading("REASON", "")
	w.quote(r.Spec.Reason)
	w.cascade(r.Spec.CascadeModel)
	w.parameters(r.Spec.Parameters)
	w.reasoning(r.Spec.ReasoningTrace)
	w.scope(r.Spec)
	w.more(r)
	w.timeline(r)
	return w.lines
}

// top says who asks for what.
func (w *writer) top(r *v1alpha1.AgentRequest) {
	w.title(id(r.Spec.Action), id(r.Spec.Target.URI))
	w.names(id(r.Spec.AgentIdentity)+safe(" "+w.look.Dot+" ")+id(r.Namespace+"/"+r.Name), nil)
	if by := r.Annotations[v1alpha1.AnnotationSubmittedBy]; by != "" && by != r.Spec.AgentIdentity {
		w.field("submitted by", id(by))
	}
	w.field("created", ours(r.CreationTimestamp.In(w.zone).Format(stamp)))
}

// verdict says where the request stands and why.
func (w *writer) verdict(r *v1alpha1.AgentRequest) {
	switch r.Status.Phase {
	case "":
		w.heading("NOT LOOKED AT YET", "")
	case v1alpha1.PhasePending:
		w.pending(r)
	default:
		w.heading(strings.ToUpper(string(r.Status.Phase)), "")
	}
	if d := r.Status.Denial; d != nil {
		w.field(d.Code, line(d.Message))
		for _, p := range d.PolicyResults {
			w.field("policy", line(fmt.Sprintf("%s, rule %s: %s (generation %d)", p.PolicyName, p.RuleName, p.Result,
				p.PolicyGeneration)))
		}
		if d.RetryAfterSeconds != nil {
			w.field("retry after", ours((time.Duration(*d.RetryAfterSeconds) * time.Second).String()))
		}
	}
	if h := r.Spec.HumanApproval; h != nil {
		w.field(h.Decision+" by", id(cmp.Or(h.ApprovedBy, "a reviewer who gave no name")))
		if h.Reason != "" {
			w.quote(h.Reason)
		}
	}
	if result := r.Status.Result; result != nil {
		w.field("result", id(result.URL))
		w.quote(result.Summary)
	}
}

func (w *writer) pending(r *v1alpha1.AgentRequest) {
	held := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionRequiresApproval)
	if held == nil || held.Status != metav1.ConditionTrue {
		w.heading("POLICIES ARE BEING EVALUATED", "")
		return
	}
	w.heading("WHY IT WAITS", "")
	w.note(cmp.Or(held.Message, held.Reason, "a policy asks for a reviewer's decision"))
}

// verification says what the gateway itself saw of the target.
func (w *writer) verification(v *v1alpha1.ControlPlaneVerification) {
	if v == nil {
		return
	}
	w.heading("VERIFIED", v.FetchedAt.In(w.zone).Format(stamp))
	exists := "exists"
	if !v.TargetExists {
		exists = "does not exist"
	}
	w.field("target", ours(exists))
	switch {
	case v.HasActiveEndpoints:
		w.alert("endpoints", fmt.Sprintf("%d live: approving needs a reason", v.ActiveEndpointCount))
	default:
		w.field("endpoints", ours(fmt.Sprintf("none live (%d)", v.ActiveEndpointCount)))
	}
	w.field("replicas", ours(fmt.Sprintf("%d of %d ready", v.ReadyReplicas, v.SpecReplicas)))
	if len(v.DownstreamServices) > 0 {
		w.field("used by", id(strings.Join(v.DownstreamServices, ", ")))
	}
	w.fieldIf("state", id(v.EvaluatedStateFingerprint))
}

func (w *writer) cascade(c *v1alpha1.CascadeModel) {
	if c == nil {
		return
	}
	w.heading("ALSO TOUCHES", plural(len(c.AffectedTargets), "target"))
	for _, t := range c.AffectedTargets {
		w.quoteField(t.EffectType, id(t.URI))
	}
	w.quoteField("source", line(strings.TrimSpace(c.ModelSourceTrust+" "+c.ModelSourceID)))
}

func (w *writer) reasoning(t *v1alpha1.ReasoningTrace) {
	if t == nil {
		return
	}
	w.heading("REASONING", "")
	if t.ConfidenceScore != nil {
		w.quoteField("confidence", ours(number(*t.ConfidenceScore)))
	}
	for _, part := range sortedKeys(t.ComponentConfidence) {
		w.quoteField("confidence", line(part+" "+number(t.ComponentConfidence[part])))
	}
	w.quoteField("calibration", line(t.CalibrationEvidence))
	w.quoteField("trace", line(t.TraceReference))
	for _, a := range t.Alternatives {
		w.quoteField("alternative", line(a))
	}
}

func (w *writer) scope(s v1alpha1.AgentRequestSpec) {
	if s.ScopeBounds == nil && (s.ExecutionMode == "" || s.ExecutionMode == "single") {
		return
	}
	w.heading("SCOPE", s.ExecutionMode)
	if b := s.ScopeBounds; b != nil {
		for _, action := range b.PermittedActions {
			w.quoteField("action", id(action))
		}
		for _, pattern := range b.PermittedTargetPatterns {
			w.quoteField("targets", id(pattern))
		}
		w.quoteField("for", ours((time.Duration(b.TimeBoundSeconds) * time.Second).String()))
	}
}

// more lists the fields that seldom matter.
func (w *writer) more(r *v1alpha1.AgentRequest) {
	s := r.Spec
	w.heading("MORE", "")
	w.fieldIf("mode", line(s.Mode))
	w.fieldIf("class", line(s.Classification))
	w.quoteFieldIf("dedup key", line(s.DedupKey))
	w.quoteFieldIf("plan", line(s.IntentPlanRef))
	w.quoteFieldIf("type", line(s.Target.ResourceType))
	for _, k := range sortedKeys(s.Target.Attributes) {
		w.quoteField("attribute", line(k+" = "+s.Target.Attributes[k]))
	}
	if s.Priority != nil {
		w.quoteField("priority", ours(fmt.Sprint(*s.Priority)))
	}
	if s.Interruptibility != nil {
		w.quoteField("interruptible", ours(fmt.Sprint(*s.Interruptibility)))
	}
	for _, k := range sortedKeys(r.Labels) {
		w.quoteField("label", line(k+" = "+r.Labels[k]))
	}
	for _, ref := range []*v1alpha1.GovernedResourceRef{s.GovernedResourceRef, r.Status.GovernedResourceRef} {
		if ref != nil {
			w.field("governed by", line(fmt.Sprintf("%s, generation %d", ref.Name, ref.Generation)))
		}
	}
	w.fieldIf("lease", id(r.Status.LeaseName))
	w.field("version", id(fmt.Sprintf("%s, evaluation %d", r.ResourceVersion, r.Status.EvaluationGeneration)))
}

// timeline lists the conditions in the order in which they came about.
func (w *writer) timeline(r *v1alpha1.AgentRequest) {
	conditions := slices.Clone(r.Status.Conditions)
	slices.SortStableFunc(conditions, func(a, b metav1.Condition) int {
		return a.LastTransitionTime.Compare(b.LastTransitionTime.Time)
	})
	day := r.CreationTimestamp.In(w.zone)
	w.heading("TIMELINE", day.Format("2006-01-02 MST"))
	w.event(day, day, "created", "")
	for _, c := range conditions {
		what := c.Type
		if c.Status != metav1.ConditionTrue {
			what += " is " + string(c.Status)
		}
		w.event(day, c.LastTransitionTime.Time, what, cmp.Or(c.Message, c.Reason))
	}
}
