package queue

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/when"
	"github.com/aip-dev/aip-dev/tui/record"
)

// lookAfter is the age from which a verification is old: approving looks at the target again.
const lookAfter = time.Minute

// sight is what the gateway saw of a target when it was asked again, about one version of a request.
type sight struct {
	record.Live
	version string
	asking  bool
	// number tells one from another.
	number int
}

// looked is the answer.
type looked struct {
	queue *Queue
	item  feed.Item
	live  record.Live
}

// targetChanged is the cause of a rest.
const targetChanged = "the target changed, one moment"

// whyNoLook says why the target of the request under the cursor cannot be looked at now. ok is false when there is
// nothing to look at.
func (q *Queue) whyNoLook() (cause string, ok bool) {
	switch {
	case q.Target == nil || q.Read == nil || q.cursor.item.AgentRequest == nil || q.cursor.gone || !waits(q.cursor.item.AgentRequest):
		return "", false
	case q.snapshot.Lacks(reviewer) != "":
		return q.snapshot.Lacks(reviewer), true
	case q.sights[q.cursor.key].asking:
		return "looking", true
	default:
		return "", true
	}
}

// lookAgain asks the gateway how the target of the request under the cursor is now.
func (q *Queue) lookAgain() tea.Cmd {
	if cause, ok := q.whyNoLook(); !ok || cause != "" {
		return nil
	}
	item := q.cursor.item
	old := q.sights[item.Key()]
	old.asking = true
	q.sights[item.Key()] = old
	at := q.now
	return q.Read(func(ctx context.Context) tea.Msg {
		l := looked{queue: q, item: item, live: record.Live{At: at}}
		t, err := q.Target(ctx, item.Namespace, item.Name)
		if err != nil {
			l.live.Failed = err.Error()
		}
		l.live.Target = t
		return l
	})
}

// lookIfOld looks again when what was verified is old, or was never looked at.
func (q *Queue) lookIfOld() tea.Cmd {
	v := q.cursor.item.Status.ControlPlaneVerification
	if v == nil || q.now.Sub(v.FetchedAt.Time) < lookAfter {
		return nil
	}
	if last, ok := q.sightOf(q.cursor.item); ok && last.Failed == "" && q.now.Sub(last.At) < lookAfter {
		return nil
	}
	return q.lookAgain()
}

// sightOf returns what was seen of the target of this version of a request.
func (q *Queue) sightOf(item feed.Item) (sight, bool) {
	s, ok := q.sights[item.Key()]
	return s, ok && !s.At.IsZero() && s.version == item.ResourceVersion
}

// takeLook takes in how a target is now. What changed while the reason is typed is not approved by a key that was
// already on its way.
func (q *Queue) takeLook(msg looked) tea.Cmd {
	if msg.queue != q {
		return nil
	}
	q.looks++
	q.sights[msg.item.Key()] = sight{Live: msg.live, version: msg.item.ResourceVersion, number: q.looks}
	if f := q.form; f != nil && f.approve && !f.marked && f.item().Key() == msg.item.Key() {
		f.live = f.live || inUse(msg.live.Target)
		if msg.live.Target.Changed != "" {
			return q.rest.begin(q, targetChanged)
		}
		return nil
	}
	switch {
	case msg.live.Failed != "":
		return page.Notify(page.Alert, q.Look.Failed+" the target could not be looked at: "+safetext.Line(msg.live.Failed))
	case msg.live.Target.Changed != "":
		return page.Notify(page.Alert, q.Look.Failed+" the target is not as it was verified: "+safetext.Line(msg.live.Target.Changed))
	default:
		return page.Notify(page.Good, "the target is as it was verified: "+label(msg.item))
	}
}

func inUse(t wire.Target) bool { return t.Current != nil && t.Current.HasActiveEndpoints }

// awaitsLook says why a form of approval waits for what the gateway sees; it is empty when it does not.
func (q *Queue) awaitsLook(f *form) string {
	switch {
	case !f.approve || f.marked:
		return ""
	case q.sights[f.item().Key()].asking:
		return "the target is looked at again"
	case q.rest.on && q.rest.cause == targetChanged:
		return targetChanged
	default:
		return ""
	}
}

// lookLines says in the form what of the target is not as it was verified.
func (q *Queue) lookLines(f *form) []string {
	last, ok := q.sightOf(f.item())
	if !ok || !f.approve || f.marked || f.item().Status.ControlPlaneVerification == nil {
		return nil
	}
	changes := record.LiveChanges(f.item().AgentRequest, last.Target)
	if len(changes) == 0 {
		return nil
	}
	ago, _ := when.Ago(f.item().Status.ControlPlaneVerification.FetchedAt.Time, last.At)
	return q.changeLines(" The target is not as it was verified "+ago+" before:", changes)
}
