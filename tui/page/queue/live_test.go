package queue

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
)

// verifiedAgo returns request 0, verified without endpoints some time ago.
func verifiedAgo(ago time.Duration) feed.Item {
	it := item(0)
	it.Status.ControlPlaneVerification = &v1alpha1.ControlPlaneVerification{
		TargetExists: true, ReadyReplicas: 1, SpecReplicas: 1, FetchedAt: metav1.NewTime(time.Now().Add(-ago)),
	}
	return it
}

// atLook runs do at a desk that can look at targets, which takes a while.
func atLook(t *testing.T, ago, takes time.Duration, do func(*desk)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 120, 50, Options{})
		d.queue.Read = func(call func(context.Context) tea.Msg) tea.Cmd {
			return func() tea.Msg {
				time.Sleep(takes)
				return call(context.Background())
			}
		}
		d.queue.Target = d.gateway.Target
		d.Send(page.Tick{Now: time.Now()})
		d.put(verifiedAgo(ago))
		d.Wait(restTime)
		d.Send(page.Tick{Now: time.Now()})
		do(d)
	})
}

// scaled makes the target of request 0 one that is in use by now.
func (d *desk) scaled() {
	d.gateway.SetTarget("r-00000", wire.Target{
		Changed: "active endpoints was 0, is 2",
		Current: &v1alpha1.ControlPlaneVerification{
			TargetExists: true, HasActiveEndpoints: true, ActiveEndpointCount: 2, ReadyReplicas: 2, SpecReplicas: 2, FetchedAt: metav1.Now(),
		},
	})
}

func TestLookAgainByKey(t *testing.T) {
	atLook(t, 3*time.Hour, time.Second, func(d *desk) {
		d.wantOff("r", "")
		d.Press("r")
		d.wantOff("r", "looking")
		d.Press("r") // asks no second time
		d.Wait(time.Second)
		if got := d.lastNotice(); got != "the target is as it was verified: x00000 prod/t" {
			d.Errorf("notice %q", got)
		}
		if view := d.queue.View(); !strings.Contains(view, "verified 3h before") || !strings.Contains(view, "the target is as it was verified") {
			d.Errorf("%s", view)
		}
		d.scaled()
		d.Press("r")
		d.Wait(time.Second)
		view := d.queue.View()
		for _, want := range []string{"LOOKED AGAIN", "live endpoints", "0 → 2", "ready replicas", "1 → 2"} {
			if !strings.Contains(view, want) {
				d.Errorf("no %q in\n%s", want, view)
			}
		}
		if got := d.lastNotice(); !strings.Contains(got, "not as it was verified: active endpoints was 0, is 2") {
			d.Errorf("notice %q", got)
		}
		// The live endpoints ask for a reason, although the record has none.
		d.Press("a", "enter")
		if d.gateway.Calls() != 0 || !strings.Contains(d.prompt(), "a reason is needed") || !strings.Contains(d.prompt(), "0 → 2") {
			d.Errorf("%d calls, %s", d.gateway.Calls(), d.prompt())
		}
		// Another version of the request is another matter.
		d.Press("esc")
		changed := verifiedAgo(0)
		changed.Spec.Reason = "again"
		d.put(changed)
		if view := d.queue.View(); strings.Contains(view, "LOOKED AGAIN") {
			d.Errorf("what was seen is shown for a version that it is not about\n%s", view)
		}
	})
}

// Approving what was verified long ago looks again, and a key that was on its way does not approve what turns up.
func TestOldVerificationIsLookedAtBeforeApproval(t *testing.T) {
	atLook(t, 2*time.Minute, time.Second, func(d *desk) {
		d.scaled()
		d.Press("a")
		d.Type("fine")
		d.Press("enter")
		if d.gateway.Calls() != 0 || !strings.Contains(d.prompt(), "the target is looked at again") {
			d.Fatalf("%d calls, %s", d.gateway.Calls(), d.prompt())
		}
		d.Wait(time.Second)
		d.Press("enter")
		if d.gateway.Calls() != 0 || !strings.Contains(d.prompt(), targetChanged) || !strings.Contains(d.prompt(), "not as it was verified 2m before") {
			d.Fatalf("%d calls, %s", d.gateway.Calls(), d.prompt())
		}
		d.Wait(restTime)
		d.Press("enter")
		if got := d.gateway.Decisions(); len(got) != 1 || !got[0].Approved {
			d.Errorf("decisions %+v", got)
		}
		// The gateway looks, too, and says why the approval did not help.
		if got := d.lastNotice(); !strings.Contains(got, "approval stored, phase is Denied") || !strings.Contains(got, "does not count: active endpoints was 0, is 2") {
			d.Errorf("notice %q", got)
		}
	})
}

func TestYoungVerificationIsNotLookedAt(t *testing.T) {
	atLook(t, 10*time.Second, time.Hour, func(d *desk) {
		d.Press("a", "enter")
		if d.gateway.Calls() != 1 {
			d.Errorf("%d calls, %s", d.gateway.Calls(), d.prompt())
		}
	})
}

// A denial waits for nothing, and a target that cannot be looked at is said and holds nobody up.
func TestLookThatFails(t *testing.T) {
	atLook(t, 2*time.Minute, time.Second, func(d *desk) {
		d.gateway.SetDown(true)
		d.Press("r")
		d.Wait(time.Second)
		if got := d.lastNotice(); !strings.Contains(got, "could not be looked at") {
			d.Errorf("notice %q", got)
		}
		d.gateway.SetDown(false)
		d.Press("d", "2", "enter")
		if got := d.gateway.Decisions(); len(got) != 1 || got[0].Approved {
			d.Errorf("decisions %+v", got)
		}
	})
}
