package queue

import (
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/filter"
)

// cursor is on a request, not on a row: it follows the request wherever that goes.
type cursor struct {
	// key is the request; empty when there is none.
	key types.UID
	// at is its row at the moment.
	at int
	// item is the newest version that was seen. It outlives the request, so that nothing takes its place unasked.
	item feed.Item
	// gone says that the request was deleted.
	gone bool
	// guest says that the row is there for the cursor only: the tab or the filter would not let the request through.
	guest bool
}

// restTime is how long the decision keys rest after the cursor came to a request, or the request changed, without the
// user's doing. Shorter pauses were too short for people who were typing already.
const restTime = 1500 * time.Millisecond

// The causes of a rest, as the footer says them.
const (
	cameUp      = "just came up, one moment"
	justChanged = "just changed, one moment"
	markChanged = "a marked one changed, one moment"
)

// rest says whether the decision keys rest, and why.
type rest struct {
	generation int
	on         bool
	cause      string
}

// rested ends the rest of the same generation.
type rested struct {
	queue      *Queue
	generation int
}

// begin starts a new rest; the one before, if any, is part of it and its cause is forgotten.
func (r *rest) begin(q *Queue, cause string) tea.Cmd {
	r.generation++
	r.on, r.cause = true, cause
	over := rested{queue: q, generation: r.generation}
	return tea.Tick(restTime, func(time.Time) tea.Msg { return over })
}

func (r *rest) end(msg rested) {
	if msg.queue != nil && &msg.queue.rest == r && msg.generation == r.generation {
		r.on = false
	}
}

// accept takes in a new snapshot.
func (q *Queue) accept(s feed.Snapshot) tea.Cmd {
	changed := s.Revision != q.snapshot.Revision || s.Complete != q.snapshot.Complete
	first := !q.snapshot.Complete && !q.touched
	q.snapshot = s
	if !changed {
		return nil
	}
	if first {
		q.cursor = cursor{} // what comes first is known when everything was read
	}
	return q.renew()
}

// renew makes the rows anew and keeps the cursor on its request, and that on its line of the screen.
func (q *Queue) renew() tea.Cmd {
	before := q.cursor
	q.fillRaised()
	dropped := q.recheck()
	switch {
	case before.key != "":
		q.window = q.window.Keep(before.at, q.cursor.at, len(q.rows))
		if q.cursor.item.ResourceVersion != before.item.ResourceVersion {
			return q.rest.begin(q, justChanged)
		}
		if dropped {
			return q.rest.begin(q, markChanged)
		}
		return nil
	case len(q.rows) == 0:
		return nil
	default:
		q.point(0)
		q.window = q.window.Show(0, len(q.rows))
		return q.rest.begin(q, cameUp)
	}
}

// context is what filters depend on.
func (q *Queue) context() filter.Context {
	c := filter.Context{Now: q.now, Limits: q.Limits}
	if q.snapshot.Who != nil {
		c.Me = q.snapshot.Who.Identity
	}
	return c
}

// belongs reports whether item has a row in the tab under the filter.
func (q *Queue) belongs(item feed.Item) bool {
	rows, _ := q.tabs[q.tab].pick([]feed.Item{item}, filter.Parse(q.filter), q.context())
	return len(rows) == 1
}

// fill makes the rows from the snapshot. The request under the cursor keeps a row even if it does not belong in the
// tab any more; it leaves when the cursor does.
func (q *Queue) fill() {
	c := q.context()
	q.rows, q.timed = q.tabs[q.tab].pick(q.snapshot.Items, filter.Parse(q.filter), c)
	q.widest = q.widest.with(q.rows)
	for i, t := range q.tabs {
		q.counts[i] = t.count(q.snapshot.Items, c)
	}
	q.turns = q.turn()
	q.rows = q.raisedFirst(q.rows)
	if q.cursor.key != "" {
		q.follow()
	}
	q.fresh = q.fresh[:0]
	for i, item := range q.rows {
		if q.isFresh(item) {
			q.fresh = append(q.fresh, i)
		}
	}
}

// follow finds the request under the cursor in the new rows.
func (q *Queue) follow() {
	q.cursor.gone, q.cursor.guest = false, false
	if at := find(q.rows, q.cursor.key); at >= 0 {
		q.cursor.at, q.cursor.item = at, q.rows[at]
		return
	}
	if at := find(q.snapshot.Items, q.cursor.key); at >= 0 {
		q.cursor.item = q.snapshot.Items[at]
	} else {
		q.cursor.gone = true
	}
	q.cursor.guest = true
	q.rows, q.cursor.at = insert(q.rows, q.cursor.item, q.compare())
}

// point puts the cursor on a row.
func (q *Queue) point(at int) {
	item := q.rows[at]
	q.cursor = cursor{key: item.Key(), at: at, item: item}
	q.looked[item.Key()] = struct{}{}
	if i, found := slices.BinarySearch(q.fresh, at); found {
		q.fresh = slices.Delete(q.fresh, i, i+1)
	}
}

// goTo moves the cursor to a row, by the user's key or after a decision.
func (q *Queue) goTo(at int) {
	if len(q.rows) == 0 {
		return
	}
	at = max(0, min(at, len(q.rows)-1))
	guestLeaves := q.cursor.guest && q.cursor.key != q.rows[at].Key()
	q.point(at)
	if q.raise() || guestLeaves {
		q.fill()
		q.window = q.window.Keep(at, q.cursor.at, len(q.rows))
	}
	q.window = q.window.Show(q.cursor.at, len(q.rows))
}

// refill makes the rows after the user changed the tab or the filter. The cursor stays on its request if that still
// is there, else near its place.
func (q *Queue) refill() {
	at := q.cursor.at
	if q.cursor.key != "" && (q.cursor.gone || !q.belongs(q.cursor.item)) {
		q.cursor = cursor{}
	}
	q.widest = widest{}
	q.raise()
	q.fill()
	switch {
	case len(q.rows) == 0:
		q.cursor = cursor{}
	case q.cursor.key == "":
		q.point(min(at, len(q.rows)-1))
	}
	q.window = q.window.Show(q.cursor.at, len(q.rows))
}

// isFresh reports whether item came while the page was open and was not looked at.
func (q *Queue) isFresh(item feed.Item) bool {
	if item.Arrival == 0 {
		return false
	}
	_, looked := q.looked[item.Key()]
	return !looked
}
