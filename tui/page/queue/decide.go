package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
)

// reasonLimit is how many characters a reason may have.
const reasonLimit = 1000

// form asks for the reason of one decision about one version of one request. What it is about does not change, even
// if the request does.
type form struct {
	approve bool
	// unread says that the reviewer chose to approve without having seen the end of the record.
	unread bool
	// item is the version that was on the screen when the form was opened.
	item   feed.Item
	reason prompt.Prompt
}

// needsReason reports whether the decision cannot be sent without a reason: the agent reads why it was denied, and the
// gateway wants to know why live endpoints do not matter.
func (f *form) needsReason() bool {
	v := f.item.Status.ControlPlaneVerification
	return !f.approve || v != nil && v.HasActiveEndpoints
}

func (f *form) verb() string {
	if f.approve {
		return "approve"
	}
	return "deny"
}

// blocked says why the form cannot be sent at the moment; it is empty when it can.
func (f *form) blocked(q *Queue) string {
	switch now := q.cursor.item; {
	case !q.snapshot.Current():
		return offline(q.snapshot)
	case q.cursor.gone:
		return "it was deleted"
	case outcome(now.AgentRequest) != "":
		return outcome(now.AgentRequest)
	case now.ResourceVersion != f.item.ResourceVersion:
		return "it changed since you read it, esc and read again"
	case f.needsReason() && strings.TrimSpace(f.reason.Value()) == "":
		return "a reason is needed"
	default:
		return ""
	}
}

// ask opens the form for the request under the cursor, if it can be decided. unread overrides the rule that the end
// of the record must have been seen.
func (q *Queue) ask(approve, unread bool) tea.Cmd {
	if cause := q.whyNot(approve); cause != "" && (!unread || !q.onlyUnread()) {
		return nil
	}
	f := &form{
		approve: approve, unread: unread && !q.wholeWasShown(q.cursor.item), item: q.cursor.item,
		reason: prompt.New(q.Look, reasonLimit),
	}
	f.reason.SetValue(q.drafts[q.cursor.key])
	q.form = f
	return nil
}

// typeReason takes a key while the form is open.
func (q *Queue) typeReason(msg tea.KeyMsg) tea.Cmd {
	f := q.form
	switch {
	case key.Matches(msg, q.keys.cancel):
		q.drafts[f.item.Key()] = f.reason.Value()
		q.form = nil
		return nil
	case key.Matches(msg, q.keys.send):
		if f.blocked(q) != "" {
			return nil
		}
		return q.send(f)
	default:
		return f.reason.Update(msg)
	}
}

// send sends the decision of the form and goes on to the next request that waits.
func (q *Queue) send(f *form) tea.Cmd {
	key := f.item.Key()
	q.form = nil
	q.drafts[key] = f.reason.Value()
	q.sent[key] = struct{}{}
	cmd := q.decision(f)
	if next := nextWaiting(q.rows, q.cursor.at, q.undecided); next >= 0 {
		q.goTo(next)
		return tea.Batch(cmd, q.rest.begin(q, cameUp))
	}
	return cmd
}

// settle takes in what became of a decision.
func (q *Queue) settle(d decided) tea.Cmd {
	if d.queue != q {
		return nil
	}
	delete(q.sent, d.item.Key())
	if d.err != nil {
		return page.Notify(page.Alert, q.Look.Failed+" "+d.failure())
	}
	delete(q.drafts, d.item.Key())
	if !d.tookEffect() {
		return page.Notify(page.Info, fmt.Sprintf("%s stored, phase is still %s: %s", d.noun(),
			safetext.ID(string(d.reviewed.Phase)), label(d.item)))
	}
	sign := q.Look.Denied
	if d.approve {
		sign = q.Look.Approved
	}
	return page.Notify(page.Good, fmt.Sprintf("%s %s by you, phase %s: %s", sign, d.participle(),
		safetext.ID(string(d.reviewed.Phase)), label(d.item)))
}

// label names a request in a line about something else.
func label(item feed.Item) string {
	return safetext.ID(item.Spec.Action) + " " + safetext.ID(shortTarget(item.Spec.Target.URI))
}

// failure says what went wrong with a decision, in one line.
func (d decided) failure() string {
	what := "not " + d.participle()
	if errors.Is(d.err, client.ErrUnavailable) || errors.Is(d.err, context.DeadlineExceeded) {
		// The gateway may have got it before the connection broke.
		what = "not known whether " + d.participle()
	}
	return fmt.Sprintf("%s: %s (%s)", what, safetext.Line(d.err.Error()), label(d.item))
}
