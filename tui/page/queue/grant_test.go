package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
)

// asks is request i of an agent.
func asks(i int, agent, action, target string) feed.Item {
	it := item(i)
	it.Spec.AgentIdentity, it.Spec.Action, it.Spec.Target.URI = agent, action, target
	return it
}

// bot is a request that the grants of these tests are about.
func bot(i int) feed.Item { return asks(i, "bot", "restart", "k8s://prod/web") }

// atGrants runs do at a desk that gives grants and keeps a journal, with one request of bot that was read.
func atGrants(t *testing.T, do func(*desk, *journal.Journal)) {
	t.Helper()
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aip.journal")
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 120, 50, Options{Grants: true, Hold: time.Second})
		d.queue.Read = d.queue.Do
		d.queue.Target = d.gateway.Target
		j := journal.At(path, time.Now)
		d.queue.Desk.Journal = j
		d.pass(0)
		d.put(bot(0))
		d.pass(restTime)
		do(d, j)
	})
}

// pass lets time pass as the root does, which brings it along with every message.
func (d *desk) pass(total time.Duration) {
	for ; total > 0; total -= time.Second {
		time.Sleep(min(total, time.Second))
		d.Send(page.Tick{Now: time.Now()})
	}
	d.Send(page.Tick{Now: time.Now()})
}

// grant gives one for ten minutes for the request under the cursor.
func (d *desk) grant(reason string) {
	d.Helper()
	d.Press("t", "2")
	d.Type(reason)
	d.Press("enter")
	if len(d.queue.grants) == 0 {
		d.Fatalf("no grant: %s", d.prompt())
	}
}

// finish ends the execution of a request, so that its target is free.
func (d *desk) finish(i int) {
	r := d.snapshot.Items[find(d.snapshot.Items, uid(i))].AgentRequest.DeepCopy()
	r.Status.Phase = v1alpha1.PhaseCompleted
	d.put(feed.Item{AgentRequest: r})
}

func (d *desk) approved() []string {
	var names []string
	for _, decision := range d.gateway.Decisions() {
		if decision.Approved {
			names = append(names, decision.Name)
		}
	}
	return names
}

func (d *desk) wantApproved(names ...string) {
	d.Helper()
	if got := d.approved(); fmt.Sprint(got) != fmt.Sprint(names) {
		d.Errorf("approved %v, expected %v", got, names)
	}
}

// Only what was granted is approved, one after the other as the target gets free, and only until the time is over.
func TestGrant(t *testing.T) {
	atGrants(t, func(d *desk, j *journal.Journal) {
		d.grant("tested by hand")
		d.wantApproved("r-00000")
		d.refresh()
		d.put(bot(1), bot(2), asks(3, "bot", "restart", "k8s://prod/web2"), asks(4, "bot", "delete", "k8s://prod/web"), asks(5, "bot2", "restart", "k8s://prod/web"))
		d.wantApproved("r-00000") // the target is held
		d.finish(0)
		d.wantApproved("r-00000", "r-00001")
		d.refresh()
		d.wantApproved("r-00000", "r-00001")
		d.finish(1)
		d.wantApproved("r-00000", "r-00001", "r-00002")
		d.refresh()
		d.finish(2)
		if words, _ := d.queue.Standing(); !strings.HasPrefix(words, "grant 10:00 restart bot") {
			d.Errorf("the header says %q", words)
		}
		d.pass(9*time.Minute + 58*time.Second)
		d.put(bot(6))
		d.wantApproved("r-00000", "r-00001", "r-00002", "r-00006")
		d.refresh()
		d.finish(6)
		d.pass(3 * time.Second)
		if words, _ := d.queue.Standing(); words != "" {
			d.Errorf("after its time the header says %q", words)
		}
		if got := d.lastNotice(); got != "the grant for restart prod/web by bot is over, 4 approved by it" {
			d.Errorf("notice %q", got)
		}
		d.put(bot(7))
		d.pass(time.Minute)
		d.wantApproved("r-00000", "r-00001", "r-00002", "r-00006")

		for _, r := range d.records(j) {
			if r.Verb != journal.Approve || r.Result != journal.Confirmed || r.Seen != journal.SeenNone || !strings.HasPrefix(r.Grant, "grant until ") ||
				r.Reason != r.Grant+": tested by hand" || r.By != "aip-reviewer-1" {
				d.Errorf("%+v", r)
			}
		}
		for _, decision := range d.gateway.Decisions() {
			if !strings.HasPrefix(decision.Review.Reason, "grant until ") || decision.Review.ResourceVersion == "" {
				d.Errorf("%+v", decision)
			}
		}
	})
}

