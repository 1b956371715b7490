package tui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/part/osc"
)

// Twenty arrivals in a second make one notice, and none while the terminal has the focus.
func TestOneNoticePerBurst(t *testing.T) {
	var out bytes.Buffer
	onScreen(t, 120, 40, 3, plain(), func(o *Options) { o.Out = &out }, func(s *screen) {
		s.root.osc = osc.Env{}
		arrive := func(from int) {
			for i := range 20 {
				s.gateway.Put(fakegateway.Pending(fmt.Sprint("new-", from+i), "cost-bot", "delete", "k8s://prod/x", "idle", time.Now()))
				s.Wait(50 * time.Millisecond)
			}
			s.Wait(3 * time.Second)
		}
		bells := func() int { return strings.Count(out.String(), "\x1b]9;") }
		arrive(0)
		if bells() != 0 {
			t.Errorf("%d notices while focused", bells())
		}
		s.Send(tea.BlurMsg{})
		s.Wait(2 * time.Second)
		if bells() != 0 {
			t.Errorf("%d notices of what was seen", bells())
		}
		arrive(100)
		if bells() != 1 || !strings.Contains(out.String(), "requests wait for a decision") {
			t.Errorf("%d notices: %q", bells(), out.String())
		}
		s.Wait(quiet)
		arrive(200)
		if bells() != 2 {
			t.Errorf("%d notices after the second burst", bells())
		}
		// What comes right after a notice waits for the next one, and is not forgotten.
		s.gateway.Put(fakegateway.Pending("late", "cost-bot", "delete", "k8s://prod/x", "idle", time.Now()))
		s.Wait(quiet / 2)
		if bells() != 2 {
			t.Errorf("%d notices soon after the second", bells())
		}
		s.Wait(quiet)
		if bells() != 3 {
			t.Errorf("%d notices, the last arrival was never told", bells())
		}
		s.Send(tea.FocusMsg{})
		arrive(300)
		if bells() != 3 {
			t.Errorf("%d notices after the focus came back", bells())
		}
		if want := fmt.Sprintf("(%d) aip-dev aip", s.root.attention.waiting); s.root.attention.title != want {
			t.Errorf("title %q, want %q", s.root.attention.title, want)
		}
	})
}
