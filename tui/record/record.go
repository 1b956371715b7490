package record

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// stamp is how moments are written.
const stamp = "2006-01-02 15:04:05 MST"

// Options say how a record is drawn.
type Options struct {
	Look  theme.Theme
	Zone  *time.Location
	Width int
	// Ends is what happens to the request by itself; the zero Deadline is nothing.
	Ends deadline.Deadline
	// Rivals are the other requests about the same target that are not over; the first are listed, and first of all the one that
	// holds the target.
	Rivals []*v1alpha1.AgentRequest
	// Live is the target as it was seen since; nil when nobody looked.
	Live *Live
	// Why explains the rules that spoke, as far as they are known.
	Why []Rule
}

// Rival reports whether other is about the target of r, too, and not over.
func Rival(r, other *v1alpha1.AgentRequest) bool {
	return other.Spec.Target.URI == r.Spec.Target.URI && !other.Status.Phase.Terminal() &&
		(other.UID != r.UID || other.Namespace != r.Namespace || other.Name != r.Name)
}

// Lines returns the record of r.
func Lines(r *v1alpha1.AgentRequest, o Options) []string {
	w := &writer{look: o.Look, zone: o.Zone, width: max(o.Width, 4), bar: o.Look.Dim.Render(o.Look.Quote) + " ", why: o.Why}
	w.top(r)
	if !o.Ends.At.IsZero() {
		w.field("ends", ours(o.Ends.At.In(o.Zone).Format(stamp)+", "+o.Ends.What))
	}
	w.verdict(r)
	w.claims(r)
	w.live(r, o.Live)
	if !w.saidWhole(r) {
		w.heading("REASON", "")
		w.quote(r.Spec.Reason)
	}
	w.cascade(r.Spec.CascadeModel)
	w.rivals(o.Rivals)
	w.value("PARAMETERS", r.Spec.Parameters)
	w.value("CONTEXT", r.Status.ProviderContext)
	w.reasoning(r.Spec.ReasoningTrace)
	w.scope(r.Spec)
	w.more(r)
	w.timeline(r)
	return w.lines
}

// top says who asks for what.
func (w *writer) top(r *v1alpha1.AgentRequest) {
	w.title(id(r.Spec.Action), id(r.Spec.Target.URI))
	dot := ours(" " + w.look.Dot + " ")
	who, created := id(r.Spec.AgentIdentity)+dot+id(r.Namespace+"/"+r.Name), ours(r.CreationTimestamp.In(w.zone).Format(stamp))
	if text.Width(w.ascii(string(who+dot+created))) <= w.width {
		w.names(who+dot+created, nil)
	} else {
		w.names(who, nil)
		w.put("  ", created, nil)
	}
	if by := r.Annotations[v1alpha1.AnnotationSubmittedBy]; by != "" && by != r.Spec.AgentIdentity {
		w.field("submitted by", id(by))
	}
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
			w.field("governed by", line(strings.TrimSuffix(fmt.Sprintf("%s, generation %d, %s", ref.Name, ref.Generation, ref.UID), ", ")))
		}
	}
	w.fieldIf("lease", id(r.Status.LeaseName))
	w.fieldIf("fingerprint", id(r.Status.EvaluationFingerprint))
	w.fieldIf("drifted from", id(r.Status.DriftedFrom))
	if v := r.Status.ControlPlaneVerification; v != nil {
		w.fieldIf("state", id(v.EvaluatedStateFingerprint))
	}
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
	before := ""
	for _, c := range conditions {
		what := c.Type
		if c.Status != metav1.ConditionTrue {
			what += " is " + string(c.Status)
		}
		message := c.Message
		if message == before {
			message = "" // it stands in the line above
		}
		before = c.Message
		w.event(day, c.LastTransitionTime.Time, what, cmp.Or(message, c.Reason))
	}
}
