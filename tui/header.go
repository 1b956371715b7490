package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/part/when"
)

// part is a piece of the header. When there is not room for all, those with the least weight go first.
type part struct {
	text   string
	style  lipgloss.Style
	weight int
	right  bool
}

// leastGap keeps where we are apart from who we are.
const leastGap = 3

// header says where we are, whether the picture is live, and who we are.
func (r *root) header() string {
	plain := r.look.Plain
	connection, style := r.connection()
	parts := []part{
		{text: "aip-dev", style: r.look.Title, weight: 2},
		{text: safetext.ID(r.Environment), style: r.look.Title, weight: 5},
		{text: safetext.ID(r.Cluster), style: plain, weight: 3},
		{text: connection, style: style, weight: 9},
		r.identity(),
		r.token(),
		{text: r.timeOfDay(), style: plain, weight: 1, right: true},
	}
	if r.ReadOnly {
		parts = append(parts, part{text: "read-only", style: r.look.Soon, weight: 7, right: true})
	}
	if words, _ := r.standing(); words != "" {
		parts = append(parts, part{text: r.look.Live + " " + words, style: r.look.Alert, weight: 10, right: true})
	}
	for {
		left, right := r.lay(parts, false), r.lay(parts, true)
		gap := r.width - text.Width(left) - text.Width(right) - 2
		if gap >= leastGap || len(parts) == 1 {
			return text.Cut(" "+left+text.Spaces(gap)+right, r.width, r.look.Cut)
		}
		parts = withoutLightest(parts)
	}
}

// lay writes the parts of one side.
func (r *root) lay(parts []part, right bool) string {
	var words []string
	for _, p := range parts {
		if p.right == right && p.text != "" {
			words = append(words, p.style.Render(p.text))
		}
	}
	return strings.Join(words, " "+r.look.Dim.Render(r.look.Dot)+" ")
}

func withoutLightest(parts []part) []part {
	lightest := 0
	for i, p := range parts {
		if p.weight < parts[lightest].weight {
			lightest = i
		}
	}
	return append(parts[:lightest:lightest], parts[lightest+1:]...)
}

// connection says how fresh the picture is.
func (r *root) connection() (string, lipgloss.Style) {
	s := r.snapshot
	switch {
	case s.Mode == feed.Live:
		return r.look.Live + " live", r.look.Good
	case s.Mode == feed.Polling:
		return r.look.Polling + " polling", r.look.Soon
	case s.Mode == feed.Connecting && !s.Complete && s.Loading > 0:
		return fmt.Sprintf("%s reading, %d so far", r.look.Unknown, s.Loading), r.look.Soon
	case s.Mode == feed.Connecting:
		return r.look.Unknown + " connecting", r.look.Soon
	case s.Refused:
		return r.look.Away + " token refused, " + r.retry(), r.look.Alert
	default:
		return r.look.Away + " gateway away, " + r.retry(), r.look.Alert
	}
}

func (r *root) retry() string {
	left := r.snapshot.RetryAt.Sub(r.now())
	if left < time.Second {
		return "retrying"
	}
	words, _ := when.Left(r.snapshot.RetryAt, r.now())
	return "retry in " + words
}

// identity says who we are, to the gateway's mind.
func (r *root) identity() part {
	p := part{text: safetext.ID(r.Identity), style: r.look.Dim, weight: 8, right: true}
	who := r.snapshot.Who
	if who == nil {
		return p
	}
	p.text = fmt.Sprintf("%s (%s)", safetext.ID(who.Identity), safetext.ID(who.Role))
	switch who.Role {
	case "reviewer":
		p.style = r.look.Accent
	case "admin":
		p.style = r.look.Alert
	default:
		p.style = r.look.Soon
	}
	return p
}

// token says how long the token in use still lasts.
func (r *root) token() part {
	p := part{style: r.look.Plain, weight: 4, right: true}
	if r.clock.Expiry.IsZero() {
		return p
	}
	left := r.clock.Expiry.Sub(r.now())
	words, _ := when.Left(r.clock.Expiry, r.now())
	p.text = "token " + words
	switch {
	case left <= 0:
		p.text, p.style = "token expired", r.look.Alert
	case left < time.Minute:
		p.style = r.look.Soon
	}
	return p
}

// timeOfDay leaves out the seconds: nothing moves on a screen on which nothing happens.
func (r *root) timeOfDay() string {
	if r.now().IsZero() {
		return ""
	}
	return r.now().Format("15:04")
}

// headerTurns returns when the header says something else by time alone.
func (r *root) headerTurns() time.Time {
	next := r.now().Truncate(time.Minute).Add(time.Minute)
	for _, end := range []time.Time{r.clock.Expiry, r.snapshot.RetryAt} {
		if end.After(r.now()) {
			_, until := when.Left(end, r.now())
			next = when.Earliest(next, until, end)
		}
	}
	_, until := r.standing()
	return when.Earliest(next, until)
}

// standing says what goes on by itself, whatever page is on top.
func (r *root) standing() (words string, until time.Time) {
	if p, ok := r.stack[0].(page.Standing); ok {
		return p.Standing()
	}
	return "", time.Time{}
}
