package queue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/feed"
)

// tab is a part of the requests.
type tab int

const (
	// toDecide are the requests that wait for a reviewer, oldest first, because they waited longest.
	toDecide tab = iota
	// everything are all requests, newest first.
	everything
	tabs
)

func (t tab) String() string { return [tabs]string{"To decide", "All"}[t] }

// waits reports whether r waits for a reviewer.
func waits(r *v1alpha1.AgentRequest) bool {
	return r.Status.Phase == v1alpha1.PhasePending && r.Spec.HumanApproval == nil &&
		meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionRequiresApproval)
}

// pick returns the rows of a tab that match all words, in the order of the tab, and how many requests each tab has.
func pick(items []feed.Item, t tab, words []string) (rows []feed.Item, counts [tabs]int) {
	counts[everything] = len(items)
	for _, item := range items {
		waiting := waits(item.AgentRequest)
		if waiting {
			counts[toDecide]++
		}
		if (waiting || t == everything) && matches(item.AgentRequest, words) {
			rows = append(rows, item)
		}
	}
	if t == everything {
		slices.Reverse(rows)
	}
	return rows, counts
}

// has reports whether item has a row in the tab under a filter of words.
func (t tab) has(item feed.Item, words []string) bool {
	rows, _ := pick([]feed.Item{item}, t, words)
	return len(rows) == 1
}

// order compares two rows of a tab.
func (t tab) order(a, b feed.Item) int {
	if t == everything {
		return feed.Compare(b, a)
	}
	return feed.Compare(a, b)
}

// words splits a filter.
func words(filter string) []string { return strings.Fields(strings.ToLower(filter)) }

// matches reports whether each word is somewhere in r. Upper and lower case are the same.
func matches(r *v1alpha1.AgentRequest, words []string) bool {
	for _, word := range words {
		if !slices.ContainsFunc([]string{
			r.Spec.AgentIdentity, r.Spec.Action, r.Spec.Target.URI, r.Name, r.Namespace, string(r.Status.Phase), r.Spec.Reason,
		}, func(field string) bool { return strings.Contains(strings.ToLower(field), word) }) {
			return false
		}
	}
	return true
}

// find returns the place of a request in rows, or -1.
func find(rows []feed.Item, key types.UID) int {
	return slices.IndexFunc(rows, func(item feed.Item) bool { return item.Key() == key })
}

// insert puts item where it belongs in the order of the tab and returns its place.
func insert(rows []feed.Item, item feed.Item, t tab) ([]feed.Item, int) {
	at, _ := slices.BinarySearchFunc(rows, item, t.order)
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

// age writes how long ago t was, in at most four columns: 12s, 4m, 3h, 12d. It is empty while the time is not known.
func age(t, now time.Time) string {
	if now.IsZero() || t.IsZero() {
		return ""
	}
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", min(d/(24*time.Hour), 999))
	}
}
