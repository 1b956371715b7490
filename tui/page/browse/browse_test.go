package browse_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// shelf is a browse page over rows that a test changes.
type shelf struct {
	*browse.Page
	rows []browse.Row
	err  error
}

func open(t *testing.T, width, height int, rows ...browse.Row) *shelf {
	t.Helper()
	s := &shelf{rows: rows}
	s.Page = browse.New(browse.Options{
		Title: "Things", Look: theme.New(theme.Options{Profile: termenv.Ascii}), Every: 5 * time.Second, Empty: "there is nothing",
		Columns: []browse.Column{{Title: "ONE", Width: 8}, {Title: "TWO"}},
		Do: func(call func(context.Context) tea.Msg) tea.Cmd {
			return func() tea.Msg { return call(context.Background()) }
		},
		Load: func(context.Context) ([]browse.Row, error) { return s.rows, s.err },
	})
	s.Resize(width, height)
	s.run(s.Init())
	return s
}

func (s *shelf) run(cmd tea.Cmd) {
	if cmd != nil {
		s.Update(cmd())
	}
}

func row(i int) browse.Row {
	return browse.Row{
		ID: fmt.Sprint(i), Cells: []string{fmt.Sprintf("row-%d", i), "x\x1b[2J\u202e"},
		Detail: []browse.Line{{Title: fmt.Sprint("the whole of ", i)}, {Name: "evil", Value: "a\x1b]0;owned\x07\nb\u202e" + strings.Repeat("long ", 40)}},
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{120, 20}, {80, 20}, {40, 8}, {20, 4}} {
		s := open(t, size[0], size[1], row(1), row(2))
		for _, keys := range []string{"", "j", "enter", "J"} {
			if keys != "" {
				s.run(s.Update(drive.Key(keys)))
			}
			view := s.View()
			for _, l := range strings.Split(view, "\n") {
				if text.Width(l) > size[0] {
					t.Errorf("%v: %q is too wide", size, l)
				}
			}
			if strings.ContainsFunc(view, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' }) {
				t.Errorf("%v: %q", size, view)
			}
			if keys == "enter" && !strings.Contains(view, "the whole of 2") {
				t.Errorf("%v: no detail in\n%s", size, view)
			}
		}
	}
}

// The cursor stays on its thing, whatever comes and goes.
func TestCursorStays(t *testing.T) {
	t.Parallel()
	s := open(t, 120, 20, row(1), row(2), row(3))
	s.Update(drive.Key("j"))
	s.rows = []browse.Row{row(0), row(1), row(2)}
	s.run(s.Update(drive.Key("r")))
	if !strings.Contains(s.View(), "▌ row-2") {
		t.Errorf("the cursor moved:\n%s", s.View())
	}
	s.Update(drive.Key("/"))
	for _, r := range "row-0" {
		s.Update(drive.Key(string(r)))
	}
	s.Update(drive.Key("enter"))
	if !strings.Contains(s.View(), "1 of 3 match /row-0") || !strings.Contains(s.View(), "▌ row-0") {
		t.Errorf("the filter:\n%s", s.View())
	}
}

// What is asked for while something is being read is read after it: the answer may be about something else.
func TestAskedWhileReading(t *testing.T) {
	t.Parallel()
	s := open(t, 80, 20, row(1))
	first := s.Update(drive.Key("r"))
	if s.Update(drive.Key("r")) != nil {
		t.Error("read twice at once")
	}
	old := first()
	s.rows = []browse.Row{row(2)}
	second := s.Update(old)
	if second == nil {
		t.Fatal("not read again")
	}
	s.run(second)
	if !strings.Contains(s.View(), "row-2") {
		t.Errorf("shown is\n%s", s.View())
	}
}

func TestReadsAgain(t *testing.T) {
	t.Parallel()
	s := open(t, 80, 20)
	if !strings.Contains(s.View(), "there is nothing") {
		t.Errorf("empty:\n%s", s.View())
	}
	at := time.Unix(1000, 0)
	s.Update(page.Tick{Now: at})
	s.rows = []browse.Row{row(7)}
	if s.Update(page.Tick{Now: at.Add(time.Second)}) != nil {
		t.Error("read again too soon")
	}
	s.run(s.Update(page.Tick{Now: at.Add(6 * time.Second)}))
	if !strings.Contains(s.View(), "row-7") {
		t.Errorf("not read again:\n%s", s.View())
	}
	s.err = errors.New("gone\x1b[2J")
	s.run(s.Update(drive.Key("r")))
	if view := s.View(); !strings.Contains(view, "gone") || !strings.Contains(view, "row-7") || strings.Contains(view, "\x1b") {
		t.Errorf("a failure:\n%q", view)
	}
}

// What has the whole room is searched, and not the list behind it.
func TestSearchTheDetail(t *testing.T) {
	t.Parallel()
	s := open(t, 80, 12, row(1), row(2))
	for _, k := range []string{"enter", "/", "o", "w", "n", "e", "d"} {
		s.run(s.Update(drive.Key(k)))
	}
	if got := strings.Join(s.Prompt(), "\n"); !strings.Contains(got, "line 1 of 1 that has it") || strings.Contains(s.View(), "match") {
		t.Errorf("%s\n%s", got, s.View())
	}
	s.run(s.Update(drive.Key("esc")))
	if s.Prompt() != nil || !strings.Contains(s.View(), "owned") {
		t.Errorf("esc does not leave the search alone\n%s", s.View())
	}
}

// The filter looks into the whole of each row, so that the trail is searched for why, too.
func TestFilterLooksIntoTheDetail(t *testing.T) {
	t.Parallel()
	other := row(2)
	other.Detail = append(other.Detail, browse.Line{Name: "reason given", Value: "Wrong region"})
	s := open(t, 80, 20, row(1), other)
	s.run(s.Update(drive.Key("/")))
	for _, r := range "region row" {
		s.run(s.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
	}
	if view := s.View(); !strings.Contains(view, "1 of 2 match") || strings.Contains(view, "row-1") || !strings.Contains(view, "row-2") {
		t.Errorf("%s", view)
	}
}
