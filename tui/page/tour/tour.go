package tour

import (
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Options are what a Tour is made of.
type Options struct {
	Look theme.Theme
	Cast Cast
	// Do runs the calls.
	Do page.Do
	// Mark makes the targets of this tour its own.
	Mark string
	// Ending stands at the end.
	Ending []string
}

// step is how far a scene is.
type step int

const (
	told step = iota
	asked
	over
)

// Tour is the page.
type Tour struct {
	Options
	scenes []scene
	at     int
	step   step
	busy   bool
	state  wire.RequestState
	done   settled
	fault  string

	// said is what both sides did so far, in order.
	said          []saying
	width, height int

	next, approve, deny key.Binding
}

// saying is one call of one side, and what came of it.
type saying struct {
	agent bool
	// first says that a scene begins with it.
	first bool
	lines []string
	alert bool
}

// New returns the page.
func New(o Options) *Tour {
	bind := func(name, does string) key.Binding {
		return key.NewBinding(key.WithKeys(name), key.WithHelp(name, does))
	}
	return &Tour{Options: o, scenes: scenes(o.Mark), next: bind("enter", "go on"), approve: bind("a", "approve"), deny: bind("d", "deny")}
}

// Init implements page.Page.
func (t *Tour) Init() tea.Cmd { return nil }

// Title implements page.Page.
func (t *Tour) Title() string { return "tour" }

// Resize implements page.Page.
func (t *Tour) Resize(width, height int) { t.width, t.height = width, height }

func (t *Tour) ended() bool { return t.at >= len(t.scenes) }

// Keys implements page.Page.
func (t *Tour) Keys() []page.Key {
	off := ""
	if t.busy {
		off = "one moment"
	}
	switch {
	case t.ended():
		return nil
	case t.step == told:
		k := t.next
		k.SetHelp("enter", "the agent asks")
		return []page.Key{{Binding: k, Off: off}}
	case t.step == asked && t.scenes[t.at].act == approve:
		return []page.Key{{Binding: t.approve, Off: off}, {Binding: t.deny, Off: "approve this one, the next is for deny"}}
	case t.step == asked && t.scenes[t.at].act == deny:
		return []page.Key{{Binding: t.approve, Off: "this is the one to deny"}, {Binding: t.deny, Off: off}}
	case t.step == asked:
		k := t.next
		k.SetHelp("enter", "the agent tries")
		return []page.Key{{Binding: k, Off: off}}
	default:
		return []page.Key{{Binding: t.next, Off: off}}
	}
}

// submitted and decided are the answers of the gateway.
type (
	submitted struct {
		tour  *Tour
		state wire.RequestState
		err   error
	}
	decided struct {
		tour *Tour
		done settled
		err  error
	}
)

// Update implements page.Page.
func (t *Tour) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case submitted:
		if msg.tour == t {
			t.takeSubmitted(msg)
		}
	case decided:
		if msg.tour == t {
			t.takeDecided(msg)
		}
	case tea.KeyMsg:
		if !t.busy && !t.ended() {
			return t.press(msg)
		}
	}
	return nil
}

func (t *Tour) press(msg tea.KeyMsg) tea.Cmd {
	s := t.scenes[t.at]
	switch {
	case t.step == told && key.Matches(msg, t.next):
		t.busy, t.fault = true, ""
		return t.Do(func(ctx context.Context) tea.Msg {
			state, err := t.Cast.submit(ctx, s)
			return submitted{t, state, err}
		})
	case t.step == asked && (s.act == approve && key.Matches(msg, t.approve) || s.act == deny && key.Matches(msg, t.deny) ||
		s.act == approveSelf && key.Matches(msg, t.next)):
		t.busy, t.fault = true, ""
		name := t.state.Name
		return t.Do(func(ctx context.Context) tea.Msg {
			done, err := t.Cast.decide(ctx, s, name)
			return decided{t, done, err}
		})
	case t.step == over && key.Matches(msg, t.next):
		return t.goOn(s)
	}
	return nil
}

// goOn begins the next scene. What the last one left waiting is cleared away.
func (t *Tour) goOn(s scene) tea.Cmd {
	name := t.state.Name
	t.at++
	t.step = told
	if s.act != approveSelf {
		return nil
	}
	return t.Do(func(ctx context.Context) tea.Msg {
		if err := t.Cast.clear(ctx, s, name); err != nil {
			return page.Notice{Level: page.Alert, Text: safetext.Line(err.Error())}
		}
		return nil
	})
}

