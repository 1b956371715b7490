package tui

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/paint"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// newShell is the program on a terminal in memory.
func newShell(t *testing.T, out *bytes.Buffer) *shell {
	t.Helper()
	r, _, err := build(t.Context(), Options{Gateway: fakegateway.New(time.Now, "alice"), Now: time.Now}, theme.New(plain()))
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := paint.Open(strings.NewReader(""), out, paint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &shell{root: r, terminal: terminal}
}

// A key after a pause is answered at once, and what comes within the same frame is drawn at its end.
func TestShellDrawsOnChange(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newShell(t, &out)
	s.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	if !strings.Contains(out.String(), "connecting") {
		t.Fatalf("found %q, expected a screen", out.String())
	}
	out.Reset()
	s.drawn = time.Now().Add(time.Hour) // the frame does not end by itself
	_, cmd := s.Update(page.Notice{Text: "something happened"})
	if out.Len() > 0 || cmd == nil || !s.late {
		t.Fatalf("%q was drawn within the frame, waits: %t", out.String(), s.late)
	}
	s.drawn = time.Time{}
	s.Update(redraw{})
	if !strings.Contains(out.String(), "something happened") || s.late {
		t.Errorf("found %q at the end of the frame", out.String())
	}
}

// faulty is a page that panics.
type faulty struct{ page.Page }

var errFault = errors.New("a fault")

func (faulty) Update(tea.Msg) tea.Cmd { panic(errFault) }

// A fault of the program can be read: the terminal is given back first.
func TestShellGivesTheTerminalBackOnPanic(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newShell(t, &out)
	s.stack = []page.Page{faulty{}}
	defer func() {
		if fault := recover(); fault != errFault { //nolint:errorlint // the same value
			t.Errorf("recovered %v", fault)
		}
		if !strings.Contains(out.String(), "\x1b[?1049l") {
			t.Errorf("found %q, expected the end of the alternate screen", out.String())
		}
	}()
	s.Update(tea.FocusMsg{})
}
