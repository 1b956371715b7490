package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// terminal is a pseudo-terminal with a program in it, and the screen that a person would see.
type terminal struct {
	t      *testing.T
	file   *os.File
	screen vt10x.Terminal
	// ended is closed when all programs have left the terminal and everything that they wrote was read.
	ended chan struct{}
	mu    sync.Mutex
	raw   bytes.Buffer
}

func openTerminal(t *testing.T, c *exec.Cmd, columns, lines uint16) *terminal {
	t.Helper()
	file, err := pty.StartWithSize(c, &pty.Winsize{Cols: columns, Rows: lines})
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, file: file, screen: vt10x.New(vt10x.WithSize(int(columns), int(lines))), ended: make(chan struct{})}
	t.Cleanup(func() {
		if tokens.MatchString(term.written()) {
			t.Error("there was a token on the terminal")
		}
	})
	go func() {
		defer close(term.ended)
		block := make([]byte, 4096)
		for {
			n, err := file.Read(block)
			term.mu.Lock()
			term.raw.Write(block[:n])
			term.mu.Unlock()
			_, _ = term.screen.Write(block[:n]) // a screen in memory takes everything
			if err != nil {
				return
			}
		}
	}()
	return term
}

// written is all that the program has written to its terminal so far.
func (term *terminal) written() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.raw.String()
}

// last is all that the program wrote to its terminal until it ended.
func (term *terminal) last() string {
	<-term.ended
	return term.written()
}

// until waits until the screen shows text.
func (term *terminal) until(text string) {
	term.t.Helper()
	term.untilWithin(text, 20*time.Second)
}

// untilWithin waits for what takes another time than a key.
func (term *terminal) untilWithin(text string, limit time.Duration) {
	term.t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(term.screen.String(), text) {
			return
		}
	}
	term.t.Fatalf("the screen never showed %q; it shows\n%s", text, term.screen.String())
}

func (term *terminal) press(keys string) {
	term.t.Helper()
	if _, err := term.file.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// freePorts returns the flags that give an environment ports of its own, which no other takes while it is stopped.
func freePorts(t *testing.T) string {
	t.Helper()
	flags := ""
	for _, flag := range []string{"--gateway-port", "--issuer-port"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		flags += fmt.Sprintf(" %s %d", flag, l.Addr().(*net.TCPAddr).Port)
	}
	return flags
}

// inEnvironment brings up an embedded environment for one test, and returns what makes and what runs commands in it.
func inEnvironment(t *testing.T, name string) (command func(string) *exec.Cmd, run func(string) string) {
	t.Helper()
	program, err := filepath.Abs("../../bin/aip-dev")
	if err != nil {
		t.Fatal(err)
	}
	state, err := os.MkdirTemp("", "aip-e2e-") //nolint:usetesting // the environment is ended before its folder goes
	if err != nil {
		t.Fatal(err)
	}
	command = func(line string) *exec.Cmd {
		c := exec.Command(program, strings.Fields(line)...)
		c.Env = append(os.Environ(), "XDG_STATE_HOME="+state, "TERM=xterm-256color", "NO_COLOR=")
		return c
	}
	run = func(line string) string {
		t.Helper()
		out, err := command(line).CombinedOutput()
		if err != nil {
			t.Fatalf("aip-dev %s: %v\n%s", line, err, out)
		}
		searched(t, line, string(out), "")
		return string(out)
	}
	w := watch(state, "")
	t.Cleanup(func() {
		for _, err := range w.end(state) {
			t.Error(err)
		}
		_ = command("down --name " + name).Run() // the test may have failed before it was up
		_ = os.RemoveAll(state)                  // a folder below the temporary folder
	})
	run("up --cluster embedded --tui=never --name " + name + freePorts(t))
	return command, run
}

// TestQueue decides requests in a real terminal against a real environment, and loses the gateway meanwhile.
func TestQueue(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "queue")

	c := command("tui --name queue")
	term := openTerminal(t, c, 80, 24)
	term.until("● live")
	term.until("aip-reviewer-1 (reviewer)")
	term.until("no agent asked for anything yet")

	first := strings.Fields(run("request submit --name queue --action delete --target k8s://prod/one --reason idle"))[0]
	term.until("k8s://prod/one")
	term.press("\r") // Enter reads on and never approves
	term.until("esc back")
	if got := run("request get --name queue " + first); !strings.Contains(got, "Pending") {
		t.Fatalf("Enter decided: %s", got)
	}
	term.press("\x1b")
	term.until("enter whole")
	term.until("d deny   ")
	term.press("d")
	term.until("reason, the agent reads this")
	term.press("not now\r")
	term.until("✗ denied by you")
	if got := run("request get --name queue " + first); !strings.Contains(got, "Denied   not now") {
		t.Errorf("found %s, expected Denied and the reason", got)
	}

	run("stop --name queue")
	term.until("away")
	run("start --name queue")
	term.until("● live")
	second := strings.Fields(run("request submit --name queue --action drain --target k8s://prod/two --reason patch"))[0]
	term.until("1 new") // it waits where it does not move what is read
	term.press("n")
	term.until("k8s://prod/two")
	if err := pty.Setsize(term.file, &pty.Winsize{Cols: 120, Rows: 40}); err != nil {
		t.Fatal(err)
	}
	term.screen.Resize(120, 40)
	term.until("a approve")
	term.press("\x01") // ctrl-a approves what was not read to its end
	term.until("note:")
	term.press("fine\r")
	term.until("approved by you")
	if got := run("request get --name queue " + second); !strings.Contains(got, "Approved   fine") {
		t.Errorf("found %s, expected Approved and the reason", got)
	}
	term.press("q")
	if err := c.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	if !strings.Contains(term.last(), "\x1b[?1049l") {
		t.Error("the terminal was not given back")
	}
}

