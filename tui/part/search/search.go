// Package search finds words in a text that is too long for the screen: what is typed is looked for at once, Enter goes on to
// the next place.
package search

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/aip-dev/aip-dev/tui/part/pager"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Search is one search, from when it is opened until it is left.
type Search struct {
	look theme.Theme
	line prompt.Prompt
	// Next goes on, Back leaves.
	Next, Back key.Binding
	// at is the line of the text that was found, -1 when there is none; number is how many of all came up to it.
	at, number, all int
}

// limit is how many characters can be looked for.
const limit = 200

// New returns a search for nothing yet.
func New(look theme.Theme) *Search {
	return &Search{
		look: look, line: prompt.New(look, limit), at: -1,
		Next: key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "next")),
		Back: key.NewBinding(key.WithKeys("esc"), key.WithHelp("esc", "back")),
	}
}

// Update takes a key and moves the text to what was found. Over says that the search was left; the text stays where it is.
func (s *Search) Update(msg tea.KeyMsg, p *pager.Pager) (over bool, cmd tea.Cmd) {
	switch {
	case key.Matches(msg, s.Back):
		return true, nil
	case key.Matches(msg, s.Next):
		s.find(p, s.at+1)
		return false, nil
	}
	before := s.line.Value()
	cmd = s.line.Update(msg)
	if s.line.Value() != before {
		s.find(p, max(s.at, p.Above()))
	}
	return false, cmd
}

// find goes to the first place from a line on, and on from the beginning after the end. Case does not matter.
func (s *Search) find(p *pager.Pager, from int) {
	words := strings.ToLower(s.line.Value())
	s.at, s.number, s.all = -1, 0, 0
	if words == "" {
		return
	}
	first, firstNumber := -1, 0
	for i, l := range p.Lines() {
		if !strings.Contains(strings.ToLower(ansi.Strip(l)), words) {
			continue
		}
		s.all++
		if first < 0 {
			first, firstNumber = i, s.all
		}
		if i >= from && s.at < 0 {
			s.at, s.number = i, s.all
		}
	}
	if s.at < 0 {
		s.at, s.number = first, firstNumber
	}
	if s.at >= 0 && (s.at < p.Above() || s.at >= p.Above()+p.Height()) {
		p.Scroll(s.at - p.Above() - p.Height()/2)
	}
}

// Found returns the line of the text that was found, -1 when there is none.
func (s *Search) Found() int { return s.at }

// Lines draws the question for width columns.
func (s *Search) Lines(width int) []string {
	const lead = " search: "
	words := " what must be in a line of the text"
	switch {
	case s.line.Value() == "":
	case s.all == 0:
		words = " nowhere"
	default:
		words = fmt.Sprintf(" line %d of %s", s.number, text.Count(s.all, "that has it", "that have it"))
	}
	return []string{
		s.look.Dim.Render(text.Cut(words, width, s.look.Cut)), lead + s.line.View(width-len(lead)-1),
		text.Cut(" enter next   esc back", width, s.look.Cut),
	}
}