// Nothing is granted by the key alone, nothing without a reason, and nothing at all where grants are not switched on.
func TestGrantIsAsked(t *testing.T) {
	atGrants(t, func(d *desk, _ *journal.Journal) {
		d.Press("t", "enter", "9", "2", "enter")
		if len(d.queue.grants) != 0 || d.gateway.Calls() != 0 || !strings.Contains(d.prompt(), "a reason is needed") {
			d.Fatalf("%d grants, %s", len(d.queue.grants), d.prompt())
		}
		d.Type("q")
		d.Press("esc")
		if d.queue.Prompt() != nil || len(d.queue.grants) != 0 {
			d.Error("esc gave it")
		}
		d.queue.Grants = false
		d.Press("t", "2")
		if _, offered := d.off("t"); offered || d.queue.Prompt() != nil {
			d.Error("it is offered though it is switched off")
		}
		d.queue.Grants, d.queue.ReadOnly = true, true
		d.Press("t", "2")
		if d.queue.Prompt() != nil {
			d.Error("it is offered to somebody who only reads")
		}
	})
}

func TestGrantEndsByKey(t *testing.T) {
	atGrants(t, func(d *desk, _ *journal.Journal) {
		d.grant("fine")
		d.refresh()
		d.wantOff("x", "")
		d.Press("x")
		d.finish(0)
		d.put(bot(1))
		d.pass(time.Minute)
		d.wantApproved("r-00000")
		if _, offered := d.off("x"); offered {
			d.Error("there is a grant to end")
		}
	})
}

// What is one's own, what is being decided by hand and what is away is not approved.
func TestGrantLeavesAlone(t *testing.T) {
	atGrants(t, func(d *desk, _ *journal.Journal) {
		d.grant("fine")
		d.refresh()
		d.finish(0)
		own := bot(1)
		own.Annotations = map[string]string{v1alpha1.AnnotationSubmittedBy: "aip-reviewer-1"}
		d.put(own)
		d.wantApproved("r-00000")
		d.gateway.Remove(uid(1))
		d.snapshot.Mode = feed.Away
		d.put(bot(2))
		d.wantApproved("r-00000")
		d.snapshot.Mode, d.snapshot.Who = feed.Live, &wire.Whoami{Identity: "aip-reviewer-1", Role: "admin", Roles: []string{"admin"}}
		d.Send(d.snapshot)
		d.wantApproved("r-00000")
		d.queue.form = &form{items: []feed.Item{d.snapshot.Items[find(d.snapshot.Items, uid(2))]}}
		d.snapshot.Who = &wire.Whoami{Identity: "aip-reviewer-1", Role: "reviewer", Roles: []string{"reviewer"}}
		d.Send(d.snapshot)
		d.wantApproved("r-00000")
		d.queue.form = nil
		d.Send(d.snapshot)
		d.wantApproved("r-00000", "r-00002")
	})
}

// A target in use asks for a reason why that does not matter, which a grant for one that was not in use does not give.
// What changed since it was verified is for the reviewer.
func TestGrantAndTargetsInUse(t *testing.T) {
	inUse := func(i int) feed.Item {
		it := bot(i)
		it.Status.ControlPlaneVerification = withEndpoints().Status.ControlPlaneVerification
		return it
	}
	t.Run("for one that is not", func(t *testing.T) {
		atGrants(t, func(d *desk, j *journal.Journal) {
			d.grant("fine")
			d.refresh()
			d.finish(0)
			d.put(inUse(1))
			d.wantApproved("r-00000")
			d.gateway.Remove(uid(1))
			d.gateway.SetTarget("r-00002", wire.Target{Changed: "active endpoints was 0, is 2"})
			d.put(bot(2))
			d.wantApproved("r-00000")
			if got := d.lastNotice(); !strings.Contains(got, "the target is not as it was verified: active endpoints was 0, is 2") {
				d.Errorf("notice %q", got)
			}
			d.gateway.SetTarget("r-00002", wire.Target{})
			d.pass(time.Minute)
			d.refresh() // it came back once, so it is for the reviewer
			d.wantApproved("r-00000")
			if got := d.records(j); len(got) != 1 {
				d.Errorf("what was not sent is in the journal: %+v", got)
			}
		})
	})
	t.Run("for one that is", func(t *testing.T) {
		atGrants(t, func(d *desk, _ *journal.Journal) {
			d.gateway.Remove(uid(0))
			d.put(inUse(1))
			d.Press("n", "J")
			d.pass(restTime)
			d.grant("rolling restart, one at a time")
			d.refresh()
			d.finish(1)
			d.put(inUse(2))
			d.wantApproved("r-00001", "r-00002")
		})
	})
}

