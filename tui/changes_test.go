package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page/agents"
)

// commands are those of a program that does nothing, but takes note.
type commands struct {
	ran   []string
	stdin string
	// fail is the error of each, wait lets it run until the program ends.
	fail error
	wait bool
}

func (*commands) Line(args []string) string { return "aip-dev " + strings.Join(args, " ") }

func (c *commands) Run(ctx context.Context, args []string, stdin string, line func(string)) error {
	c.ran, c.stdin = append(c.ran, strings.Join(args, " ")), stdin
	line("one\x1b[2J")
	if c.wait {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(2 * time.Second)
	line("two")
	return c.fail
}

// changing runs do with the program as an administrator.
func changing(t *testing.T, c *commands, do func(*screen)) {
	t.Helper()
	onScreen(t, 100, 30, 3, plain(), func(o *Options) {
		g := fakegateway.New(o.Now, "alice", "admin")
		for _, r := range fakegateway.Sample(3, 1, o.Now()) {
			g.Put(r)
		}
		o.Gateway, o.Policies, o.Identity = g, g, "alice"
		o.Commands = c
		o.Identities = func() []agents.Identity {
			return []agents.Identity{{ID: "alice", Role: "admin"}, {ID: "bob", Role: "agent"}}
		}
	}, do)
}

func TestAddAnAgent(t *testing.T) {
	c := &commands{}
	changing(t, c, func(s *screen) {
		s.Press("I")
		s.Wait(time.Second)
		s.Press("a", "enter", "enter")
		s.wants("a name is needed")
		s.Press("up")
		s.Type("cost-bot q?")
		s.Press("enter", "enter")
		s.wants("a name has no spaces")
		s.Press("up", "backspace", "backspace", "backspace", "enter")
		s.Send(tea.KeyMsg{Type: tea.KeyRight})
		s.Press("enter")
		s.wants("$ aip-dev agent add cost-bot --role reviewer")
		s.wants("running 0s")
		s.Wait(time.Second)
		s.wants("running 1s")
		s.Wait(2 * time.Second)
		s.wants("✓ done in 2.0s")
		s.wants("two")
		if view := s.root.View(); !slices.Equal(c.ran, []string{"agent add cost-bot --role reviewer"}) || strings.Contains(view, "\x1b") {
			s.Errorf("ran %q and showed\n%q", c.ran, view)
		}
		s.Press("esc")
		s.wants("Agents and reviewers")
	})
}

// Enter removes nobody, and nobody removes themselves.
func TestRemoveAnAgent(t *testing.T) {
	c := &commands{}
	changing(t, c, func(s *screen) {
		s.Press("I")
		s.Wait(time.Second)
		s.Press("home")
		s.wants("▌ aip-agent-1") // of a request only
		s.Press("/")
		s.Type("alice")
		s.Press("enter")
		s.wants("x remove: that is you")
		s.Press("x")
		if s.root.prompt() != nil {
			s.Error("somebody may remove themselves")
		}
		s.Press("/")
		for range "alice" {
			s.Press("backspace")
		}
		s.Type("bob")
		s.Press("enter", "x", "enter", "q")
		s.wants("remove bob?")
		if len(c.ran) != 0 {
			s.Fatalf("ran %q before it was confirmed", c.ran)
		}
		s.Press("y")
		s.Wait(3 * time.Second)
		if !slices.Equal(c.ran, []string{"agent remove bob"}) {
			s.Errorf("ran %q", c.ran)
		}
	})
}

// What was typed at once goes no further than to what it opens.
func TestTypedAheadConfirmsNothing(t *testing.T) {
	c := &commands{}
	changing(t, c, func(s *screen) {
		s.Press("I")
		s.Wait(time.Second)
		s.Send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("Gkxy")})
		s.wants("remove ")
		s.Wait(3 * time.Second)
		if len(c.ran) != 0 {
			s.Errorf("ran %q", c.ran)
		}
	})
}

