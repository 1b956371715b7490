package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/exp/golden"
	"github.com/muesli/termenv"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// screen is the whole program in virtual time.
type screen struct {
	*testing.T
	*drive.Driver
	gateway *fakegateway.Gateway
	root    *root
	// updates counts the messages that the program got.
	updates int
}

// onScreen runs do with the program over n requests, two seconds after its start.
func onScreen(t *testing.T, width, height, n int, look theme.Options, adjust func(*Options), do func(*screen)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, n, look, adjust)
		s.Send(tea.WindowSizeMsg{Width: width, Height: height})
		s.Wait(2 * time.Second)
		do(s)
	})
}

func start(t *testing.T, n int, look theme.Options, adjust func(*Options)) *screen {
	t.Helper()
	now := func() time.Time { return time.Now().UTC() }
	g := fakegateway.New(now, "aip-reviewer-1", "reviewer")
	if n > 0 {
		g.Put(fakegateway.Rich(now()))
	}
	for _, r := range fakegateway.Sample(max(n-1, 0), 1, now()) {
		g.Put(r)
	}
	started := now()
	o := Options{
		Gateway: g, Policies: g, Now: now, Environment: "aip", Cluster: "embedded", Identity: "aip-reviewer-1",
		TokenExpiry: func() (time.Time, bool) { return started.Add(5 * time.Minute), true },
	}
	if adjust != nil {
		adjust(&o)
	}
	r, _, err := build(t.Context(), o, theme.New(look))
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{T: t, gateway: g, root: r}
	s.Driver = drive.New(t, func(msg tea.Msg) tea.Cmd {
		s.updates++
		_, cmd := r.Update(msg)
		return cmd
	})
	s.Start(r.Init())
	return s
}

// golden compares the screen, which must have the size of the terminal.
func (s *screen) golden() {
	s.Helper()
	view := s.root.View()
	lines := strings.Split(view, "\n")
	if len(lines) != s.root.height {
		s.Errorf("%d lines on a screen of %d", len(lines), s.root.height)
	}
	for _, l := range lines {
		if text.Width(l) > s.root.width {
			s.Errorf("%d columns on a screen of %d: %q", text.Width(l), s.root.width, l)
		}
	}
	golden.RequireEqual(s.T, []byte(view+"\n"))
}

func (s *screen) wants(part string) {
	s.Helper()
	if !strings.Contains(s.root.View(), part) {
		s.Errorf("no %q on\n%s", part, s.root.View())
	}
}

func plain() theme.Options { return theme.Options{Profile: termenv.Ascii} }

