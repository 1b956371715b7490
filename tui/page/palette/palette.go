// Package palette is the page on which every action can be found by its name: those of the page below, those that work
// everywhere, and the other pages. A choice goes back to the root as a message.
package palette

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/list"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Action is something that can be done.
type Action struct {
	// Name says what it does, Key how it is called without the palette.
	Name, Key string
	// Off says why it does nothing now; it is empty when it works.
	Off string
	// Do is what the root gets when the action is chosen.
	Do tea.Msg
}

// Chosen tells the root which action was chosen. The palette is gone by then.
type Chosen struct{ Action Action }

// Palette is the page.
type Palette struct {
	look    theme.Theme
	actions []Action
	rows    []Action
	typed   prompt.Prompt
	at      int
	window  list.Window
	width   int

	up, down, run, back key.Binding
}

// nameLimit is how many characters may be typed.
const nameLimit = 100

// New returns the page with these actions; the names in recent come first, in their order.
func New(look theme.Theme, actions []Action, recent []string) *Palette {
	actions = slices.Clone(actions)
	rank := func(a Action) int {
		if at := slices.Index(recent, a.Name); at >= 0 {
			return at
		}
		return len(recent)
	}
	slices.SortStableFunc(actions, func(a, b Action) int { return rank(a) - rank(b) })
	return &Palette{
		look: look, actions: actions, rows: actions, typed: prompt.New(look, nameLimit),
		up:   key.NewBinding(key.WithKeys("up", "ctrl+p"), key.WithHelp("up", "up")),
		down: key.NewBinding(key.WithKeys("down", "ctrl+n", "tab"), key.WithHelp("down", "down")),
		run:  key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "do it")),
		back: key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "back")),
	}
}

// Init implements page.Page.
func (p *Palette) Init() tea.Cmd { return nil }

// Title implements page.Page.
func (p *Palette) Title() string { return "commands" }

// Resize implements page.Page.
func (p *Palette) Resize(width, height int) {
	p.width, p.window.Height = width, max(height-1, 0)
	p.window = p.window.Show(p.at, len(p.rows))
}

// Keys implements page.Page.
func (p *Palette) Keys() []page.Key {
	return []page.Key{{Binding: p.run}, {Binding: p.down}, {Binding: p.up}, {Binding: p.back}}
}

// Update implements page.Page.
func (p *Palette) Update(msg tea.Msg) tea.Cmd {
	pressed, ok := msg.(tea.KeyMsg)
	switch {
	case !ok:
		return nil
	case key.Matches(pressed, p.back):
		return func() tea.Msg { return page.Back{} }
	case key.Matches(pressed, p.up):
		p.move(-1)
		return nil
	case key.Matches(pressed, p.down):
		p.move(1)
		return nil
	case key.Matches(pressed, p.run):
		if p.at >= len(p.rows) || p.rows[p.at].Off != "" {
			return nil
		}
		chosen := Chosen{Action: p.rows[p.at]}
		return func() tea.Msg { return chosen }
	default:
		cmd := p.typed.Update(msg)
		p.find()
		return cmd
	}
}

func (p *Palette) move(by int) {
	p.at = max(0, min(p.at+by, len(p.rows)-1))
	p.window = p.window.Show(p.at, len(p.rows))
}

// find keeps the actions in whose names all that was typed is found, in any order.
func (p *Palette) find() {
	words := strings.Fields(strings.ToLower(p.typed.Value()))
	p.rows = nil
	for _, a := range p.actions {
		name := strings.ToLower(a.Name + " " + a.Key)
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(name, w) }) {
			p.rows = append(p.rows, a)
		}
	}
	p.at = 0
	p.window = p.window.Show(0, len(p.rows))
}

// keyWidth is the column of the names of keys.
const keyWidth = 12

// View implements page.Page.
func (p *Palette) View() string {
	lines := []string{" " + p.look.Title.Render("What to do")}
	first, last := p.window.Rows(len(p.rows))
	for at := first; at < last; at++ {
		a := p.rows[at]
		body := text.Fit(a.Key, keyWidth, "") + a.Name
		if a.Off != "" {
			body += ": " + a.Off
		}
		body = text.Cut(body, p.width-3, p.look.Cut)
		switch {
		case at == p.at:
			lines = append(lines, p.look.Selected.Render(p.look.Cursor+" "+text.Fit(body, p.width-2, "")))
		case a.Off != "":
			lines = append(lines, "  "+p.look.Dim.Render(body))
		default:
			lines = append(lines, "  "+p.look.Accent.Render(text.Fit(a.Key, keyWidth, ""))+text.Cut(a.Name, p.width-3-keyWidth, p.look.Cut))
		}
	}
	if len(p.rows) == 0 {
		lines = append(lines, "  nothing is called that")
	}
	return strings.Join(lines, "\n")
}

// Prompt implements page.Prompter.
func (p *Palette) Prompt() []string {
	return []string{"", " : " + p.typed.View(p.width-4), p.look.Dim.Render(text.Cut(" enter do it   up down choose   esc back", p.width, p.look.Cut))}
}
