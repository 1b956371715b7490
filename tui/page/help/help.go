// Package help is the page that lists the keys. It is made from the live key maps, so it cannot tell of a key that is
// not there.
package help

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/keys"
	"github.com/aip-dev/aip-dev/tui/part/pager"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Section is a group of keys, or of signs, under a title.
type Section struct {
	Title string
	Keys  []page.Key
	Signs []page.Sign
}

// Help is the page.
type Help struct {
	look     theme.Theme
	sections []Section
	width    int
	height   int
	text     pager.Pager

	up, down, back key.Binding
}

// New returns the page for these keys, as they are at this moment.
func New(look theme.Theme, sections ...Section) *Help {
	return &Help{
		look: look, sections: sections,
		up:   key.NewBinding(key.WithKeys("up", "k", "pgup"), key.WithHelp("k", "up")),
		down: key.NewBinding(key.WithKeys("down", "j", "pgdown", " "), key.WithHelp("j", "down")),
		back: key.NewBinding(key.WithKeys("esc", "?", "q"), key.WithHelp("esc", "back")),
	}
}

// Bindings implements page.Rebindable.
func (h *Help) Bindings() []*key.Binding { return []*key.Binding{&h.up, &h.down, &h.back} }

// Init implements page.Page.
func (h *Help) Init() tea.Cmd { return nil }

// Title implements page.Page.
func (h *Help) Title() string { return "help" }

// Resize implements page.Page.
func (h *Help) Resize(width, height int) {
	h.width, h.height = width, height
	h.text.SetHeight(height)
	h.text.SetLines(h.lines())
}

// Update implements page.Page.
func (h *Help) Update(msg tea.Msg) tea.Cmd {
	pressed, ok := msg.(tea.KeyMsg)
	switch {
	case !ok:
	case key.Matches(pressed, h.up):
		h.text.Scroll(-1)
	case key.Matches(pressed, h.down):
		h.text.Scroll(1)
	case key.Matches(pressed, h.back):
		return func() tea.Msg { return page.Back{} }
	}
	return nil
}

// Keys implements page.Page.
func (h *Help) Keys() []page.Key {
	keys := []page.Key{{Binding: h.back}}
	if h.text.Below() > 0 {
		keys = append(keys, page.Key{Binding: h.down})
	}
	if h.text.Above() > 0 {
		keys = append(keys, page.Key{Binding: h.up})
	}
	return keys
}

// View implements page.Page.
func (h *Help) View() string { return strings.Join(h.text.Visible(), "\n") }

// lines writes the sections.
func (h *Help) lines() []string {
	const keyWidth = 12
	var lines []string
	for _, s := range h.sections {
		lines = append(lines, "", " "+h.look.Title.Render(s.Title))
		for _, k := range s.Keys {
			for i, does := range k.Each[:min(len(k.Each), len(k.Keys()))] {
				line := "   " + h.look.Accent.Render(text.Fit(k.Keys()[i], keyWidth, "")) + safetext.Line(does)
				lines = append(lines, text.Cut(line, h.width, h.look.Cut))
			}
			if k.Each != nil {
				continue
			}
			line := "   " + h.look.Accent.Render(text.Fit(k.Help().Key, keyWidth, "")) + k.Help().Desc
			if also := others(k); also != "" {
				line += h.look.Dim.Render(", also " + also)
			}
			if k.Off != "" {
				line += h.look.Dim.Render("  not now: " + k.Off)
			}
			lines = append(lines, text.Cut(line, h.width, h.look.Cut))
		}
		for _, sign := range s.Signs {
			lines = append(lines, text.Cut("   "+text.Fit(sign.Sign, keyWidth, "")+sign.Means, h.width, h.look.Cut))
		}
	}
	return lines
}

// others returns the other names of a key, in words.
func others(k page.Key) string {
	var names []string
	for _, name := range k.Keys() {
		if msg, _ := keys.Press(name); keys.ByName(msg) {
			continue // it has no other
		}
		name = strings.ReplaceAll(name, "+", "-")
		switch name {
		case "up", "down":
			name = "arrow " + name
		case "pgdown":
			name = "pgdn"
		case " ":
			name = "space"
		}
		if name != k.Help().Key {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
