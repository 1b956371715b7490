package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/feed"
)

// decide denies the request under the cursor and lets the queue see it.
func (d *desk) decide() {
	d.Helper()
	d.Wait(restTime)
	d.Press("d", "1", "enter")
	d.refresh()
}

// mutate changes a request behind everybody's back.
func (d *desk) mutate(n int, how func(*v1alpha1.AgentRequest)) {
	d.Helper()
	at := find(d.snapshot.Items, uid(n))
	if at < 0 {
		d.Fatalf("there is no request %d", n)
	}
	r := d.snapshot.Items[at].DeepCopy()
	how(r)
	d.gateway.Put(r)
	d.refresh()
}

func (d *desk) order() string { return strings.Join(numbers(d.queue.rows), " ") }

// What changed after its decision comes on top of the lists that have it, with its mark, until it was read.
func TestChangedAfterItsDecisionComesOnTop(t *testing.T) {
	for name, how := range map[string]func(*v1alpha1.AgentRequest){
		"target": func(r *v1alpha1.AgentRequest) { r.Spec.Target.URI += "-2" },
		"verified": func(r *v1alpha1.AgentRequest) {
			r.Status.ControlPlaneVerification = &v1alpha1.ControlPlaneVerification{ReadyReplicas: 3}
		},
		"policies": func(r *v1alpha1.AgentRequest) { r.Status.PolicyResults = []v1alpha1.PolicyResult{{PolicyName: "new"}} },
		"undone":   func(r *v1alpha1.AgentRequest) { r.Status.Phase = v1alpha1.PhaseFailed },
	} {
		t.Run(name, func(t *testing.T) {
			atDesk(t, 120, 50, 6, func(d *desk) {
				d.decide()
				d.decide()
				d.Press("shift+tab", "home") // all, the newest first
				const before = "r-00005 r-00004 r-00003 r-00002 r-00001 r-00000"
				if d.order() != before {
					t.Fatalf("order %s", d.order())
				}
				d.Press("G", "k", "k", "k", "k", "k")
				d.wantHighlighted(5)
				d.mutate(0, how)
				if d.order() != before {
					t.Fatalf("the list moved under the cursor: %s", d.order())
				}
				d.Press("j")
				d.wantHighlighted(4)
				if got, want := d.order(), "r-00000 r-00005 r-00004 r-00003 r-00002 r-00001"; got != want {
					t.Fatalf("order %s, want %s", got, want)
				}
				view := d.queue.View()
				if top := strings.Split(view, "\n")[3]; !strings.Contains(top, d.queue.Look.Changed) || !strings.Contains(view, "1 changed") {
					t.Errorf("no mark, or no word of it, in\n%s", view)
				}
				d.Press("home", "J", "J")
				d.wantHighlighted(0)
				d.Press("j")
				d.wantHighlighted(5)
				if d.order() != before || strings.Contains(d.queue.View(), "1 changed") {
					t.Errorf("what was read stays on top: %s\n%s", d.order(), d.queue.View())
				}
			})
		})
	}
}

// The decision itself and what an approval leads to bring nothing back.
func TestWhatGoesAsDecidedDoesNotComeBack(t *testing.T) {
	atDesk(t, 120, 50, 3, func(d *desk) {
		d.Press("a", "enter")
		d.refresh()
		for _, p := range []v1alpha1.Phase{v1alpha1.PhaseExecuting, v1alpha1.PhaseCompleted} {
			d.mutate(0, func(r *v1alpha1.AgentRequest) { r.Status.Phase = p })
			d.Press("shift+tab", "tab")
			if len(d.queue.raised) != 0 {
				t.Errorf("%s came back", p)
			}
		}
	})
}

// Long lists are made anew at once, and the cursor stays on its line.
func TestComesBackAboveALongList(t *testing.T) {
	atDesk(t, 120, 20, 60, func(d *desk) {
		d.decide()
		d.Press("shift+tab", "home", "ctrl+f", "ctrl+f")
		seen, line := d.highlighted(), d.line()
		d.mutate(0, func(r *v1alpha1.AgentRequest) { r.Spec.Reason = "another" })
		d.wantHighlighted(seen)
		if d.line() != line || d.queue.rows[0].Name != "r-00000" || !strings.Contains(d.queue.View(), "1 changed ↑1") {
			d.Errorf("line %d, before %d, first %s\n%s", d.line(), line, d.queue.rows[0].Name, d.queue.View())
		}
	})
}

// Whatever changes after its decision, and wherever the cursor is: by itself the list moves neither the highlight nor its
// line, and with the next step of the user all that changed stands first.
func TestComebacksNeverMoveTheCursor(t *testing.T) {
	t.Parallel()
	const requests, steps = 30, 500
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 2))
				d := newDesk(t, 90, []int{24, 80}[seed%2], Options{})
				for i := range requests {
					d.gateway.Put(item(i).AgentRequest)
				}
				d.refresh()
				for range requests {
					d.decide()
				}
				d.Press("6")
				came := 0
				for range steps {
					if random.IntN(3) > 0 {
						key := []string{"j", "k", "home", "G", "ctrl+f", "ctrl+b", "tab", "6", "6", "5", "J", "enter"}[random.IntN(12)]
						d.Press(key)
						if !d.queue.whole && key != "J" && key != "enter" {
							d.wantChangedFirst()
						}
						continue
					}
					highlighted, line := d.highlighted(), d.line()
					before := len(d.queue.raised)
					d.mutate(random.IntN(requests), func(r *v1alpha1.AgentRequest) { r.Spec.Reason = fmt.Sprint(random.Int()) })
					came += max(len(d.queue.raised)-before, 0)
					if d.highlighted() != highlighted || d.line() != line {
						t.Fatalf("seed %d: the highlight went from %d in line %d to %d in line %d\n%s", seed, highlighted, line,
							d.highlighted(), d.line(), d.queue.View())
					}
				}
				if seed%2 == 0 && came < steps/100 {
					t.Errorf("only %d came back at once, the test proves little", came)
				}
			})
		})
	}
}

// wantChangedFirst checks that what is marked as changed stands before what is not, but for the request under the cursor.
func (d *desk) wantChangedFirst() {
	d.Helper()
	others := slices.DeleteFunc(slices.Clone(d.queue.rows), func(item feed.Item) bool { return item.Key() == d.queue.cursor.key })
	changed := func(item feed.Item) bool { return d.queue.markOf(item) == d.queue.Look.Changed }
	for i := 1; i < len(others); i++ {
		if changed(others[i]) && !changed(others[i-1]) {
			d.Fatalf("%s changed and stands behind %s\n%s", others[i].Name, others[i-1].Name, d.queue.View())
		}
	}
}
