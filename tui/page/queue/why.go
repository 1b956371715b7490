package queue

import (
	"cmp"
	"fmt"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
)

// reviewer is the role that decides and grades.
const reviewer = "reviewer"

// undecided reports whether item waits and nothing is on its way.
func (q *Queue) undecided(item feed.Item) bool {
	_, sent := q.sent[item.Key()]
	return !sent && waits(item.AgentRequest)
}

// whyNot says why the request under the cursor cannot be approved or denied, in the order in which it would matter;
// it is empty when nothing is in the way.
func (q *Queue) whyNot(approve bool) string {
	if cause := q.whyNotAtAll(); cause != "" {
		return cause
	}
	if len(q.marks) > 0 {
		if n := len(q.unread(q.marked())); approve && n > 0 {
			return fmt.Sprintf("%d of %d not read to the end", n, len(q.marks))
		}
		return ""
	}
	if approve && !q.wholeWasShown(q.cursor.item) {
		if q.layout.textHeight == 0 {
			return "not read yet, " + shown(q.keys.open) + " shows it"
		}
		return "not read to the end, " + shown(q.keys.textPageDn) + " reads on"
	}
	return ""
}

// onlyUnread reports whether all that is in the way of an approval is that the text was not read.
func (q *Queue) onlyUnread() bool { return q.whyNotAtAll() == "" && q.whyNot(true) != "" }

func (q *Queue) whyNotAtAll() string {
	r := q.cursor.item.AgentRequest
	_, sent := q.sent[q.cursor.key]
	switch {
	case q.ReadOnly:
		return "read-only"
	case r == nil:
		return "nothing to decide"
	case q.snapshot.Lacks(reviewer) != "":
		return q.snapshot.Lacks(reviewer)
	case len(q.marks) > 0:
		return q.resting() // what is marked was looked at when it was marked
	default:
		return q.whyNotThis(r, sent)
	}
}

// resting says why the decision keys rest, if they do.
func (q *Queue) resting() string {
	if q.rest.on {
		return q.rest.cause
	}
	return ""
}

// whyNotThis says what about the request under the cursor is in the way of a decision.
func (q *Queue) whyNotThis(r *v1alpha1.AgentRequest, sent bool) string {
	switch {
	case q.cursor.gone:
		return "it was deleted"
	case sent:
		return "being sent"
	case r.Status.Phase == v1alpha1.PhaseAwaitingVerdict:
		return "not executed: to be graded"
	case outcome(r) != "":
		return outcome(r)
	case isOwn(r, q.snapshot.Who.Identity):
		return "own request, use another reviewer"
	case !waits(r):
		return "policies are being evaluated"
	default:
		return q.resting()
	}
}

// isOwn reports whether identity asked for r. Nobody decides what they asked for.
func isOwn(r *v1alpha1.AgentRequest, identity string) bool {
	return identity != "" &&
		(r.Spec.AgentIdentity == identity || r.Annotations[v1alpha1.AnnotationSubmittedBy] == identity)
}

// outcome says what became of a request that waits no more, for example "already denied by bob"; it is empty for one
// that does.
func outcome(r *v1alpha1.AgentRequest) string {
	if h := r.Spec.HumanApproval; h != nil {
		return fmt.Sprintf("already %s by %s", safetext.ID(h.Decision), safetext.ID(cmp.Or(h.ApprovedBy, "a reviewer")))
	}
	if r.Status.Phase == v1alpha1.PhasePending || r.Status.Phase == "" {
		return ""
	}
	return "phase " + safetext.ID(string(r.Status.Phase)) + ", nothing to decide"
}
