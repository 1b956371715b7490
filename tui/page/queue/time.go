package queue

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/part/when"
)

// tick takes in the time. Where a filter depends on it, requests may come and go by that alone.
func (q *Queue) tick(now time.Time) tea.Cmd {
	back := now.Before(q.now)
	q.now = now
	read := q.readRules()
	if !back && (q.turns.IsZero() || now.Before(q.turns)) {
		return read
	}
	q.turns = q.turn()
	c := q.context()
	changed := false
	for i, t := range q.tabs {
		if t.timed {
			n := t.count(q.snapshot.Items, c)
			changed = changed || n != q.counts[i] && i == q.tab
			q.counts[i] = n
		}
	}
	if !changed {
		return read
	}
	return tea.Batch(read, q.renew())
}

// turn returns when the next request begins to expire, or the day ends: filters with is:expiring and is:today give
// another answer then.
func (q *Queue) turn() time.Time {
	if q.now.IsZero() {
		return time.Time{}
	}
	year, month, day := q.now.Date()
	first := time.Date(year, month, day+1, 0, 0, 0, 0, q.now.Location())
	for _, item := range q.snapshot.Items {
		at := q.Limits.Of(item.AgentRequest).At
		if at.IsZero() {
			continue
		}
		if begins := at.Add(-filter.Soon).Add(1); begins.After(q.now) && begins.Before(first) {
			first = begins
		}
	}
	return first
}

// Next implements page.Timed: the ages and countdowns on the screen, the counts of the tabs, the next reading of the
// policies, and in a form the moment from which there is no time left to take the decision back.
func (q *Queue) Next() time.Time {
	next := q.turns
	if q.Policies != nil && q.Read != nil && !q.rules.reading && q.snapshot.Current() {
		next = when.Earliest(next, q.rules.asked.Add(rulesEvery))
	}
	first, last := q.window.Rows(len(q.rows))
	for _, item := range q.rows[first:last] {
		_, age := when.Ago(item.CreationTimestamp.Time, q.now)
		_, left := when.Countdown(q.Limits.Of(item.AgentRequest).At, q.now)
		next = when.Earliest(next, age, left)
	}
	next = when.Earliest(next, q.grantNext())
	if q.form == nil {
		return next
	}
	for _, item := range q.form.items {
		if at := q.Limits.Of(item.AgentRequest).At; !at.IsZero() {
			if hurries := at.Add(1 - q.Hold - urgent); hurries.After(q.now) {
				next = when.Earliest(next, hurries)
			}
		}
	}
	return next
}
