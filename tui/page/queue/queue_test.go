package queue

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/page"
)

func TestArrivalsDoNotMoveTheCursor(t *testing.T) {
	atDesk(t, 120, 40, 0, func(d *desk) {
		for i := 100; i < 220; i++ {
			d.gateway.Put(item(i).AgentRequest)
		}
		d.snapshot.Complete = false // so that these are there from the start
		d.refresh()
		d.Wait(restTime)
		for range 60 {
			d.Press("j")
		}
		d.wantHighlighted(160)
		line := d.line()
		d.put(item(1), item(2), item(300))
		d.wantHighlighted(160)
		if d.line() != line {
			d.Errorf("the cursor went from line %d to %d", line, d.line())
		}
		d.gateway.Remove(uid(105))
		d.gateway.Settle(uid(106), "bob", "no", false)
		d.refresh()
		d.wantHighlighted(160)
		if d.line() != line {
			d.Errorf("the cursor went from line %d to %d", line, d.line())
		}
		d.wantOff("d", "")
		if view := d.queue.View(); !strings.Contains(view, "3 new ↑2 ↓1") {
			d.Errorf("no word of the newcomers in\n%s", view)
		}
		d.Press("G")
		if view := d.queue.View(); !strings.Contains(view, "2 new ↑2") {
			d.Errorf("the one looked at is still new in\n%s", view)
		}
	})
}

func TestNewestFirstDoesNotMoveEither(t *testing.T) {
	atDesk(t, 120, 40, 3, func(d *desk) {
		d.Press("shift+tab", "home")
		d.wantHighlighted(2)
		line := d.line()
		d.put(item(7))
		d.wantHighlighted(2)
		if d.line() == line {
			d.Log("a list shorter than the screen grows at the top")
		}
		d.wantOff("d", "")
	})
}

// A request that somebody else decides or deletes keeps its place until the cursor leaves.
func TestDecidedByAnother(t *testing.T) {
	atDesk(t, 120, 50, 3, func(d *desk) {
		d.Press("j")
		d.gateway.Settle(uid(1), "bob", "wrong target", false)
		d.refresh()
		d.wantHighlighted(1)
		d.wantOff("a", "already denied by bob")
		if d.queue.counts[0] != 2 {
			d.Errorf("counts: %v", d.queue.counts)
		}
		d.Press("j")
		d.wantHighlighted(2)
		if got := numbers(d.queue.rows); !slices.Equal(got, []string{"r-00000", "r-00002"}) {
			d.Errorf("rows: %v", got)
		}
		d.gateway.Remove(uid(2))
		d.refresh()
		d.wantHighlighted(2)
		d.wantOff("a", "it was deleted")
		if view := d.queue.View(); !strings.Contains(view, "DELETED, this is what it was") {
			d.Errorf("the record does not say that it is gone:\n%s", view)
		}
		d.Press("k")
		d.wantHighlighted(0)
		d.Wait(restTime)
		d.wantOff("d", "")
	})
}

func TestRestAfterStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 120, 50, Options{})
		d.put(item(0))
		d.wantOff("a", "just came up, one moment")
		d.Press("a", "d", "ctrl+a")
		d.Wait(restTime - 20*time.Millisecond)
		d.Press("a", "d", "ctrl+a")
		if d.queue.Prompt() != nil {
			t.Error("a form opened while the keys rest")
		}
		d.Wait(20 * time.Millisecond)
		d.Press("a")
		if d.queue.Prompt() == nil {
			t.Error("the keys still rest")
		}
	})
}

func TestFilter(t *testing.T) {
	atDesk(t, 120, 50, 30, func(d *desk) {
		d.Press("j", "/")
		d.Type("agent-c ?q")
		if d.queue.Prompt() == nil || len(d.queue.rows) != 0 || !strings.Contains(d.queue.View(), "nothing matches the filter") {
			d.Fatalf("prompt %q\n%s", d.prompt(), d.queue.View())
		}
		d.Press("backspace", "backspace", "enter")
		if len(d.queue.rows) != 10 || d.queue.Prompt() != nil || !strings.Contains(d.queue.View(), "/agent-c  10 matches") {
			d.Fatalf("%d rows\n%s", len(d.queue.rows), d.queue.View())
		}
		d.Press("j")
		kept := d.highlighted()
		d.Press("esc")
		d.wantHighlighted(kept)
		if len(d.queue.rows) != 30 {
			d.Errorf("%d rows", len(d.queue.rows))
		}
	})
}

func TestKeysHandedOverAtOnce(t *testing.T) {
	atDesk(t, 120, 50, 30, func(d *desk) {
		d.Send(drive.Key("jjjjj"))
		d.wantHighlighted(5)
		d.Send(drive.Key("ja"))
		d.wantHighlighted(6)
		if d.queue.Prompt() != nil {
			d.Fatal("a decision key counted although it came with others")
		}
		paste := drive.Key("jjd")
		paste.Paste = true
		d.Send(paste)
		d.wantHighlighted(6)
		d.Send(drive.Key("/x00009"))
		d.wantHighlighted(9)
	})
}

