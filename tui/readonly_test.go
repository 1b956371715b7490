package tui

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
)

// Whatever is pressed on whatever page, a read-only queue asks the gateway to change nothing, and runs nothing that would.
func TestReadOnlyChangesNothing(t *testing.T) {
	c := &commands{}
	onScreen(t, 120, 40, 0, plain(), func(o *Options) {
		everything(o)
		g := fakegateway.New(o.Now, "alice", "admin", "reviewer")
		for _, r := range fakegateway.Sample(12, 1, o.Now()) {
			g.Put(r)
		}
		g.Put(fakegateway.Rich(o.Now()))
		o.Gateway, o.Policies, o.Identity, o.Commands, o.ReadOnly, o.Grants = g, g, "alice", c, true, true
	}, func(s *screen) {
		keys := strings.Fields("a d ctrl+a e t x u r y enter enter esc esc tab 1 3 6 j k J g v A P I T E n o c p 2 . z : /")
		random := rand.New(rand.NewPCG(1, 1))
		for range 1500 {
			s.Press(keys[random.IntN(len(keys))])
			if random.IntN(5) == 0 {
				s.Wait(2 * time.Second)
			}
			if s.Quit() {
				t.Fatal("the program ended")
			}
		}
		g, ok := s.root.Gateway.(*fakegateway.Gateway)
		if !ok || g.Calls() != 0 {
			t.Errorf("%d calls that change something", g.Calls())
		}
		for _, ran := range c.ran {
			if !strings.HasPrefix(ran, "policy check ") {
				t.Errorf("ran %q", ran)
			}
		}
	})
}