func TestScreens(t *testing.T) {
	t.Parallel()
	colour := theme.Options{Profile: termenv.ANSI, Background: theme.Dark}
	noColour := colour
	noColour.NoColor = true
	ascii := plain()
	ascii.ASCII = true
	looks := map[string]theme.Options{"plain": plain(), "colour": colour, "nocolour": noColour, "ascii": ascii}
	for _, size := range [][2]int{{60, 15}, {80, 24}, {120, 40}, {240, 50}} {
		for name, look := range looks {
			t.Run(fmt.Sprintf("%dx%d-%s", size[0], size[1], name), func(t *testing.T) {
				onScreen(t, size[0], size[1], 12, look, nil, (*screen).golden)
			})
		}
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		n      int
		adjust func(*Options)
		do     func(*screen)
	}{
		"empty":    {0, nil, func(*screen) {}},
		"all":      {3, nil, func(s *screen) { s.Press("6") }},
		"readonly": {3, func(o *Options) { o.ReadOnly = true }, func(*screen) {}},
		"whole":    {3, nil, func(s *screen) { s.Press("enter", "pgdown") }},
		"deny":     {3, nil, func(s *screen) { s.Press("d"); s.Type("still used, ask q?") }},
		"denied":   {3, nil, func(s *screen) { s.Press("d"); s.Type("no"); s.Press("enter") }},
		"unread":   {3, nil, func(s *screen) { s.Press("ctrl+a", "enter") }},
		"filter":   {12, nil, func(s *screen) { s.Press("/"); s.Type("cost") }},
		"help":     {3, nil, func(s *screen) { s.Press("?") }},
		"away":     {3, nil, func(s *screen) { s.gateway.SetDown(true); s.Wait(4 * time.Second) }},
		"wild":     {0, nil, func(s *screen) { s.gateway.Put(fakegateway.Wild(time.Now())); s.Wait(2 * time.Second) }},
		"wildwhole": {0, nil, func(s *screen) {
			s.gateway.Put(fakegateway.Wild(time.Now()))
			s.Wait(2 * time.Second)
			s.Press("enter", "pgdown", "d")
			s.Type("日本語 " + strings.Repeat("long ", 20))
		}},
		"decided": {0, nil, func(s *screen) {
			r := fakegateway.Pending("one", "cost-bot", "delete", "k8s://prod/x", "idle", time.Now())
			r.Status.Phase = v1alpha1.PhaseApproved
			s.gateway.Put(r)
			s.Wait(2 * time.Second)
		}},
		"awayafterdenied": {3, nil, func(s *screen) {
			s.Press("d")
			s.Type("no")
			s.Press("enter")
			s.gateway.SetDown(true)
			s.Wait(4 * time.Second)
		}},
		"looked": {0, nil, func(s *screen) {
			s.gateway.Put(aged(s))
			s.Wait(2 * time.Second)
			s.gateway.SetTarget("old", wire.Target{Changed: "x", Current: &v1alpha1.ControlPlaneVerification{
				TargetExists: true, HasActiveEndpoints: true, ActiveEndpointCount: 2, ReadyReplicas: 2, SpecReplicas: 2,
			}})
			s.Press("ctrl+a")
			s.Wait(2 * time.Second)
		}},
		"granting": {0, withGrants, func(s *screen) {
			s.gateway.Put(aged(s))
			s.Wait(2 * time.Second)
			s.Press("J", "J", "J", "t", "2")
			s.Type("tested by hand")
		}},
		"grant": {0, withGrants, func(s *screen) {
			s.gateway.Put(aged(s))
			s.Wait(2 * time.Second)
			s.Press("J", "J", "J", "t", "2")
			s.Type("tested by hand")
			s.Press("enter")
			s.Wait(3 * time.Second)
			s.Press("A") // it is not hidden by another page
			s.Wait(2 * time.Second)
		}},
		"refused": {3, nil, func(s *screen) {
			s.gateway.SetRefused(true)
			s.gateway.EndStreams()
			s.Wait(4 * time.Second)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			onScreen(t, 80, 24, c.n, plain(), c.adjust, func(s *screen) {
				c.do(s)
				s.golden()
			})
		})
	}
}

func withGrants(o *Options) { o.Grants = true }

// aged is a request whose target was verified three hours ago.
func aged(s *screen) *v1alpha1.AgentRequest {
	s.Helper()
	r := fakegateway.Pending("old", "cost-bot", "scale-down", "k8s://prod/batch/deployment/etl", "idle", time.Now().Add(-3*time.Hour))
	r.Status.ControlPlaneVerification = &v1alpha1.ControlPlaneVerification{
		TargetExists: true, ReadyReplicas: 1, SpecReplicas: 1, FetchedAt: metav1.NewTime(time.Now().Add(-3 * time.Hour)),
	}
	return r
}

func TestTooSmall(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{39, 20}, {80, 9}, {1, 1}, {20, 3}, {5, 2}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			onScreen(t, size[0], size[1], 3, plain(), nil, func(s *screen) {
				lines := strings.Split(s.root.View(), "\n")
				if len(lines) > size[1] || text.Width(lines[0]) > size[0] {
					s.Errorf("%q", lines)
				}
				s.Press("d", "x", "enter", "ctrl+a", "enter")
				if s.gateway.Calls() != 0 {
					s.Error("something was decided unseen")
				}
				s.Press("q")
				if !s.Quit() {
					s.Error("q does not quit")
				}
			})
		})
	}
}

func TestResizeWhileTyping(t *testing.T) {
	onScreen(t, 120, 40, 3, plain(), nil, func(s *screen) {
		s.Press("d")
		s.Type("why")
		for _, size := range [][2]int{{60, 15}, {30, 5}, {40, 10}, {200, 60}, {80, 24}} {
			s.Send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			s.root.View()
		}
		s.Type(" not? q")
		s.wants("why not? q")
		s.Press("enter")
		if got := s.gateway.Decisions(); len(got) != 1 || got[0].Review.Reason != "why not? q" {
			s.Errorf("decisions: %+v", got)
		}
	})
}

func TestQuitAndHelpAreTypable(t *testing.T) {
	onScreen(t, 80, 24, 3, plain(), nil, func(s *screen) {
		s.Press("/")
		s.Type("q?")
		if s.Quit() || len(s.root.stack) != 1 {
			s.Fatal("q or ? were taken from the filter")
		}
		s.Press("esc", "?", "q")
		if s.Quit() || len(s.root.stack) != 1 {
			s.Fatal("q left more than the help")
		}
		s.Press("d", "ctrl+c")
		if !s.Quit() {
			s.Error("ctrl-c does not quit")
		}
	})
}