func TestNext(t *testing.T) {
	atDesk(t, 120, 50, 3, func(d *desk) {
		d.put(inPhase(1, v1alpha1.PhaseDenied))
		d.Press("shift+tab", "G", "n")
		d.wantHighlighted(2)
		d.Press("n")
		d.wantHighlighted(0)
	})
}

func TestOtherPagesAnswersAreNotOurs(t *testing.T) {
	atDesk(t, 120, 50, 2, func(d *desk) {
		other := New(Options{Look: look()})
		d.queue.sent[uid(0)] = struct{}{}
		d.queue.rest.on, d.queue.rest.generation = true, 7
		d.Send(decided{queue: other, item: item(0)}, rested{queue: other, generation: 7}, rested{queue: d.queue, generation: 6})
		if len(d.queue.sent) != 1 || !d.queue.rest.on || len(d.notices) != 0 {
			d.Errorf("sent %v, resting %t, notices %v", d.queue.sent, d.queue.rest.on, d.notices)
		}
	})
}

func TestView(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{40, 6}, {60, 11}, {80, 20}, {100, 10}, {120, 36}, {300, 80}} {
		for _, n := range []int{0, 1, 300} {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, size[0], size[1], Options{})
				for i := range n {
					d.gateway.Put(item(i).AgentRequest)
				}
				d.refresh()
				for _, key := range []string{"j", "enter", "tab", "/", "x", "esc", "d"} {
					d.Press(key)
					lines := strings.Split(d.queue.View(), "\n")
					if len(lines) != size[1] {
						t.Errorf("%v, %d requests, after %s: %d lines", size, n, key, len(lines))
					}
					for _, l := range append(lines, d.queue.Prompt()...) {
						if w := len([]rune(l)); w > size[0] {
							t.Errorf("%v, %d requests, after %s: %d columns: %q", size, n, key, w, l)
						}
					}
				}
			})
		}
	}
}

var _ page.Prompter = (*Queue)(nil)

// While the first answer is still being read, the cursor is on what comes first of it, unless the user moved; and nothing can
// be decided.
func TestWhileTheFirstAnswerIsRead(t *testing.T) {
	for name, keys := range map[string][]string{"looked on": nil, "moved": {"j"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, 120, 20, Options{})
				for i := 50; i < 100; i++ {
					d.gateway.Put(item(i).AgentRequest)
				}
				d.snapshot.Mode = feed.Connecting
				d.read(false)
				d.wantHighlighted(50)
				d.Press(keys...)
				d.wantHighlighted(50 + len(keys))
				d.Wait(restTime)
				d.wantOff("d", "connecting")
				for i := range 50 {
					d.gateway.Put(item(i).AgentRequest)
				}
				d.snapshot.Mode = feed.Live
				d.refresh()
				if len(keys) == 0 {
					d.wantHighlighted(0)
					d.wantOff("d", cameUp)
				} else {
					d.wantHighlighted(51)
					d.wantOff("d", "")
				}
			})
		})
	}
}

// A row whose request changed since it was read, or went on since it was decided from here, has a mark until it is read again.
func TestChangedIsMarked(t *testing.T) {
	atDesk(t, 120, 50, 3, func(d *desk) {
		mark := func(n int) string {
			d.Helper()
			at := find(d.queue.snapshot.Items, uid(n))
			return d.queue.markOf(d.queue.snapshot.Items[at])
		}
		changed := d.queue.Look.Changed
		d.Press("j", "j")
		if mark(0) != " " {
			d.Errorf("what was read and stayed the same is marked %q", mark(0))
		}
		again := item(0)
		again.Spec.Reason = "another reason"
		d.put(again)
		if mark(0) != changed || mark(2) != " " {
			d.Errorf("marks %q and %q after the first changed", mark(0), mark(2))
		}
		d.Wait(restTime)
		d.Press("home", "j", "j")
		if mark(0) != " " {
			d.Errorf("read again and still marked %q", mark(0))
		}
		d.Wait(restTime)
		d.Press("d", "1", "enter")
		d.refresh()
		if mark(2) != " " {
			d.Errorf("my own decision is marked %q", mark(2))
		}
		decided := *d.queue.snapshot.Items[find(d.queue.snapshot.Items, uid(2))].AgentRequest.DeepCopy()
		decided.Status.Phase = v1alpha1.PhaseFailed
		d.gateway.Put(&decided)
		d.refresh()
		if mark(2) != changed {
			d.Errorf("what went on after my decision is marked %q", mark(2))
		}
	})
}
