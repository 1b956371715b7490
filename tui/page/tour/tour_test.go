package tour_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page/tour"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// stage is a cast over one fake gateway, which the agent sees with its own identity.
func stage() (*fakegateway.Gateway, tour.Cast) {
	g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
	return g, tour.Cast{Agent: g.As("aip-agent-1"), Reviewer: decide.Desk{Gateway: g}, AgentName: "aip-agent-1", ReviewerName: "aip-reviewer-1"}
}

func TestPlay(t *testing.T) {
	t.Parallel()
	g, cast := stage()
	var out bytes.Buffer
	if err := tour.Play(t.Context(), &out, cast, "m", []string{"aip-dev tui"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"phase      Approved", "approved by aip-reviewer-1", "denied by aip-reviewer-1",
		"reason     still serves checkout: refresh your metrics", "403 reviewer role required", "aip-dev tui",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.ContainsRune(out.String(), 0x1b) {
		t.Error("there are control bytes in the plain tour")
	}
	if got := g.Decisions(); len(got) != 3 || !got[0].Approved || got[1].Approved || got[2].Approved {
		t.Errorf("decisions %+v", got)
	}
}

// The page does the same, and only the key of the scene does anything.
func TestTour(t *testing.T) {
	t.Parallel()
	g, cast := stage()
	page := tour.New(tour.Options{
		Look: theme.New(theme.Options{Profile: termenv.Ascii}), Cast: cast, Mark: "m", Ending: []string{"the end"},
		Do: func(call func(context.Context) tea.Msg) tea.Cmd {
			return func() tea.Msg { return call(context.Background()) }
		},
	})
	page.Resize(100, 20)
	press := func(names ...string) {
		for _, name := range names {
			if cmd := page.Update(drive.Key(name)); cmd != nil {
				page.Update(cmd())
			}
			for _, l := range strings.Split(page.View(), "\n") {
				if text.Width(l) > 100 {
					t.Errorf("%q is too wide", l)
				}
			}
		}
	}
	press("a", "d", "enter", "enter", "enter", "d", "enter")
	if len(g.Decisions()) != 0 {
		t.Fatal("another key decided")
	}
	press("a", "enter", "enter", "a", "d", "enter", "enter", "enter")
	if view := page.View(); !strings.Contains(view, "403 reviewer role required") {
		t.Errorf("no refusal in\n%s", view)
	}
	press("enter")
	if view := page.View(); !strings.Contains(view, "the end") || len(page.Keys()) != 0 {
		t.Errorf("it does not end:\n%s", view)
	}
}

// A gateway that holds nothing is not the one the tour is about, and it says so.
func TestAnotherPlot(t *testing.T) {
	t.Parallel()
	_, cast := stage()
	cast.Agent = lax{cast.Agent}
	if err := tour.Play(t.Context(), &bytes.Buffer{}, cast, "m", nil); err == nil || !strings.Contains(err.Error(), "does policy guard-destructive hold delete?") {
		t.Errorf("found %v", err)
	}
	cast.Agent = broken{cast.Agent}
	if err := tour.Play(t.Context(), &bytes.Buffer{}, cast, "m", nil); !errors.Is(err, errGone) {
		t.Errorf("found %v", err)
	}
}

type lax struct{ tour.Agent }

func (lax) Submit(context.Context, wire.Submission) (wire.RequestState, error) {
	return wire.RequestState{Name: "x", Phase: "Approved"}, nil
}

var errGone = errors.New("gone")

type broken struct{ tour.Agent }

func (broken) Submit(context.Context, wire.Submission) (wire.RequestState, error) {
	return wire.RequestState{}, errGone
}