func TestComesBack(t *testing.T) {
	onScreen(t, 120, 40, 8, plain(), nil, func(s *screen) {
		s.Press("j", "j")
		before := s.root.top().View()
		s.gateway.SetDown(true)
		s.Wait(10 * time.Minute)
		s.wants("! gateway away, retry")
		s.wants("what you see is from then, decisions are off")
		s.Press("d")
		if s.root.prompt() != nil {
			s.Error("the form opened while the gateway is away")
		}
		s.gateway.SetDown(false)
		s.Wait(3 * time.Second)
		s.wants("● live")
		if selected := func(view string) string { return view[strings.Index(view, "▌")+16:][:40] }; selected(before) !=
			selected(s.root.top().View()) {
			s.Errorf("the selection is lost: %q, then %q", selected(before), selected(s.root.top().View()))
		}
	})
}

func TestHeaderGivesWay(t *testing.T) {
	onScreen(t, 300, 24, 1, plain(), nil, func(s *screen) {
		for width := 300; width >= minWidth; width-- {
			s.root.width = width
			header := s.root.header()
			if text.Width(header) > width {
				s.Errorf("%d columns in %d", text.Width(header), width)
			}
			if width >= 44 && (!strings.Contains(header, "● live") || !strings.Contains(header, "aip-reviewer-1 (reviewer)")) {
				s.Errorf("width %d: %q", width, header)
			}
		}
	})
}

func TestTokenTime(t *testing.T) {
	onScreen(t, 120, 24, 1, plain(), nil, func(s *screen) {
		s.wants("token 4m ")
		s.Wait(4*time.Minute + 10*time.Second)
		s.wants("token 48s")
		s.Wait(50 * time.Second)
		s.wants("token expired")
	})
}

func TestNoticeGoesAway(t *testing.T) {
	onScreen(t, 120, 24, 1, plain(), nil, func(s *screen) {
		s.Send(page.Notice{Text: "something happened"})
		s.wants("something happened")
		s.Wait(noticeTime + 2*time.Second)
		if strings.Contains(s.root.View(), "something happened") {
			s.Error("the notice is still there")
		}
	})
}

// Whatever an agent writes, only our own attributes reach the terminal.
func TestHostileAgent(t *testing.T) {
	onScreen(t, 120, 40, 0, plain(), nil, func(s *screen) {
		evil := "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b\r\n\x00"
		r := fakegateway.Pending("evil", "agent"+evil, "delete"+evil, "k8s://x"+evil, strings.Repeat(evil, 20), time.Now())
		r.Status.Conditions[2].Message += evil
		s.gateway.Put(r)
		s.Wait(2 * time.Second)
		for _, keys := range [][]string{nil, {"6"}, {"enter"}, {"pgdown"}, {"d"}, {"esc", "?"}} {
			s.Press(keys...)
			if view := s.root.View(); strings.ContainsFunc(view, func(r rune) bool {
				return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u200b'
			}) {
				s.Errorf("after %v: %q", keys, view)
			}
		}
	})
}

// BenchmarkKeyToView is the time from a key to the finished frame among 20,000 requests.
func BenchmarkKeyToView(b *testing.B) {
	now := time.Now
	g := fakegateway.New(now, "aip-reviewer-1", "reviewer")
	for _, r := range fakegateway.Sample(20_000, 1, now()) {
		g.Put(r)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	r, _, err := build(ctx, Options{Gateway: g, Now: now}, theme.New(theme.Options{Profile: termenv.ANSI}))
	if err != nil {
		b.Fatal(err)
	}
	r.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	go r.feed.Run(ctx)
	for !r.snapshot.Complete {
		s, _ := r.feed.Next(ctx)
		r.Update(s)
	}
	for _, key := range []string{"j", "J", "G", "home", "n", "tab"} {
		b.Run(key, func(b *testing.B) {
			for b.Loop() {
				r.Update(drive.Key(key))
				r.View()
			}
		})
	}
	b.Run("filter", func(b *testing.B) {
		r.Update(drive.Key("/"))
		for b.Loop() {
			r.Update(drive.Key("c"))
			r.View()
			r.Update(drive.Key("backspace"))
			r.View()
		}
		r.Update(drive.Key("esc"))
	})
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			r.snapshot.Revision++
			r.Update(r.snapshot)
			r.View()
		}
	})
}
