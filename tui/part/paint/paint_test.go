package paint_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hinshun/vt10x"

	"github.com/aip-dev/aip-dev/tui/part/paint"
)

const (
	width  = 20
	height = 6
)

// emulator is a terminal in memory that counts what is written to it.
type emulator struct {
	vt10x.Terminal
	written bytes.Buffer
}

func (e *emulator) Write(p []byte) (int, error) {
	e.written.Write(p)
	return e.Terminal.Write(p)
}

func open(t *testing.T) (*emulator, *paint.Terminal) {
	t.Helper()
	e := &emulator{Terminal: vt10x.New(vt10x.WithSize(width, height))}
	terminal, err := paint.Open(strings.NewReader(""), e, paint.Options{Mouse: true})
	if err != nil {
		t.Fatal(err)
	}
	terminal.Resize(width)
	return e, terminal
}

// shown are the lines on the screen without the blanks at their ends.
func shown(e *emulator) string {
	lines := strings.Split(strings.TrimRight(e.String(), "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// Whatever was there before, the terminal shows the screen that was painted last.
func TestTheScreenIsShown(t *testing.T) {
	t.Parallel()
	e, terminal := open(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		lines := make([]string, 1+random.IntN(height))
		for i := range lines {
			lines[i] = strings.Repeat(string(rune('a'+random.IntN(3))), random.IntN(width+1))
			if random.IntN(3) == 0 {
				lines[i] = "\x1b[1m" + lines[i] + "\x1b[0m"
			}
		}
		if random.IntN(50) == 0 {
			terminal.Resize(width)
		}
		screen := strings.Join(lines, "\n")
		if err := terminal.Paint(screen); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimRight(strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(screen), "\n")
		if got := shown(e); got != want {
			t.Fatalf("the terminal shows\n%q\nexpected\n%q", got, want)
		}
	}
}

// What did not change is not written.
func TestOnlyChangesAreWritten(t *testing.T) {
	t.Parallel()
	e, terminal := open(t)
	paint := func(screen string) string {
		t.Helper()
		e.written.Reset()
		if err := terminal.Paint(screen); err != nil {
			t.Fatal(err)
		}
		return e.written.String()
	}
	paint("one\ntwo\nthree")
	if got := paint("one\ntwo\nthree"); got != "" {
		t.Errorf("%q was written for the same screen", got)
	}
	if got := paint("one\n2\nthree"); strings.Contains(got, "one") || strings.Contains(got, "three") || !strings.Contains(got, "2") {
		t.Errorf("%q was written for one line", got)
	}
	terminal.Resize(width)
	if got := paint("one\n2\nthree"); !strings.Contains(got, "one") || !strings.Contains(got, "three") {
		t.Errorf("%q was written after a resize, expected everything", got)
	}
}

func TestTheTerminalIsGivenBack(t *testing.T) {
	t.Parallel()
	e, terminal := open(t)
	opened := e.written.String()
	e.written.Reset()
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	closed := e.written.String()
	for _, mode := range []string{"?7", "?25", "?1002", "?1004", "?1006", "?1049", "?2004"} {
		on, off := "\x1b["+mode+"h", "\x1b["+mode+"l"
		if mode == "?7" || mode == "?25" { // autowrap and the cursor are what the program does without
			on, off = off, on
		}
		if strings.Count(opened, on) != 1 || strings.Count(closed, off) != 1 {
			t.Errorf("mode %s: opened by %q, closed by %q", mode, opened, closed)
		}
	}
	if strings.Count(opened, "\x1b[22;2t") != 1 || strings.Count(closed, "\x1b[23;2t") != 1 {
		t.Errorf("the title is not the one before: opened by %q, closed by %q", opened, closed)
	}
	e.written.Reset()
	if err := terminal.Close(); err != nil || e.written.Len() > 0 {
		t.Errorf("the second Close wrote %q, %v", e.written.String(), err)
	}
}
