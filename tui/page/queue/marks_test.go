package queue

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

// alike puts n requests that ask the same of different targets.
func (d *desk) alike(n int) {
	d.Helper()
	items := make([]feed.Item, n)
	for i := range items {
		items[i] = item(i)
		items[i].Spec.Action, items[i].Spec.AgentIdentity = "scale-down", "cost-bot"
		items[i].Spec.Target.URI = fmt.Sprintf("k8s://prod/t%d", i)
	}
	d.put(items...)
	d.Wait(restTime)
}

// Twenty alike, one of them changes between: nineteen are decided, one comes back.
func TestGroupIsDecidedOneByOne(t *testing.T) {
	atDesk(t, 120, 50, 0, func(d *desk) {
		d.alike(20)
		d.Press("g")
		if len(d.queue.marks) != 20 {
			d.Fatalf("%d marked", len(d.queue.marks))
		}
		d.Press("d")
		if !strings.Contains(d.prompt(), "20 marked") {
			d.Fatalf("prompt %q", d.prompt())
		}
		changed := item(13)
		changed.Spec.Reason = "something else"
		d.gateway.Put(changed.AgentRequest) // the queue does not know yet
		d.Press("2", "enter")
		if got := len(d.gateway.Decisions()); got != 19 {
			d.Errorf("%d decisions", got)
		}
		for _, decision := range d.gateway.Decisions() {
			if decision.Review.Reason != "not now" {
				d.Errorf("reason %q", decision.Review.Reason)
			}
		}
		if got := d.lastNotice(); !strings.HasPrefix(got, "! 19 denied by you, 1 came back: scale-down prod/t13: ") {
			d.Errorf("notice %q", got)
		}
		d.refresh()
		if len(d.queue.marks) != 0 || !d.queue.undecided(d.snapshot.Items[13]) {
			d.Errorf("marks %v", d.queue.marks)
		}
	})
}

// Between their turns the queue learns of the change itself, and does not even ask the gateway.
func TestGroupIsCheckedAgain(t *testing.T) {
	atDesk(t, 120, 50, 0, func(d *desk) {
		d.slow = 100 * time.Millisecond
		d.alike(3)
		d.Press("g", "d", "1", "enter")
		d.gateway.Settle(uid(2), "bob", "mine", true)
		d.refresh()
		d.Wait(time.Second)
		if calls := d.gateway.Calls(); calls != 2 {
			d.Errorf("%d calls", calls)
		}
		if got := d.lastNotice(); !strings.Contains(got, "2 denied by you, 1 came back: x00002") &&
			!strings.Contains(got, "already approved by bob") {
			d.Errorf("notice %q", got)
		}
	})
}

func TestMarkDropsWhatChanged(t *testing.T) {
	atDesk(t, 120, 50, 3, func(d *desk) {
		d.Press(" ", "j", " ")
		changed := item(0)
		changed.Spec.Reason = "something else"
		d.put(changed)
		if len(d.queue.marks) != 1 {
			d.Errorf("%d marked", len(d.queue.marks))
		}
		d.wantOff("d", "a marked one changed, one moment")
		d.Wait(restTime)
		d.wantOff("d", "")
		d.Press("esc")
		if len(d.queue.marks) != 0 {
			d.Error("esc does not take the marks away")
		}
	})
}

func TestRange(t *testing.T) {
	atDesk(t, 120, 50, 6, func(d *desk) {
		d.Press("j", " ", "j", "j", "v")
		if got := d.queue.marked(); len(got) != 3 || got[0].Name != "r-00001" || got[2].Name != "r-00003" {
			d.Errorf("marked %v", got)
		}
	})
}

// The second approval of one target would wait for the first one's lock and might lose by that.
func TestOneApprovalPerTarget(t *testing.T) {
	atDesk(t, 120, 50, 2, func(d *desk) {
		d.Press(" ", "j", " ", "k", "a", "enter")
		if got := d.gateway.Decisions(); len(got) != 1 || got[0].Name != "r-00000" {
			d.Errorf("decisions %+v", got)
		}
		if got := d.lastNotice(); !strings.Contains(got, "1 approved by you, 1 came back: x00001 prod/t: another of its target was just approved") {
			d.Errorf("notice %q", got)
		}
	})
}

func holding(t *testing.T, n int, do func(*desk)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 120, 50, Options{Hold: 3 * time.Second})
		for i := range n {
			d.gateway.Put(item(i).AgentRequest)
		}
		d.refresh()
		d.Wait(restTime)
		do(d)
	})
}

func TestTakeBack(t *testing.T) {
	holding(t, 3, func(d *desk) {
		d.Press("d", "1")
		if !strings.Contains(d.prompt(), "sent after 3s, u takes it back") {
			d.Errorf("prompt %q", d.prompt())
		}
		d.Press("enter")
		d.wantHighlighted(1)
		d.Wait(2 * time.Second)
		d.Press("u")
		d.wantHighlighted(0)
		d.Wait(5 * time.Second)
		if d.gateway.Calls() != 0 {
			d.Fatal("sent although it was taken back")
		}
		d.Press("d")
		if !strings.Contains(d.prompt(), "wrong target") {
			d.Errorf("the reason is lost: %q", d.prompt())
		}
		d.Press("enter")
		d.Wait(4 * time.Second)
		if got := d.gateway.Decisions(); len(got) != 1 || got[0].Review.Reason != "wrong target" {
			d.Errorf("decisions %+v", got)
		}
		d.Press("u")
		d.wantHighlighted(1)
	})
}

