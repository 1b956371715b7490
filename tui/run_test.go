package tui_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/tui"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
)

// terminal is a real pseudo-terminal with an emulator on the other side.
type terminal struct {
	*testing.T
	near, far *os.File
	emulator  vt10x.Terminal

	mu      sync.Mutex
	raw     bytes.Buffer
	changed chan struct{}
	closed  chan struct{}
}

func newTerminal(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	t.Setenv("TERM", "tmux-256color") // of which no questions are asked
	near, far, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(near, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{
		T: t, near: near, far: far, emulator: vt10x.New(vt10x.WithSize(columns, rows)),
		changed: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	go term.read()
	t.Cleanup(func() {
		_ = far.Close()
		_ = near.Close()
		<-term.closed
	})
	return term
}

func (t *terminal) read() {
	defer close(t.closed)
	buffer := make([]byte, 32<<10)
	for {
		n, err := t.near.Read(buffer)
		t.mu.Lock()
		t.raw.Write(buffer[:n])
		_, _ = t.emulator.Write(buffer[:n])
		t.mu.Unlock()
		select {
		case t.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// until waits for a text on the screen.
func (t *terminal) until(part string) {
	t.Helper()
	t.wait(part, t.emulator.String)
}

// untilWritten waits for a sequence that the program writes.
func (t *terminal) untilWritten(sequence string) {
	t.Helper()
	t.wait(sequence, func() string {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.raw.String()
	})
}

func (t *terminal) wait(part string, in func() string) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for !strings.Contains(in(), part) {
		select {
		case <-t.changed:
		case <-limit:
			t.Fatalf("no %q in\n%q\non\n%s", part, in(), t.emulator)
		}
	}
}

func (t *terminal) press(keys string) {
	t.Helper()
	if _, err := t.near.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// slow is a gateway that takes its time to decide.
type slow struct{ *fakegateway.Gateway }

func (s slow) Deny(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error) {
	select {
	case <-ctx.Done():
		return wire.Reviewed{}, ctx.Err()
	case <-time.After(200 * time.Millisecond):
		return s.Gateway.Deny(ctx, namespace, name, r)
	}
}

// The program on a terminal: it shows the queue, denies a request, and when it is left right after that, the decision
// still arrives.
func TestRun(t *testing.T) {
	term := newTerminal(t, 80, 24)
	g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
	g.Put(fakegateway.Pending("one", "cost-bot", "delete", "k8s://prod/x", "idle", time.Now()))
	ended := make(chan error, 1)
	go func() {
		ended <- tui.Run(t.Context(), tui.Options{Gateway: slow{g}, Now: time.Now, Environment: "aip", In: term.far, Out: term.far})
	}()
	term.until("● live")
	term.until("cost-bot")
	term.until("d deny   ")
	term.press("d")
	term.until("the agent reads this")
	term.press("not now")
	term.until("not now")
	term.press("\r")
	term.until("being sent")
	term.press("q")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := g.Decisions(); len(got) != 1 || got[0].Review.Reason != "not now" {
		t.Errorf("decisions: %+v", got)
	}
	term.untilWritten("\x1b[?1049h") // alternate screen
	term.untilWritten("\x1b[?1049l") // and back
	term.untilWritten("\x1b[?7l")    // autowrap off
	term.untilWritten("\x1b[?7h")    // and on
}

func TestRunEndsWithItsContext(t *testing.T) {
	term := newTerminal(t, 80, 24)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
		ended <- tui.Run(ctx, tui.Options{Gateway: g, Now: time.Now, In: term.far, Out: term.far})
	}()
	term.until("no agent asked for anything yet")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	term.untilWritten("\x1b[?1049l")
	term.untilWritten("\x1b[?7h")
}

func TestDumbTerminal(t *testing.T) {
	t.Setenv("TERM", "dumb")
	err := tui.Run(t.Context(), tui.Options{})
	if failure.CodeOf(err) != failure.Usage || len(failure.Next(err)) == 0 {
		t.Errorf("error: %v", err)
	}
}

// A program that links this package and draws nothing must not talk to the terminal: bubbletea would, at its start.
func TestLinkingIsQuiet(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = []string{"TERM=xterm-256color"}
	out, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	var all bytes.Buffer
	_, _ = all.ReadFrom(out) // ends with an error when the other side closes
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(all.String(), "\x1b") {
		t.Errorf("it asked the terminal: %q", all.String())
	}
}
