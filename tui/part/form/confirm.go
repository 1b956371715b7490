package form

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Confirm asks whether something is to be done that cannot be undone. Enter alone does nothing.
type Confirm struct {
	look        theme.Theme
	title, says string
	does        func() tea.Cmd
	yes, cancel key.Binding
}

// NewConfirm returns the question whether to do what title names; says tells what follows from it.
func NewConfirm(look theme.Theme, title, says, yes string, does func() tea.Cmd) *Confirm {
	return &Confirm{
		look: look, title: title, says: says, does: does,
		yes:    key.NewBinding(key.WithKeys("y"), key.WithHelp("y", yes)),
		cancel: key.NewBinding(key.WithKeys("esc", "n"), key.WithHelp("esc", "back")),
	}
}

// Update takes a key and reports whether the question is over.
func (c *Confirm) Update(msg tea.KeyMsg) (over bool, cmd tea.Cmd) {
	switch {
	case key.Matches(msg, c.yes):
		return true, c.does()
	case key.Matches(msg, c.cancel):
		return true, nil
	default:
		return false, nil
	}
}

// Keys are those that work.
func (c *Confirm) Keys() []page.Key { return []page.Key{{Binding: c.yes}, {Binding: c.cancel}} }

// Lines draws the question.
func (c *Confirm) Lines(width int) []string {
	cut := func(s string) string { return text.Cut(s, width, c.look.Cut) }
	return []string{
		cut(" " + c.look.Title.Render(c.title)),
		cut(" " + c.says),
		cut(" " + c.look.Accent.Render("y") + " " + c.yes.Help().Desc + "   " + c.look.Accent.Render("esc") + " back"),
	}
}