// TestTwoReviewers: two people at two terminals decide the same request. One decision counts, and the other one is
// told who was first.
func TestTwoReviewers(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "two")
	run("agent add bob --role reviewer --name two")
	name := strings.Fields(run("request submit --name two --action delete --target k8s://prod/race --reason idle"))[0]

	first := openTerminal(t, command("tui --name two --hold 0"), 120, 40)
	second := openTerminal(t, command("tui --name two --hold 0 --as bob"), 120, 40)
	first.until("aip-reviewer-1 (reviewer)")
	second.until("bob (reviewer)")
	for _, term := range []*terminal{first, second} {
		term.until("k8s://prod/race")
		term.until("d deny   ")
		term.press("d")
		term.until("reason, the agent reads this")
	}
	first.press("1\r")
	first.until("denied by you")
	second.until("already denied by aip-reviewer-1") // the key is off before it is pressed
	second.press("2\r\x1b")
	if got := run("request get --name two " + name); !strings.Contains(got, "Denied") || !strings.Contains(got, "wrong target") {
		t.Errorf("found %s, expected the first reviewer's reason", got)
	}

	run("simulate same-target self-approval huge escapes --name two")
	first.until("To decide 8")
	second.until("To decide 8")
	for _, term := range []*terminal{first, second} {
		raw := term.written()
		if strings.Contains(raw, "\x1b]52;") || strings.Contains(raw, "\x1b]0;approved") || strings.Contains(raw, "\u202e") {
			t.Error("an agent's control characters reached the terminal")
		}
		term.press("q")
	}
}

// TestTour plays the guided tour as lines and on a terminal.
func TestTour(t *testing.T) {
	t.Parallel()
	command, run := inEnvironment(t, "tour")
	if got := run("try --plain --name tour"); !strings.Contains(got, "403 reviewer role required") || strings.Contains(got, "\x1b") {
		t.Errorf("found %s", got)
	}
	c := command("try --name tour")
	term := openTerminal(t, c, 100, 30)
	for _, step := range []struct{ until, press string }{
		{"enter the agent asks", "\r"}, {"phase      Approved", "\r"},
		{"2 of 4", "\r"}, {"a approve", "a"}, {"approved by aip-reviewer-1", "\r"},
		{"3 of 4", "\r"}, {"d deny", "d"}, {"word for word", "\r"},
		{"4 of 4", "\r"}, {"enter the agent tries", "\r"}, {"403 reviewer role required", "\r"},
		{"That is all", "q"},
	} {
		term.until(step.until)
		term.press(step.press)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("q: %v", err)
	}
	if got := run("simulate all --count 10 --name tour"); strings.Contains(got, "✗") {
		t.Errorf("found %s", got)
	}

	// The same in lines: read, deny with a reason, and the trail says so.
	lines := func(typed string) string {
		t.Helper()
		c := command("tui --plain --name tour")
		c.Stdin = strings.NewReader(typed)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("tui --plain: %v\n%s", err, out)
		}
		if bytes.ContainsRune(out, 0x1b) {
			t.Errorf("there are control bytes in %q", out)
		}
		return string(out)
	}
	got := lines("show 1\ndeny 1 by line\npolicies\nquit\n")
	for _, want := range []string{"You are aip-reviewer-1 (reviewer)", "That is all of ", "Denied by you, phase Denied.", "needs-human"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got = lines("audit denied by line\naudit 1\n")
		if strings.Contains(got, "reason given: by line") && strings.Contains(got, "decided by: aip-reviewer-1") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the trail does not tell of the denial: %s", got)
		}
	}
}
