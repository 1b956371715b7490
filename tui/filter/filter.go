// Package filter is the language in which reviewers say which requests they want to see: words that must be in a
// request, field:value for one field, is:state for a state, and ! before any of them for the opposite. All parts must
// be true. Text goes in, a predicate comes out.
package filter

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/deadline"
)

// Context is what the answer depends on besides the request.
type Context struct {
	Now time.Time
	// Me is the identity that looks.
	Me     string
	Limits deadline.Limits
}

// Soon is how close a deadline is for is:expiring.
const Soon = 2 * time.Minute

// Query is a parsed filter. The zero Query matches everything.
type Query struct{ terms []term }

// term is one part of a query.
type term struct {
	not   bool
	match func(r *v1alpha1.AgentRequest, c Context) bool
}

// Parse reads a filter. Every text is one: what has no meaning of its own is a word to look for.
func Parse(text string) Query {
	var q Query
	for _, part := range strings.Fields(strings.ToLower(text)) {
		t := term{}
		for len(part) > 1 && part[0] == '!' {
			t.not, part = !t.not, part[1:]
		}
		t.match = meaning(part)
		q.terms = append(q.terms, t)
	}
	return q
}

// Match reports whether r is what the query asks for.
func (q Query) Match(r *v1alpha1.AgentRequest, c Context) bool {
	for _, t := range q.terms {
		if t.match(r, c) == t.not {
			return false
		}
	}
	return true
}

// Timed reports whether the answer can change while nothing but time passes.
func Timed(text string) bool {
	return strings.Contains(text, "is:expiring") || strings.Contains(text, "is:today")
}

// Names returns what can stand before a colon, for the help.
func Names() (fields, states []string) {
	for f := range fieldTable() {
		fields = append(fields, f)
	}
	for s := range stateTable() {
		states = append(states, s)
	}
	slices.Sort(fields)
	slices.Sort(states)
	return fields, states
}

// meaning returns what one part of a filter, in lower case, asks for.
func meaning(part string) func(*v1alpha1.AgentRequest, Context) bool {
	name, value, ok := strings.Cut(part, ":")
	if ok && name == "is" {
		if state, known := stateTable()[value]; known {
			return state
		}
	}
	if field, known := fieldTable()[name]; ok && known {
		return func(r *v1alpha1.AgentRequest, _ Context) bool {
			return strings.Contains(strings.ToLower(field(r)), value)
		}
	}
	fields := wordFields()
	return func(r *v1alpha1.AgentRequest, _ Context) bool {
		return slices.ContainsFunc(fields, func(field func(*v1alpha1.AgentRequest) string) bool {
			return strings.Contains(strings.ToLower(field(r)), part)
		})
	}
}

func fieldTable() map[string]func(*v1alpha1.AgentRequest) string {
	return map[string]func(*v1alpha1.AgentRequest) string{
		"agent":     func(r *v1alpha1.AgentRequest) string { return r.Spec.AgentIdentity },
		"action":    func(r *v1alpha1.AgentRequest) string { return r.Spec.Action },
		"target":    func(r *v1alpha1.AgentRequest) string { return r.Spec.Target.URI },
		"name":      func(r *v1alpha1.AgentRequest) string { return r.Name },
		"namespace": func(r *v1alpha1.AgentRequest) string { return r.Namespace },
		"phase":     func(r *v1alpha1.AgentRequest) string { return string(r.Status.Phase) },
		"reason":    func(r *v1alpha1.AgentRequest) string { return r.Spec.Reason },
		"class":     func(r *v1alpha1.AgentRequest) string { return r.Spec.Classification },
		"by":        decidedBy,
	}
}

// wordFields are the fields in which a bare word is looked for.
func wordFields() []func(*v1alpha1.AgentRequest) string {
	all := fieldTable()
	var fields []func(*v1alpha1.AgentRequest) string
	for _, name := range []string{"agent", "action", "target", "name", "namespace", "phase", "reason"} {
		fields = append(fields, all[name])
	}
	return fields
}

func stateTable() map[string]func(*v1alpha1.AgentRequest, Context) bool {
	return map[string]func(*v1alpha1.AgentRequest, Context) bool{
		"waiting": func(r *v1alpha1.AgentRequest, _ Context) bool { return Waits(r) },
		"ungraded": func(r *v1alpha1.AgentRequest, _ Context) bool {
			return r.Status.Phase == v1alpha1.PhaseAwaitingVerdict
		},
		"decided":  func(r *v1alpha1.AgentRequest, _ Context) bool { return r.Spec.HumanApproval != nil },
		"expiring": expiring,
		"mine": func(r *v1alpha1.AgentRequest, c Context) bool {
			return c.Me != "" && (r.Spec.AgentIdentity == c.Me || r.Annotations[v1alpha1.AnnotationSubmittedBy] == c.Me || decidedBy(r) == c.Me)
		},
		"today": today,
	}
}

func decidedBy(r *v1alpha1.AgentRequest) string {
	if r.Spec.HumanApproval == nil {
		return ""
	}
	return r.Spec.HumanApproval.ApprovedBy
}

func expiring(r *v1alpha1.AgentRequest, c Context) bool {
	d := c.Limits.Of(r)
	return !d.At.IsZero() && !c.Now.IsZero() && d.At.Sub(c.Now) < Soon
}

// today reports whether r was decided, or else created, on the day of c.Now.
func today(r *v1alpha1.AgentRequest, c Context) bool {
	at := r.CreationTimestamp.Time
	if decided := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionApproved); decided != nil {
		at = decided.LastTransitionTime.Time
	}
	y, m, d := at.In(c.Now.Location()).Date()
	ny, nm, nd := c.Now.Date()
	return y == ny && m == nm && d == nd
}

// Waits reports whether r waits for a reviewer.
func Waits(r *v1alpha1.AgentRequest) bool {
	return r.Status.Phase == v1alpha1.PhasePending && r.Spec.HumanApproval == nil &&
		meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionRequiresApproval)
}
