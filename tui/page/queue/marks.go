package queue

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/tui/feed"
)

// markable says why a request cannot be marked for a decision; it is empty when it can.
func (q *Queue) markable(item feed.Item) string {
	if item.AgentRequest == nil || q.snapshot.Who == nil {
		return "nothing to mark"
	}
	if !q.undecided(item) {
		return "nothing to decide"
	}
	if isOwn(item.AgentRequest, q.snapshot.Who.Identity) {
		return "own request, use another reviewer"
	}
	return ""
}

// mark marks the request under the cursor, in the version that is on the screen, or takes the mark away.
func (q *Queue) mark() {
	if _, marked := q.marks[q.cursor.key]; marked {
		delete(q.marks, q.cursor.key)
		return
	}
	if q.cursor.gone || q.markable(q.cursor.item) != "" {
		return
	}
	q.marks[q.cursor.key] = q.cursor.item
	q.lastMark = q.cursor.key
}

// markRange marks everything between the last mark and the cursor.
func (q *Queue) markRange() {
	from := find(q.rows, q.lastMark)
	if from < 0 {
		from = q.cursor.at
	}
	for at := min(from, q.cursor.at); at <= max(from, q.cursor.at); at++ {
		if item := q.rows[at]; q.markable(item) == "" {
			q.marks[item.Key()] = item
		}
	}
	q.lastMark = q.cursor.key
}

// alike returns the rows that ask the same as the one under the cursor, by the same agent, and can be decided; without
// the one under the cursor.
func (q *Queue) alike() []feed.Item {
	here := q.cursor.item
	if here.AgentRequest == nil || q.markable(here) != "" {
		return nil
	}
	var like []feed.Item
	for _, item := range q.rows {
		if item.Spec.AgentIdentity == here.Spec.AgentIdentity && item.Spec.Action == here.Spec.Action &&
			item.Key() != q.cursor.key && q.markable(item) == "" {
			like = append(like, item)
		}
	}
	return like
}

// markAlike marks the request under the cursor and those like it; if they are marked already, it takes the marks away.
func (q *Queue) markAlike() {
	group := append(q.alike(), q.cursor.item)
	if len(group) == 1 {
		return
	}
	all := !slices.ContainsFunc(group, func(item feed.Item) bool {
		_, marked := q.marks[item.Key()]
		return !marked
	})
	for _, item := range group {
		if all {
			delete(q.marks, item.Key())
		} else {
			q.marks[item.Key()] = item
		}
	}
	q.lastMark = q.cursor.key
}

// marked returns the marked requests as they were when they were marked, in the order of the list; those that the
// filter hides come last.
func (q *Queue) marked() []feed.Item {
	items := make([]feed.Item, 0, len(q.marks))
	for _, item := range q.marks {
		items = append(items, item)
	}
	slices.SortFunc(items, q.tabs[q.tab].order(q.Limits))
	return items
}

// recheck drops the marks of requests that are not what they were when they were marked, and reports whether there
// were any.
func (q *Queue) recheck() (dropped bool) {
	for key, item := range q.marks {
		if q.stale(item) != "" {
			delete(q.marks, key)
			dropped = true
		}
	}
	return dropped
}

// unread are the requests whose record was not shown to its end.
func (q *Queue) unread(items []feed.Item) map[types.UID]struct{} {
	unread := map[types.UID]struct{}{}
	for _, item := range items {
		if !q.wholeWasShown(item) {
			unread[item.Key()] = struct{}{}
		}
	}
	return unread
}

// company says how many requests are marked, or how many are like the one under the cursor.
func (q *Queue) company() string {
	if n := len(q.marks); n > 0 {
		return q.Look.Accent.Render(fmt.Sprintf("%d marked", n))
	}
	if n := q.likes; n > 0 {
		return q.Look.Dim.Render(fmt.Sprintf("%d like this, %s marks them", n, shown(q.keys.group)))
	}
	return ""
}