// What changes while a decision is held is not sent.
func TestHeldIsCheckedAgain(t *testing.T) {
	holding(t, 3, func(d *desk) {
		d.Press("a", "enter")
		changed := item(0)
		changed.Spec.Reason = "something else"
		d.put(changed)
		d.Wait(4 * time.Second)
		if d.gateway.Calls() != 0 {
			d.Error("sent although it changed")
		}
		if got := d.lastNotice(); !strings.Contains(got, "not approved: it changed since you read it") {
			d.Errorf("notice %q", got)
		}
		d.Press("k")
		if view := d.queue.View(); !strings.Contains(view, "CHANGED SINCE YOU READ IT") || !strings.Contains(view, "something else") {
			d.Errorf("the difference is not shown:\n%s", view)
		}
	})
}

func TestLeavingSendsWhatIsHeld(t *testing.T) {
	holding(t, 3, func(d *desk) {
		d.Press("d", "1", "enter")
		for _, cmd := range d.queue.Leave() {
			d.Start(cmd)
		}
		if len(d.gateway.Decisions()) != 1 {
			d.Error("the decision is lost")
		}
		d.Wait(4 * time.Second)
		if d.gateway.Calls() != 1 {
			d.Error("the decision was sent twice")
		}
	})
}

func TestTemplates(t *testing.T) {
	atDesk(t, 120, 50, 1, func(d *desk) {
		d.Press("d")
		for _, step := range []struct{ key, want string }{
			{"2", "not now"}, {"3", "needs a ticket"}, {"3", "3"}, {"1", "31"}, {"x", "31x"},
		} {
			d.Press(step.key)
			if got := d.queue.form.reason.Value(); got != step.want {
				d.Errorf("after %s: %q, want %q", step.key, got, step.want)
			}
		}
		d.Press("esc", "d", "backspace", "backspace", "backspace", "1", "!")
		if got := d.queue.form.reason.Value(); got != "wrong target!" {
			d.Errorf("edited: %q", got)
		}
	})
}

// The difference to what was read is in the form.
func TestFormShowsTheDifference(t *testing.T) {
	atDesk(t, 120, 50, 0, func(d *desk) {
		d.put(withEndpoints())
		d.Wait(restTime)
		d.Press("d")
		changed := withEndpoints()
		changed.Status.ControlPlaneVerification.ActiveEndpointCount = 0
		d.put(changed)
		for _, want := range []string{"This request is not what you read", "verified endpoints", "2 → none"} {
			if !strings.Contains(d.prompt(), want) {
				d.Errorf("no %q in\n%s", want, d.prompt())
			}
		}
	})
}

// Where the time of a request runs out, its decision is sent at once.
func TestNoHoldNearADeadline(t *testing.T) {
	for name, c := range map[string]struct {
		ago   time.Duration
		calls int
	}{"time enough": {10 * time.Second, 0}, "little time": {50 * time.Second, 1}} {
		t.Run(name, func(t *testing.T) {
			holding(t, 0, func(d *desk) {
				d.queue.Limits = deadline.Default()
				now := time.Now()
				d.Send(page.Tick{Now: now})
				it := item(0)
				it.Status.Conditions = append(it.Status.Conditions, metav1.Condition{
					Type: v1alpha1.ConditionLockAcquired, Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-c.ago)),
				})
				d.put(it)
				d.Wait(restTime)
				d.Press("d", "1", "enter")
				if d.gateway.Calls() != c.calls {
					d.Errorf("%d calls at once, want %d", d.gateway.Calls(), c.calls)
				}
			})
		})
	}
}

// The chosen tab is on the screen, however narrow that is.
func TestChosenTabIsThere(t *testing.T) {
	atDesk(t, 42, 12, 3, func(d *desk) {
		for i, tab := range d.queue.tabs {
			d.Press(fmt.Sprint(i + 1))
			if line := strings.Split(d.queue.View(), "\n")[0]; !strings.Contains(line, "["+tab.Name) || text.Width(line) > 42 {
				d.Errorf("tab %s: %q", tab.Name, line)
			}
		}
	})
}

// With one other request marked, the difference is to that one, and only what differs is shown.
func TestDifferenceToTheMarked(t *testing.T) {
	atDesk(t, 120, 50, 6, func(d *desk) {
		other := item(1)
		other.Spec.Reason = "another reason"
		d.put(other)
		d.Press("j", " ", "home", "o", "o", "o")
		view := d.queue.View()
		for _, want := range []string{"DIFFERENCE to the marked one: r-00001", "another reason → because", "agent-b → agent-a"} {
			if !strings.Contains(view, want) {
				t.Errorf("no %q in\n%s", want, view)
			}
		}
		if strings.Contains(view, "target  ") {
			t.Errorf("what is the same is shown\n%s", view)
		}
		d.Press("j", "j", " ", "home") // which of two is not said
		if view := d.queue.View(); !strings.Contains(view, "asked for nothing before") {
			t.Errorf("%s", view)
		}
	})
}