// Somebody else was first: the grant does not try again.
func TestGrantThatLosesTheRace(t *testing.T) {
	atGrants(t, func(d *desk, j *journal.Journal) {
		d.gateway.Settle(uid(0), "bob", "no", false)
		d.grant("fine") // the queue does not know yet
		d.pass(time.Minute)
		d.wantApproved()
		if got := d.records(j); len(got) != 1 || got[0].Result != journal.Lost || got[0].Winner != "bob" {
			d.Errorf("%+v", got)
		}
	})
}

// Whatever comes and goes: what leaves the queue without a key is covered by a grant that holds, one at a time for a
// target, and never anybody's own.
func TestGrantsApproveNothingElse(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { grantChaos(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func grantChaos(t *testing.T, random *rand.Rand) {
	t.Helper()
	d := newDesk(t, 120, 60, Options{Grants: true})
	d.queue.Read = func(call func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return call(context.Background()) }
	}
	left := map[string]time.Time{} // when the last look before it was sent began
	d.queue.Target = func(ctx context.Context, namespace, name string) (wire.Target, error) {
		left[name] = time.Now()
		return d.gateway.Target(ctx, namespace, name)
	}
	until, made := map[string]time.Time{}, map[string]*v1alpha1.AgentRequest{}
	of := func(r *v1alpha1.AgentRequest) string {
		return r.Spec.AgentIdentity + " " + r.Spec.Action + " " + r.Spec.Target.URI
	}
	checked := 0
	for i := range 1000 {
		d.slow = time.Duration(random.IntN(500)) * time.Millisecond
		switch random.IntN(10) {
		case 0, 1, 2, 3:
			it := asks(i, fmt.Sprint("bot", random.IntN(2)), []string{"restart", "drain"}[random.IntN(2)], fmt.Sprint("k8s://prod/", random.IntN(2)))
			if random.IntN(8) == 0 {
				it.Spec.AgentIdentity = "aip-reviewer-1"
			}
			made[it.Name] = it.AgentRequest
			d.gateway.Put(it.AgentRequest)
			if random.IntN(3) > 0 {
				d.refresh()
			}
		case 4, 5:
			for _, it := range d.snapshot.Items {
				if !waits(it.AgentRequest) && random.IntN(2) == 0 {
					d.gateway.Remove(it.UID) // it is done
				}
			}
			d.refresh()
		case 6:
			d.Press("n", "J", "J")
			d.pass(2 * time.Second)
			if r := d.queue.cursor.item.AgentRequest; r != nil {
				d.Press("t", "1", "y", "enter")
				if d.queue.granting != nil {
					d.Press("esc")
				} else if len(d.queue.grants) > 0 && d.queue.now.Add(5*time.Minute).Equal(d.queue.grants[len(d.queue.grants)-1].until) {
					until[of(r)] = d.queue.now.Add(5 * time.Minute)
				}
			}
		case 7:
			if random.IntN(10) == 0 {
				d.Press("x")
				clear(until)
			}
		default:
			d.pass(time.Duration(random.IntN(60)) * time.Second)
		}
		for _, sent := range d.sent(checked) {
			checked++
			r := made[sent.name]
			if end, ok := until[of(r)]; !sent.approve || !ok || !left[sent.name].Before(end) || r.Spec.AgentIdentity == "aip-reviewer-1" {
				t.Fatalf("step %d: %s (%s) was sent, granted until %s, at %s", i, sent.name, of(r), end, left[sent.name])
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d were approved, the test proves little", checked)
	}
}
