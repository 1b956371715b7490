package queue

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/filter"
)

// Tab is a saved filter.
type Tab struct {
	// Name stands on the tab, Filter is in the language of package filter.
	Name   string `json:"name"`
	Filter string `json:"filter"`
	// Newest puts the newest request first. Otherwise the one comes first to which something happens first, then the
	// oldest, because it waited longest.
	Newest bool `json:"newest,omitempty"`
}

// Tabs are the tabs that everybody has.
func Tabs() []Tab {
	return []Tab{
		{Name: "To decide", Filter: "is:waiting"},
		{Name: "Expiring", Filter: "is:expiring"},
		{Name: "To grade", Filter: "is:ungraded"},
		{Name: "Mine", Filter: "is:mine", Newest: true},
		{Name: "Decided today", Filter: "is:decided is:today", Newest: true},
		{Name: "All", Newest: true},
	}
}

// tab is a Tab that is ready to be used.
type tab struct {
	Tab
	query filter.Query
	timed bool
}

func compile(all []Tab) []tab {
	tabs := make([]tab, len(all))
	for i, t := range all {
		tabs[i] = tab{Tab: t, query: filter.Parse(t.Filter), timed: filter.Timed(t.Filter)}
	}
	return tabs
}

// waits reports whether r waits for a reviewer.
func waits(r *v1alpha1.AgentRequest) bool { return filter.Waits(r) }

// pick returns the rows of a tab that match also, in the order of the tab, and whether any of them has an end.
func (t tab) pick(items []feed.Item, also filter.Query, c filter.Context) (rows []feed.Item, timed bool) {
	for _, item := range items {
		if t.query.Match(item.AgentRequest, c) && also.Match(item.AgentRequest, c) {
			rows = append(rows, item)
			timed = timed || !c.Limits.Of(item.AgentRequest).At.IsZero()
		}
	}
	switch {
	case t.Newest:
		slices.Reverse(rows)
	case timed:
		slices.SortStableFunc(rows, t.order(c.Limits))
	}
	return rows, timed
}

// Pick returns the items that are in the tab, in its order.
func (t Tab) Pick(items []feed.Item, c filter.Context) []feed.Item {
	rows, _ := compile([]Tab{t})[0].pick(items, filter.Query{}, c)
	return rows
}

// count returns how many requests a tab has.
func (t tab) count(items []feed.Item, c filter.Context) int {
	if t.Filter == "" {
		return len(items)
	}
	n := 0
	for _, item := range items {
		if t.query.Match(item.AgentRequest, c) {
			n++
		}
	}
	return n
}

// order compares two rows of a tab. Neither deadlines nor ages change while time passes, so rows keep their places.
func (t tab) order(limits deadline.Limits) func(a, b feed.Item) int {
	if t.Newest {
		return func(a, b feed.Item) int { return feed.Compare(b, a) }
	}
	return func(a, b feed.Item) int {
		atA, atB := limits.Of(a.AgentRequest).At, limits.Of(b.AgentRequest).At
		switch {
		case atA.Equal(atB):
			return feed.Compare(a, b)
		case atA.IsZero():
			return 1
		case atB.IsZero():
			return -1
		default:
			return atA.Compare(atB)
		}
	}
}

// find returns the place of a request in rows, or -1.
func find(rows []feed.Item, key types.UID) int {
	return slices.IndexFunc(rows, func(item feed.Item) bool { return item.Key() == key })
}

// insert puts item where it belongs in an order and returns its place.
func insert(rows []feed.Item, item feed.Item, order func(a, b feed.Item) int) ([]feed.Item, int) {
	at, _ := slices.BinarySearchFunc(rows, item, order)
	return slices.Insert(rows, at, item), at
}

// nextWaiting returns the place of the first row after from that satisfies open, going on from the beginning after
// the end, or -1.
func nextWaiting(rows []feed.Item, from int, open func(feed.Item) bool) int {
	for i := range rows {
		at := (from + 1 + i) % len(rows)
		if at != from && open(rows[at]) {
			return at
		}
	}
	return -1
}
