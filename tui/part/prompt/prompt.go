// Package prompt asks for one line of text, edited in place.
package prompt

import (
	"strings"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Prompt is a line of text with a caret. All keys of bubbles/textinput work in it.
type Prompt struct {
	input textinput.Model
	look  theme.Theme
}

// New returns an empty Prompt that takes up to limit characters.
func New(look theme.Theme, limit int) Prompt {
	input := textinput.New()
	input.CharLimit = limit
	input.Cursor.SetMode(cursor.CursorStatic) // nothing blinks
	input.Focus()
	return Prompt{input: input, look: look}
}

// SetValue replaces the text and puts the caret behind it.
func (p *Prompt) SetValue(s string) {
	p.input.SetValue(s)
	p.input.CursorEnd()
}

// Value returns the text.
func (p *Prompt) Value() string { return p.input.Value() }

// Full reports whether no further character is taken.
func (p *Prompt) Full() bool { return len([]rune(p.Value())) >= p.input.CharLimit }

// Update edits the text.
func (p *Prompt) Update(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	p.input, cmd = p.input.Update(msg)
	return cmd
}

// View returns the part of the text around the caret that fits in width columns, with marks where it goes on. The
// text is drawn as harmless as everything else, because it may have been pasted.
func (p *Prompt) View(width int) string {
	at := p.input.Position()
	cells := p.cells(at)
	from, to := at, at+1
	used := text.Width(cells[at])
	for from > 0 && used+text.Width(cells[from-1]) <= width {
		from--
		used += text.Width(cells[from])
	}
	for to < len(cells) && used+text.Width(cells[to]) <= width {
		used += text.Width(cells[to])
		to++
	}
	if from > 0 && from < at {
		cells[from] = text.Fit(p.look.Cut, text.Width(cells[from]), "")
	}
	if to < len(cells) && to-1 > at {
		cells[to-1] = text.Fit(p.look.Cut, text.Width(cells[to-1]), "")
	}
	return text.Cut(strings.Join(cells[from:to], ""), width, "")
}

// cells draws each character and the end of the text, one of them with the caret.
func (p *Prompt) cells(at int) []string {
	runes := []rune(p.Value())
	cells := make([]string, 0, len(runes)+1)
	for _, r := range runes {
		cells = append(cells, safetext.Line(string(r)))
	}
	switch last := at == len(runes); {
	case p.look.Bare && last:
		return append(cells, p.look.Caret)
	case p.look.Bare:
		cells[at] = p.look.Caret + cells[at]
		return cells
	case last:
		return append(cells, p.look.Selected.Render(" "))
	default:
		cells[at] = p.look.Selected.Render(cells[at])
		return cells
	}
}
