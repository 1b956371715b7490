package progress

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/exp/golden"
)

const title = "aip-dev up  ·  environment aip  ·  embedded (no container engine answers at /var/run/docker.sock)"

// show plays events on a terminal of a size; the display's own clock does not run.
func show(width, height int, o Options, events []Event) (*terminal, *live) {
	term := newTerminal(width, height)
	o.Size = term.size
	if o.Title == "" {
		o.Title = title
	}
	l := newLive(term, o)
	for _, e := range events {
		l.Emit(e)
	}
	return term, l
}

func TestLiveScreens(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{120, 40}, {80, 24}, {60, 15}, {30, 15}} {
		for name, events := range map[string][]Event{
			"start": fine()[:1], "side by side": fine()[:13], "done": proven(), "failed": broken(),
		} {
			t.Run(fmt.Sprintf("%s %dx%d", name, size[0], size[1]), func(t *testing.T) {
				t.Parallel()
				term, _ := show(size[0], size[1], Options{Now: clockAt(0)}, events)
				golden.RequireEqual(t, []byte(term.screen()))
			})
		}
	}
}

func TestLiveASCII(t *testing.T) {
	t.Parallel()
	term, l := show(80, 24, Options{Now: clockAt(5000), ASCII: true}, fine())
	running := term.screen()
	for _, e := range broken()[len(fine()):] {
		l.Emit(e)
	}
	golden.RequireEqual(t, []byte(running+"---\n"+term.screen()))
	for _, r := range term.raw.String() {
		if r > '~' {
			t.Fatalf("%q is not ASCII", r)
		}
	}
}

// What stands on the screen at the end is all that the terminal keeps: no line of an earlier frame is left above.
func TestLiveTranscriptLosesNothing(t *testing.T) {
	t.Parallel()
	for _, height := range []int{40, 6, 3} {
		term, l := show(80, height, Options{Now: clockAt(0)}, proven())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		term.resize(80, 40)
		// Replay what was written on a terminal that is high enough for all of it; frames must have replaced each other.
		whole := newTerminal(80, 40)
		if _, err := whole.Write(term.raw.Bytes()); err != nil {
			t.Fatal(err)
		}
		got := whole.screen()
		for _, want := range []string{"✓ preflight", "! cluster", "✓ cluster", "✓ resources", "✓ identity", "✓ gateway", "✓ policies", "✓ proof"} {
			if n := strings.Count(got, want); n != 1 {
				t.Errorf("height %d: %q stands there %d times:\n%s", height, want, n, got)
			}
		}
	}
}

func TestLiveColors(t *testing.T) {
	t.Parallel()
	for _, color := range []bool{false, true} {
		term, l := show(80, 24, Options{Now: clockAt(5000), Color: color}, broken())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		raw := term.raw.String()
		if got := strings.Contains(raw, "\x1b["+red+"m✗\x1b[0m"); got != color {
			t.Errorf("color %t: red sign is there: %t", color, got)
		}
		if got := strings.Contains(raw, "m"+"✓"); got && !color {
			t.Error("a colour without colours")
		}
	}
}

// The texts of events cannot reach the terminal's controls, in any field.
func TestLiveWritesNoControlsOfTexts(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[2J\x1b]0;title\x07b\r\nc\u202ed\x9b31m"
	events := []Event{
		at(0, Plan, "", "one\ntwo\n\x1b[31mthree"), at(0, Started, "one", ""), at(1, Note, "one", evil), at(2, Warning, "one", evil),
		at(3, Warning, evil, evil), at(4, Output, "one", evil), took(5, Failed, "one", evil, time.Second), at(6, Started, evil, ""),
		took(7, Done, evil, evil, 1), at(7, Warning, "", evil), at(8, End, "", evil),
	}
	for _, ascii := range []bool{false, true} {
		term, _ := show(70, 24, Options{Now: clockAt(0), ASCII: ascii, Verbose: true, Title: evil}, events)
		left := term.raw.String()
		for _, own := range []string{hideCursor, showCursor, clearBelow, "\n"} {
			left = strings.ReplaceAll(left, own, "")
		}
		for up := range 24 {
			left = strings.ReplaceAll(left, fmt.Sprintf(cursorUp, up), "")
		}
		if i := strings.IndexAny(left, "\x1b\x07\r\u202e\u009b"); i >= 0 {
			t.Errorf("ascii %t: a control reaches the terminal at %q", ascii, left[i:])
		}
	}
}

