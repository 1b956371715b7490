// Package paint puts screens on a terminal: the lines that differ, at the moment at which they do. The renderer of
// bubbletea looks a hundred times a second whether there is anything to draw, which costs about one percent of a
// processor for as long as the program runs, and lets a key wait for its frame.
package paint

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
)

// Options say what the terminal is asked for besides the screen.
type Options struct {
	// Mouse asks for clicks and the wheel.
	Mouse bool
}

// Terminal is a terminal that belongs to the program from Open to Close. Its methods are for one goroutine.
type Terminal struct {
	out    io.Writer
	in     term.File
	before *term.State
	close  string
	// lines are what the screen shows; nil is not known.
	lines []string
	width int
}

// Modes of the terminal while it belongs to the program. Autowrap (DECAWM) is off: should the terminal think that a
// character is wider than we do, the line is cut at the edge and the lines below stay where they are. The title of the window is
// put aside (XTWINOPS).
// Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
const (
	opening = keepTitle + ansi.ResetModeAutoWrap + ansi.SetModeAltScreenSaveCursor + ansi.HideCursor + ansi.SetModeBracketedPaste + ansi.SetModeFocusEvent
	closing = ansi.ResetModeFocusEvent + ansi.ResetModeBracketedPaste + ansi.ShowCursor + ansi.ResetModeAltScreenSaveCursor + ansi.SetModeAutoWrap + oldTitle

	keepTitle = "\x1b[22;2t"
	oldTitle  = "\x1b[23;2t"

	mouseOn  = ansi.SetModeMouseButtonEvent + ansi.SetModeMouseExtSgr
	mouseOff = ansi.ResetModeMouseExtSgr + ansi.ResetModeMouseButtonEvent
)

// Open takes the terminal: keys come one by one and unseen, and the screen is empty. An input that is no terminal is
// taken as it is.
func Open(in io.Reader, out io.Writer, o Options) (*Terminal, error) {
	t := &Terminal{out: out, close: closing}
	if file, ok := in.(term.File); ok && term.IsTerminal(file.Fd()) {
		before, err := term.MakeRaw(file.Fd())
		if err != nil {
			return nil, fmt.Errorf("read keys one by one: %w", err)
		}
		t.in, t.before = file, before
	}
	open := opening
	if o.Mouse {
		open += mouseOn
		t.close = mouseOff + t.close
	}
	if err := t.write(open); err != nil {
		return nil, err
	}
	return t, nil
}

// Close gives the terminal back as it was. Calls after the first do nothing.
func (t *Terminal) Close() error {
	err := t.write(t.close)
	t.close = ""
	if t.before != nil {
		if failed := term.Restore(t.in.Fd(), t.before); err == nil && failed != nil {
			err = fmt.Errorf("give the terminal back: %w", failed)
		}
		t.before = nil
	}
	return err
}

// Resize says how wide the terminal is by now. What it shows is not known any more.
func (t *Terminal) Resize(width int) { t.width, t.lines = width, nil }

// Paint shows a screen, of lines that are no wider than the terminal and end without attributes.
func (t *Terminal) Paint(screen string) error {
	lines := strings.Split(screen, "\n")
	var b strings.Builder
	if t.lines == nil {
		b.WriteString(ansi.EraseEntireScreen)
	}
	for i, line := range lines {
		if i < len(t.lines) && t.lines[i] == line {
			continue
		}
		b.WriteString(ansi.CursorPosition(1, i+1) + line)
		if ansi.StringWidth(line) < t.width {
			b.WriteString(ansi.EraseLineRight)
		}
	}
	if len(lines) < len(t.lines) {
		b.WriteString(ansi.CursorPosition(1, len(lines)+1) + ansi.EraseScreenBelow)
	}
	t.lines = lines
	return t.write(b.String())
}

func (t *Terminal) write(s string) error {
	if s == "" {
		return nil
	}
	if _, err := io.WriteString(t.out, s); err != nil {
		return fmt.Errorf("write to the terminal: %w", err)
	}
	return nil
}
