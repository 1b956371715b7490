package search_test

import (
	"fmt"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/part/pager"
	"github.com/aip-dev/aip-dev/tui/part/search"
	"github.com/aip-dev/aip-dev/tui/theme"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	var p pager.Pager
	lines := make([]string, 100)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d", i)
	}
	lines[30], lines[95] = "\x1b[1mNee\x1b[0mdle", "a needle?"
	p.SetLines(lines)
	p.SetHeight(10)
	s := search.New(theme.New(theme.Options{Profile: termenv.Ascii}))
	press := func(msg tea.KeyMsg) (over bool) {
		over, _ = s.Update(msg, &p)
		return over
	}
	enter := tea.KeyMsg{Type: tea.KeyEnter}
	want := func(at int, words string) {
		t.Helper()
		if s.Found() != at || !strings.Contains(s.Lines(80)[0], words) {
			t.Errorf("found line %d, %q, want %d, %q", s.Found(), s.Lines(80)[0], at, words)
		}
		if at >= 0 && (p.Above() > at || p.Above()+p.Height() <= at) {
			t.Errorf("line %d is not among those from %d", at, p.Above())
		}
	}
	want(-1, "what must be in a line")
	press(enter)
	want(-1, "what must be in a line")
	for _, r := range "needle" {
		press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
	}
	want(30, "line 1 of 2 that have it")
	press(enter)
	want(95, "line 2 of 2")
	press(enter)
	want(30, "line 1 of 2")
	press(enter)
	press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{'?'}})
	want(95, "line 1 of 1 that has it")
	press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{'!'}})
	want(-1, "nowhere")
	if above := p.Above(); !press(tea.KeyMsg{Type: tea.KeyEsc}) || p.Above() != above {
		t.Error("esc does not leave, or moves the text")
	}
	for _, l := range s.Lines(20) {
		if len([]rune(l)) > 20 {
			t.Errorf("%q is wider than 20", l)
		}
	}
}
