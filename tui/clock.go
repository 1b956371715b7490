package tui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/when"
)

// clock knows what time it is, as everything on the screen has it, and when the next timer rings. There is no regular
// one: nothing happens while nothing changes.
type clock struct {
	page.Tick
	rings time.Time
}

// leastNap bounds how often time alone wakes the program.
const leastNap = 20 * time.Millisecond

// due is a timer that rings.
type due struct{ at time.Time }

func (c *clock) rang(d due) {
	if d.at.Equal(c.rings) {
		c.rings = time.Time{}
	}
}

func (r *root) now() time.Time { return r.clock.Now }

// passTime tells the pages the time. It comes before everything else that happens.
func (r *root) passTime() tea.Cmd {
	tick := page.Tick{Now: r.Now()}
	if r.TokenExpiry != nil {
		if expiry, known := r.TokenExpiry(); known {
			tick.Expiry = expiry
		}
	}
	if tick == r.clock.Tick {
		return nil
	}
	r.clock.Tick = tick
	if !tick.Now.Before(r.noticeEnds()) {
		r.notice = page.Notice{}
	}
	return r.tell(tick)
}

func (r *root) noticeEnds() time.Time {
	if r.notice.Text == "" {
		return time.Time{}
	}
	return r.noticeAt.Add(noticeTime)
}

// wakeUp makes a timer for what changes next by time alone, unless one rings before.
func (r *root) wakeUp() tea.Cmd {
	next := when.Earliest(r.headerTurns(), r.noticeEnds())
	if p, ok := r.top().(page.Timed); ok {
		next = when.Earliest(next, p.Next())
	}
	if next.IsZero() || !r.clock.rings.IsZero() && !next.Before(r.clock.rings) {
		return nil
	}
	r.clock.rings = next
	return tea.Tick(max(next.Sub(r.now()), leastNap), func(time.Time) tea.Msg { return due{next} })
}
