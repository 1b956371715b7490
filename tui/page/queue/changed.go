package queue

import (
	"cmp"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/record"
)

// departed is a decided request as it was when it was decided from here, or read after its decision. It comes back when it
// is not that any more.
type departed struct {
	item feed.Item
	// phase is the one that the decision led to, or that was read.
	phase v1alpha1.Phase
	// version is the one that was last looked at: wentOn says that its phase is another one, back that it comes back.
	version      string
	wentOn, back bool
}

func depart(item feed.Item, phase v1alpha1.Phase) *departed {
	return &departed{item: item, phase: phase, version: item.ResourceVersion}
}

// look compares with what the request is by now.
func (d *departed) look(now feed.Item) {
	if d.version == now.ResourceVersion {
		return
	}
	d.version = now.ResourceVersion
	phase := now.Status.Phase
	d.wentOn = phase != d.phase && phase != v1alpha1.PhasePending // the decision itself may still be on its way here
	d.back = d.wentOn && (d.phase.Terminal() || failed(phase)) || record.Altered(d.item.AgentRequest, now.AgentRequest)
}

// failed reports whether a phase is not one to which an approval is meant to lead.
func failed(p v1alpha1.Phase) bool {
	return p == v1alpha1.PhaseDenied || p == v1alpha1.PhaseFailed || p == v1alpha1.PhaseExpired
}

// changed reports whether a request is not what it was when it was read to its end or, for one that was decided, whether it
// went on or changed since.
func (q *Queue) changed(item feed.Item) bool {
	if d := q.preview.left[item.Key()]; d != nil {
		d.look(item)
		return d.wentOn || d.back
	}
	read, ok := q.preview.read[item.Key()]
	return ok && read.ResourceVersion != item.ResourceVersion
}

// raise finds the requests that come back: what they ask for, their target or what the policies say changed after their
// decision, or they failed. They stand before all others until they are read. The request under the cursor keeps its place
// for as long as the cursor is on it. It reports whether there are others than before.
func (q *Queue) raise() bool {
	raised := map[types.UID]struct{}{}
	for key, d := range q.preview.left {
		now, gone := q.newest(d.item)
		if gone {
			continue
		}
		if d.look(now); d.back && key != q.cursor.key {
			raised[key] = struct{}{}
		}
	}
	if q.isRaised(q.cursor.item) {
		raised[q.cursor.key] = struct{}{}
	}
	if maps.Equal(raised, q.raised) {
		return false
	}
	q.raised = raised
	return true
}

func (q *Queue) isRaised(item feed.Item) bool {
	if len(q.raised) == 0 || item.AgentRequest == nil {
		return false
	}
	_, raised := q.raised[item.Key()]
	return raised
}

// fillRaised makes the rows, with those first that come back. Where that would move the cursor to another line of the
// screen, they come when the user moves it.
func (q *Queue) fillRaised() {
	before, at := q.raised, q.cursor.at
	raised := q.raise()
	q.fill()
	if !raised || q.cursor.key == "" {
		return
	}
	if w := q.window.Keep(at, q.cursor.at, len(q.rows)); q.cursor.at-w.Top != at-q.window.Top {
		q.raised = before
		q.fill()
	}
}

// raisedFirst puts the rows first that come back; their order among each other stays.
func (q *Queue) raisedFirst(rows []feed.Item) []feed.Item {
	if len(q.raised) == 0 {
		return rows
	}
	first, rest := make([]feed.Item, 0, len(rows)), make([]feed.Item, 0, len(rows))
	for _, item := range rows {
		if q.isRaised(item) {
			first = append(first, item)
		} else {
			rest = append(rest, item)
		}
	}
	return append(first, rest...)
}

// compare compares two rows by their places in the list.
func (q *Queue) compare() func(a, b feed.Item) int {
	inTab := q.tabs[q.tab].order(q.Limits)
	rank := func(item feed.Item) int {
		if q.isRaised(item) {
			return 0
		}
		return 1
	}
	return func(a, b feed.Item) int { return cmp.Or(rank(a)-rank(b), inTab(a, b)) }
}

// comebacks says how many rows came back, and how many of them are out of sight.
func (q *Queue) comebacks() string {
	n := 0
	for n < len(q.rows) && q.isRaised(q.rows[n]) && q.changed(q.rows[n]) {
		n++
	}
	if n == 0 {
		return ""
	}
	words := fmt.Sprintf("%d changed", n)
	if first, _ := q.window.Rows(len(q.rows)); first > 0 {
		words += fmt.Sprintf(" %s%d", q.Look.Up, min(n, first))
	}
	return q.Look.Soon.Render(words)
}
