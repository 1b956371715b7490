package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/help"
	"github.com/aip-dev/aip-dev/tui/page/palette"
	"github.com/aip-dev/aip-dev/tui/page/run"
	"github.com/aip-dev/aip-dev/tui/part/keys"
	"github.com/aip-dev/aip-dev/tui/part/osc"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// The smallest terminal that shows anything useful.
const (
	minWidth  = 40
	minHeight = 10
)

// headerHeight is the number of lines above the page.
const headerHeight = 1

// noticeTime is how long a notice stays.
const noticeTime = 10 * time.Second

// keyMap are the keys that work on every page.
type keyMap struct{ help, palette, quit, kill key.Binding }

func newKeyMap() keyMap {
	return keyMap{
		help:    key.NewBinding(key.WithKeys("?"), key.WithHelp("?", "help")),
		palette: key.NewBinding(key.WithKeys(":", "ctrl+k"), key.WithHelp(":", "commands")),
		quit:    key.NewBinding(key.WithKeys("q"), key.WithHelp("q", "quit")),
		kill:    key.NewBinding(key.WithKeys("ctrl+c"), key.WithHelp("ctrl-c", "quit at once")),
	}
}

func (k *keyMap) all() []*key.Binding { return []*key.Binding{&k.help, &k.palette, &k.quit} }

// root is the model of the program: it owns the terminal's size, the stack of pages, the header and the footer. It
// knows no page but the first and the help.
type root struct {
	Options
	look theme.Theme
	keys keyMap
	// live runs what ends with the program, graceful what gets the time to end well then.
	live, graceful page.Do
	feed           *feed.Feed

	width, height int
	stack         []page.Page
	snapshot      feed.Snapshot
	clock         clock
	osc           osc.Env
	// entries are the pages that can be opened from everywhere, recent the actions that were chosen by name, newest first.
	entries   []page.Entry
	recent    []string
	attention attention
	notice    page.Notice
	noticeAt  time.Time
}

// Init implements tea.Model.
func (r *root) Init() tea.Cmd {
	follow := r.live(func(ctx context.Context) tea.Msg {
		r.feed.Run(ctx)
		return nil
	})
	return tea.Batch(follow, r.next(), r.passTime(), r.top().Init())
}

// next waits for the next snapshot.
func (r *root) next() tea.Cmd {
	return r.live(func(ctx context.Context) tea.Msg {
		s, ok := r.feed.Next(ctx)
		if !ok {
			return nil
		}
		return s
	})
}

// Update implements tea.Model.
func (r *root) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	passed := r.passTime()
	done := r.handle(msg)
	return r, tea.Batch(passed, done, r.wakeUp())
}

// handle does what a message asks for.
func (r *root) handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		r.width, r.height = msg.Width, msg.Height
		for _, p := range r.stack {
			r.resize(p)
		}
		return nil
	case tea.KeyMsg:
		return r.press(msg)
	case feed.Snapshot:
		return r.accept(msg)
	case due:
		r.clock.rang(msg)
		return nil
	case page.Notice:
		r.notice, r.noticeAt = msg, r.now()
		return nil
	case page.Back:
		r.back()
		return nil
	case run.Open:
		return r.open(run.New(run.Options{Look: r.look, Do: r.graceful, Commands: r.Commands, Steps: msg.Steps}))
	case run.Ended:
		return r.ended(msg)
	case tea.MouseMsg:
		return r.point(msg)
	case page.Copy:
		return r.copy(msg)
	case palette.Chosen:
		return r.choose(msg.Action)
	case tea.FocusMsg, tea.BlurMsg, burst:
		return r.attend(msg)
	default:
		return r.tell(msg)
	}
}

// accept takes what the gateway has by now.
func (r *root) accept(s feed.Snapshot) tea.Cmd {
	changed := s.Revision != r.snapshot.Revision
	r.snapshot = s
	cmds := []tea.Cmd{r.tell(s), r.next()}
	if changed {
		cmds = append(cmds, r.count(s))
	}
	return tea.Batch(cmds...)
}

// point hands the mouse to the page on top, in the page's own lines.
func (r *root) point(msg tea.MouseMsg) tea.Cmd {
	if r.tooSmall() {
		return nil
	}
	msg.Y -= headerHeight
	return r.top().Update(msg)
}

// press does what a key asks for: the keys that work everywhere come first, unless the page asks for text.
func (r *root) press(msg tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(msg, r.keys.kill):
		return r.quit()
	case r.tooSmall():
		if key.Matches(msg, r.keys.quit) {
			return r.quit()
		}
		return nil
	case r.prompt() != nil, r.wantsItself(msg):
		return r.top().Update(msg)
	case len(r.stack) > 1 && heldDown(msg):
		return r.pressEach(msg.Runes)
	case key.Matches(msg, r.keys.help):
		return r.open(r.help())
	case key.Matches(msg, r.keys.palette):
		return r.open(palette.New(r.look, r.actions(), r.recent))
	case key.Matches(msg, r.keys.quit) && len(r.stack) == 1:
		return r.quit()
	}
	for _, e := range r.entries {
		if key.Matches(msg, e.Key) {
			return r.visit(e)
		}
	}
	return r.top().Update(msg)
}