func (t *Tour) takeSubmitted(a submitted) {
	t.busy = false
	if a.err != nil {
		t.fault = safetext.Line(a.err.Error())
		return
	}
	s := t.scenes[t.at]
	t.state, t.step = a.state, asked
	t.said = append(t.said, saying{agent: true, first: true, lines: append(s.asked(), answered(a.state)...)})
	if s.act == allowed {
		t.step = over
	}
}

func (t *Tour) takeDecided(a decided) {
	t.busy = false
	if a.err != nil {
		t.fault = safetext.Line(a.err.Error())
		return
	}
	s := t.scenes[t.at]
	t.done, t.step = a.done, over
	who, call := s.called(t.Cast, t.state.Name)
	lines := []string{call}
	if s.reason != "" {
		lines = append(lines, "  reason     "+s.reason)
	}
	if a.done.refused != "" {
		lines = append(lines, "  "+a.done.refused)
	}
	t.said = append(t.said, saying{agent: who == t.Cast.AgentName, lines: lines, alert: a.done.refused != ""})
	t.said = append(t.said, saying{agent: true, lines: append([]string{"GET /agent-requests/" + t.state.Name}, answered(a.done.state)...)})
}

// View implements page.Page.
func (t *Tour) View() string {
	lines := t.story()
	lines = append(lines, t.stage(max(t.height-len(lines), 0))...)
	return strings.Join(lines[:min(len(lines), t.height)], "\n")
}

// story says where the tour is and what to do.
func (t *Tour) story() []string {
	var lines []string
	put := func(style func(...string) string, words string) {
		for _, l := range text.Wrap(t.safe(words), max(t.width-2, 1)) {
			lines = append(lines, " "+style(l))
		}
	}
	if t.ended() {
		put(t.Look.Title.Render, "That is all: one call that needed nobody, one approved, one denied with a reason, one refused.")
		for _, l := range t.Ending {
			put(t.Look.Plain.Render, "  "+l)
		}
		return append(lines, t.rule())
	}
	s := t.scenes[t.at]
	put(t.Look.Title.Render, fmt.Sprintf("%d of %d  %s", t.at+1, len(t.scenes), s.title))
	switch {
	case t.fault != "":
		put(t.Look.Alert.Render, t.Look.Failed+" "+t.fault)
	case t.busy:
		put(t.Look.Dim.Render, "one moment")
	case t.step == over:
		put(t.Look.Good.Render, s.learn)
	default:
		put(t.Look.Plain.Render, s.tells)
	}
	return append(lines, t.rule())
}

func (t *Tour) rule() string { return t.Look.Dim.Render(text.Fill(t.Look.Rule, t.width)) }

// stageFrom is the width from which both sides stand beside each other.
const stageFrom = 72

// stage shows what both sides did, the newest at the bottom.
func (t *Tour) stage(height int) []string {
	sides := t.width >= stageFrom
	half := (t.width - 1) / 2
	var lines []string
	for i, s := range t.said {
		switch {
		case i > 0 && !sides:
			lines = append(lines, "")
		case i > 0 && s.first:
			lines = append(lines, t.place(s, "", false, sides, half))
		}
		width := t.width - 2
		if sides {
			width = half - 2
		}
		for n, l := range s.lines {
			for _, piece := range wrapped(t.safe(l), max(width, 1)) {
				lines = append(lines, t.place(s, piece, n == 0, sides, half))
			}
		}
	}
	head := t.place(saying{agent: true}, t.Look.Title.Render("AGENT  "+t.safe(t.Cast.AgentName)), false, false, half)
	if sides {
		head = text.Fit(" "+t.Look.Title.Render("AGENT  "+t.safe(t.Cast.AgentName)), half, "") + t.Look.Dim.Render(t.Look.Wall) +
			" " + t.Look.Title.Render("REVIEWER  "+t.safe(t.Cast.ReviewerName))
	}
	room := max(height-1, 0)
	lines = lines[max(len(lines)-room, 0):]
	return append([]string{head}, lines...)
}

// place puts a line on its side.
func (t *Tour) place(s saying, line string, call, sides bool, half int) string {
	switch {
	case s.alert && !call:
		line = t.Look.Alert.Render(line)
	case call:
		line = t.Look.Accent.Render(line)
	}
	if !sides {
		return " " + line
	}
	wall := t.Look.Dim.Render(t.Look.Wall)
	if s.agent {
		return text.Fit(" "+line, half, "") + wall
	}
	return text.Spaces(half) + wall + " " + line
}

func (t *Tour) safe(s string) string {
	if t.Look.ASCII {
		return safetext.ASCII(s)
	}
	return safetext.Line(s)
}