// Keys that the identity has no right to are off, with the cause, and read-only is read-only.
func TestChangesTakeTheRole(t *testing.T) {
	t.Parallel()
	for name, setup := range map[string]struct {
		role, want string
		readOnly   bool
	}{
		"reviewer": {"reviewer", "role reviewer may not, admin may", false}, "read-only": {"admin", "read-only", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := &commands{}
			onScreen(t, 100, 30, 3, plain(), func(o *Options) {
				g := fakegateway.New(o.Now, "alice", setup.role)
				o.Gateway, o.Policies, o.Commands, o.ReadOnly = g, g, c, setup.readOnly
				o.Identities = func() []agents.Identity { return []agents.Identity{{ID: "bob", Role: "agent"}} }
			}, func(s *screen) {
				s.Press("I")
				s.Wait(time.Second)
				s.wants("a add, x remove: " + setup.want)
				s.Press("a", "x", "y", "enter")
				s.Press("esc", "P")
				s.Wait(time.Second)
				s.wants("x remove: " + setup.want)
				s.Press("x", "y")
				if len(c.ran) != 0 {
					s.Fatalf("ran %q", c.ran)
				}
				s.Press("a")
				s.Type("guard.yaml")
				s.Press("enter")
				s.Wait(3 * time.Second)
				s.wants("enter apply: " + setup.want)
				s.Press("enter")
				s.Wait(3 * time.Second)
				if !slices.Equal(c.ran, []string{"policy check guard.yaml"}) {
					s.Errorf("ran %q", c.ran)
				}
			})
		})
	}
}

func TestApplyAPolicy(t *testing.T) {
	c := &commands{}
	changing(t, c, func(s *screen) {
		s.Press("P")
		s.Wait(time.Second)
		s.Press("a", "enter")
		s.wants("a file is needed")
		s.Send(tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune("kind: SafetyPolicy\r\nmetadata: {name: x}\r\n")})
		s.wants("2 lines, 39 bytes, pasted")
		s.Press("enter")
		s.wants("enter apply: still running")
		s.Press("enter")
		s.Wait(3 * time.Second)
		s.Press("enter")
		s.Wait(3 * time.Second)
		if !slices.Equal(c.ran, []string{"policy check -", "policy apply - --as alice"}) || c.stdin != "kind: SafetyPolicy\nmetadata: {name: x}\n" {
			s.Errorf("ran %q with %q", c.ran, c.stdin)
		}
		s.Press("esc")
		s.wants("Policies")
	})
}

// What does not compile is not offered to be applied.
func TestAPolicyThatDoesNotCompile(t *testing.T) {
	c := &commands{fail: errors.New("line 2, column 23")}
	changing(t, c, func(s *screen) {
		s.Press("P")
		s.Wait(time.Second)
		s.Press("a")
		s.Type("guard.yaml")
		s.Press("enter")
		s.Wait(3 * time.Second)
		s.wants("✗ failed")
		s.Press("enter")
		s.Wait(3 * time.Second)
		if len(c.ran) != 1 {
			s.Errorf("ran %q", c.ran)
		}
	})
}

// A command goes on when its page is left, and its end is told wherever one is by then.
func TestACommandThatNobodyLooksAt(t *testing.T) {
	c := &commands{fail: errors.New("no issuer\x1b[2J")}
	changing(t, c, func(s *screen) {
		s.Press("I")
		s.Wait(time.Second)
		s.Press("a")
		s.Type("cost-bot")
		s.Press("enter", "enter", "esc", "esc")
		s.wants("To decide")
		s.Wait(3 * time.Second)
		s.wants("failed: aip-dev agent add cost-bot --role agent: no issuer")
	})
}

// A command is told to end when the program does, and gets the time for it.
func TestQuitEndsCommands(t *testing.T) {
	c := &commands{wait: true}
	changing(t, c, func(s *screen) {
		ctx, cancel := context.WithCancel(s.Context())
		decisions := newPending()
		s.root.graceful = decisions.interruptible(ctx)
		s.Press("I")
		s.Wait(time.Second)
		s.Press("a")
		s.Type("cost-bot")
		s.Press("enter", "enter")
		s.Wait(time.Second)
		s.wants("running")
		began := time.Now()
		cancel()
		decisions.wait()
		if took := time.Since(began); took > time.Second || len(c.ran) != 1 {
			s.Errorf("waited %s for %q", took, c.ran)
		}
	})
}
