package tui

import (
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/part/osc"
)

const (
	// gather is how long arrivals are counted together before they are told, quiet how long nothing more is told after.
	gather = time.Second
	quiet  = 10 * time.Second
)

// attention says when somebody who looks elsewhere should know: once per burst of arrivals, and never while the
// terminal has the focus. Where the terminal does not tell, it counts as focused.
type attention struct {
	blurred bool
	// heard is the newest arrival that was told or seen, waiting how many requests wait; of them newest is the youngest.
	heard, newest uint64
	waiting       int
	gathering     bool
	quietUntil    time.Time
	title         string
}

// burst ends a time of gathering.
type burst struct{}

// count takes in a snapshot and returns what must be done about it.
func (r *root) count(s feed.Snapshot) tea.Cmd {
	a := &r.attention
	a.waiting, a.newest = 0, 0
	for _, item := range s.Items {
		if filter.Waits(item.AgentRequest) {
			a.waiting++
			a.newest = max(a.newest, item.Arrival)
		}
	}
	var cmds []tea.Cmd
	if title := r.windowTitle(); title != a.title {
		a.title = title
		cmds = append(cmds, r.say(osc.Title(title)))
	}
	if !a.blurred {
		a.heard = max(a.heard, a.newest)
	}
	if a.newest > a.heard && !a.gathering {
		cmds = append(cmds, a.gather(gather))
	}
	return tea.Batch(cmds...)
}

// gather counts arrivals together for some time.
func (a *attention) gather(during time.Duration) tea.Cmd {
	a.gathering = true
	return tea.Tick(during, func(time.Time) tea.Msg { return burst{} })
}

func (r *root) windowTitle() string {
	name := "aip-dev"
	if r.Environment != "" {
		name += " " + r.Environment
	}
	if n := r.attention.waiting; n > 0 {
		return fmt.Sprintf("(%d) %s", n, name)
	}
	return name
}

// tellBurst rings when there still is something to tell; what comes soon after the bell is told when that was a while ago.
func (r *root) tellBurst() tea.Cmd {
	a := &r.attention
	a.gathering = false
	if !a.blurred || a.newest <= a.heard {
		a.heard = max(a.heard, a.newest)
		return nil
	}
	if left := a.quietUntil.Sub(r.now()); left > 0 {
		return a.gather(left)
	}
	a.heard, a.quietUntil = a.newest, r.now().Add(quiet)
	verb := "requests wait"
	if a.waiting == 1 {
		verb = "request waits"
	}
	return r.say(r.osc.Notify("aip-dev", fmt.Sprintf("%d %s for a decision", a.waiting, verb)))
}

// attend takes in whether the terminal is looked at, and the end of a burst.
func (r *root) attend(msg tea.Msg) tea.Cmd {
	if _, ok := msg.(burst); ok {
		return r.tellBurst()
	}
	_, r.attention.blurred = msg.(tea.BlurMsg)
	r.attention.heard = max(r.attention.heard, r.attention.newest)
	return nil
}