// heldDown reports whether a message is several keys at once.
func heldDown(msg tea.KeyMsg) bool {
	return msg.Type == tea.KeyRunes && len(msg.Runes) > 1 && !msg.Paste && !keys.ByName(msg)
}

// pressEach presses keys that the terminal handed over at once, as it does with a key held down, up to one that asks
// something: what was typed blindly is no answer.
func (r *root) pressEach(runes []rune) tea.Cmd {
	var cmds []tea.Cmd
	for _, one := range runes {
		if r.prompt() != nil {
			break
		}
		cmds = append(cmds, r.press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{one}}))
	}
	return tea.Batch(cmds...)
}

// wantsItself reports whether the page on top of another uses a key in its own way.
func (r *root) wantsItself(msg tea.KeyMsg) bool {
	return len(r.stack) > 1 && slices.ContainsFunc(r.top().Keys(), func(k page.Key) bool { return key.Matches(msg, k.Binding) })
}

// quit ends the program, after what the pages still have to start.
func (r *root) quit() tea.Cmd {
	var cmds []tea.Cmd
	for _, p := range r.stack {
		if p, ok := p.(page.Leaver); ok {
			cmds = append(cmds, p.Leave()...)
		}
	}
	if len(cmds) == 0 {
		return tea.Quit
	}
	return tea.Batch(append(cmds, tea.Quit)...)
}

// help makes the help about the page on top.
func (r *root) help() page.Page {
	sections := []help.Section{
		{Title: "Here: " + r.top().Title(), Keys: r.top().Keys()},
		{Title: "Everywhere", Keys: r.everywhere()},
	}
	if p, ok := r.top().(page.Explainer); ok {
		sections = append(sections, help.Section{Title: "Signs", Signs: p.Signs()})
	}
	return help.New(r.look, sections...)
}

// ended says what became of a command that is not looked at any more. What the pages show may be another by now.
func (r *root) ended(e run.Ended) tea.Cmd {
	cmd := tea.Batch(r.tell(e), r.tell(page.Changed{}))
	if r.top() == page.Page(e.Page) {
		return cmd
	}
	notice := page.Notify(page.Good, r.look.Approved+" done: "+safetext.Line(e.Line))
	if e.Err != nil {
		notice = page.Notify(page.Alert, r.look.Failed+" failed: "+safetext.Line(e.Line)+": "+safetext.Line(e.Err.Error()))
	}
	return tea.Batch(cmd, notice)
}

func (r *root) top() page.Page { return r.stack[len(r.stack)-1] }

// tell gives a message to every page.
func (r *root) tell(msg tea.Msg) tea.Cmd {
	cmds := make([]tea.Cmd, len(r.stack))
	for i, p := range r.stack {
		cmds[i] = p.Update(msg)
	}
	return tea.Batch(cmds...)
}

// open puts a page on top. It learns what the others know.
func (r *root) open(p page.Page) tea.Cmd {
	keys.Give(r.Keys, bindings(p), r.ours()...)
	r.stack = append(r.stack, p)
	r.resize(p)
	return tea.Batch(p.Init(), p.Update(r.clock.Tick), p.Update(r.snapshot))
}

func (r *root) back() {
	if len(r.stack) > 1 {
		r.stack = r.stack[:len(r.stack)-1]
	}
}

func (r *root) resize(p page.Page) {
	p.Resize(r.width, max(r.height-headerHeight-page.FooterHeight, 0))
}

func (r *root) tooSmall() bool { return r.width < minWidth || r.height < minHeight }

// prompt returns the lines of what the page asks, or nil.
func (r *root) prompt() []string {
	if p, ok := r.top().(page.Prompter); ok {
		return p.Prompt()
	}
	return nil
}

// View implements tea.Model.
func (r *root) View() string {
	switch {
	case r.width == 0:
		return ""
	case r.tooSmall():
		return strings.Join([]string{
			text.Cut(fmt.Sprintf("%dx%d is too small,", r.width, r.height), r.width, ""),
			text.Cut(fmt.Sprintf("%dx%d is needed", minWidth, minHeight), r.width, ""),
			text.Cut("or tui --plain", r.width, ""),
		}[:min(3, r.height)], "\n")
	}
	lines := append(make([]string, 0, r.height), r.header())
	lines = append(lines, strings.Split(r.top().View(), "\n")...)
	for len(lines) < r.height-page.FooterHeight {
		lines = append(lines, "")
	}
	footer := r.footer()
	return strings.Join(append(lines[:r.height-len(footer)], footer...), "\n")
}