// Each frame shows the cursor at its end, so that no way of ending the program leaves it hidden.
func TestLiveCursorIsVisibleAfterEachWrite(t *testing.T) {
	t.Parallel()
	writes := 0
	w := writerFunc(func(p []byte) (int, error) {
		writes++
		if strings.Contains(string(p), hideCursor) && !strings.HasSuffix(string(p), showCursor) {
			t.Errorf("the cursor is hidden after %q", p)
		}
		return len(p), nil
	})
	l := newLive(w, Options{Now: clockAt(9000)})
	for _, e := range fine() {
		l.Emit(e)
		l.tick()
	}
	if err := l.Close(); err != nil || writes == 0 {
		t.Fatalf("%d writes, %v", writes, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestLiveClosedInTheMiddle(t *testing.T) {
	t.Parallel()
	term, l := show(80, 24, Options{Now: clockAt(4800)}, fine())
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l.Emit(at(5000, Note, "gateway", "after the end"))
	l.tick()
	golden.RequireEqual(t, []byte(term.screen()))
}

// A terminal made narrower folds the lines of the last frame; the next one still replaces all of it.
func TestLiveNarrowedTerminal(t *testing.T) {
	t.Parallel()
	term, l := show(80, 24, Options{Now: clockAt(5000)}, fine())
	before := l.rows()
	term.width = 40
	if after := l.rows(); after <= before {
		t.Errorf("%d rows of 80 columns are %d rows of 40", before, after)
	}
}

func TestLiveSecondRun(t *testing.T) {
	t.Parallel()
	events := append(proven(), at(9000, Plan, "", "cluster"), at(9000, Started, "cluster", ""), took(9100, Done, "cluster", "removed", 1e8), at(9100, End, "", ""))
	term, _ := show(80, 40, Options{Now: clockAt(0)}, events)
	if got := term.screen(); strings.Count(got, "✓ cluster") != 2 || strings.Count(got, "aip-dev up") != 1 || !strings.Contains(got, "removed") {
		t.Errorf("screen after two runs:\n%s", got)
	}
}

func TestLiveVerbose(t *testing.T) {
	t.Parallel()
	for _, verbose := range []bool{false, true} {
		term, _ := show(80, 24, Options{Now: clockAt(0), Verbose: verbose}, proven())
		if got := strings.Contains(term.screen(), "    identity: klog: one line of chatter"); got != verbose {
			t.Errorf("verbose %t: chatter is there: %t", verbose, got)
		}
	}
}

// The display redraws by itself while nothing happens, and its goroutine ends with Close: synctest fails when one is left.
func TestLiveClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		term := newTerminal(80, 24)
		l := NewLive(term, Options{Now: time.Now, Size: term.size})
		l.Emit(Event{At: time.Now(), Kind: Plan, Text: "cluster"})
		l.Emit(Event{At: time.Now(), Kind: Started, Step: "cluster"})
		<-time.After(4200 * time.Millisecond)
		synctest.Wait()
		if got := term.screen(); !strings.Contains(got, "4.2s") {
			t.Errorf("after 4.2 s the screen says\n%s", got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRenderersReportTheFirstWriteError(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	w := writerFunc(func([]byte) (int, error) { return 0, full })
	for name, r := range map[string]Renderer{
		"live": newLive(w, Options{Now: clockAt(0)}), "plain": newPlain(w, Options{Now: clockAt(0)}), "json": NewJSON(w),
	} {
		for _, e := range proven() {
			r.Emit(e)
		}
		for range 2 {
			if err := r.Close(); !errors.Is(err, full) {
				t.Errorf("%s: %v, expected %v", name, err, full)
			}
		}
	}
}
