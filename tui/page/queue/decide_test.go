package queue

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/tui/feed"
)

func TestApprove(t *testing.T) {
	atDesk(t, 120, 50, 3, func(d *desk) {
		d.Press("j", "a", "enter")
		got := d.gateway.Decisions()
		if len(got) != 1 || got[0].Name != "r-00001" || !got[0].Approved || got[0].Review.ResourceVersion != "2" {
			d.Fatalf("decisions: %+v", got)
		}
		if d.lastNotice() != "✓ approved by you, phase Approved: x00001 prod/t" {
			d.Errorf("notice: %q", d.lastNotice())
		}
		d.wantHighlighted(2)
		d.wantOff("a", "just came up, one moment")
		d.refresh() // the answer to the decision changes nothing about the next request
		d.wantOff("a", "just came up, one moment")
		d.wantHighlighted(2)
		d.Wait(restTime)
		d.wantOff("a", "")
		if d.queue.counts[0] != 2 || d.queue.counts[5] != 3 {
			d.Errorf("counts: %v", d.queue.counts)
		}
	})
}

func TestDenyNeedsReason(t *testing.T) {
	atDesk(t, 120, 50, 1, func(d *desk) {
		d.Press("d", "enter")
		if d.gateway.Calls() != 0 || !strings.Contains(d.prompt(), "a reason is needed") {
			d.Fatalf("%d calls, prompt %q", d.gateway.Calls(), d.prompt())
		}
		d.Type("Use the other cluster? q/a d?")
		d.Press("enter")
		got := d.gateway.Decisions()
		if len(got) != 1 || got[0].Approved || got[0].Review.Reason != "Use the other cluster? q/a d?" {
			d.Fatalf("decisions: %+v", got)
		}
		if d.queue.Prompt() != nil || d.lastNotice() != "✗ denied by you, phase Denied, the agent has your reason: x00000 prod/t" {
			d.Errorf("prompt %q, notice %q", d.prompt(), d.lastNotice())
		}
	})
}

func TestLiveEndpointsNeedReason(t *testing.T) {
	atDesk(t, 120, 60, 0, func(d *desk) {
		d.put(withEndpoints())
		d.Wait(restTime)
		d.Press("a", "enter")
		if d.gateway.Calls() != 0 {
			d.Fatal("approved without a reason although endpoints are live")
		}
		d.Type("drained")
		d.Press("enter")
		if got := d.gateway.Decisions(); len(got) != 1 || got[0].Review.Reason != "drained" {
			d.Errorf("decisions: %+v", got)
		}
	})
}

func TestEnterDecidesNothing(t *testing.T) {
	atDesk(t, 120, 50, 3, func(d *desk) {
		for range 6 {
			d.Press("enter")
		}
		if d.gateway.Calls() != 0 || d.queue.Prompt() != nil {
			d.Errorf("%d calls, prompt %q", d.gateway.Calls(), d.prompt())
		}
	})
}

func TestEscKeepsTheDraft(t *testing.T) {
	atDesk(t, 120, 50, 2, func(d *desk) {
		d.Press("d")
		d.Type("half a tho")
		d.Press("esc", "j", "k", "d")
		if !strings.Contains(d.prompt(), "half a tho") {
			d.Errorf("prompt: %q", d.prompt())
		}
		d.Press("esc", "j", "d")
		if strings.Contains(d.prompt(), "half a tho") {
			d.Errorf("the draft belongs to another request: %q", d.prompt())
		}
	})
}

// Each cause is shown before the key is pressed, and the key does nothing.
func TestKeysThatAreOff(t *testing.T) {
	t.Parallel()
	own := item(0)
	own.Spec.AgentIdentity = "aip-reviewer-1"
	onBehalf := item(0)
	onBehalf.Annotations = map[string]string{v1alpha1.AnnotationSubmittedBy: "aip-reviewer-1"}
	evaluating := item(0)
	evaluating.Status.Conditions = nil
	denied := inPhase(0, v1alpha1.PhaseDenied)
	denied.Spec.HumanApproval = &v1alpha1.HumanApproval{Decision: "denied", ApprovedBy: "bob\x1b"}
	for _, c := range []struct {
		name     string
		options  Options
		item     feed.Item
		snapshot func(*feed.Snapshot)
		want     string
	}{
		{"read-only", Options{ReadOnly: true}, item(0), nil, "read-only"},
		{"away", Options{}, item(0), func(s *feed.Snapshot) { s.Mode = feed.Away }, "gateway away"},
		{"refused", Options{}, item(0), func(s *feed.Snapshot) { s.Mode, s.Refused = feed.Away, true },
			"the gateway refuses the token"},
		{"connecting", Options{}, item(0), func(s *feed.Snapshot) { s.Mode = feed.Connecting }, "connecting"},
		{"nobody", Options{}, item(0), func(s *feed.Snapshot) { s.Who = nil }, "connecting"},
		{"agent", Options{}, item(0), func(s *feed.Snapshot) { s.Who = &wire.Whoami{Role: "agent", Roles: []string{"agent"}} },
			"role agent may not, reviewer may"},
		{"admin only", Options{}, item(0), func(s *feed.Snapshot) { s.Who = &wire.Whoami{Role: "admin", Roles: []string{"admin"}} },
			"role admin may not, reviewer may"},
		{"own request", Options{}, own, nil, "own request, use another reviewer"},
		{"submitted by me", Options{}, onBehalf, nil, "own request, use another reviewer"},
		{"decided", Options{}, denied, nil, `already denied by bob\x1b`},
		{"over", Options{}, inPhase(0, v1alpha1.PhaseExpired), nil, "phase Expired, nothing to decide"},
		{"evaluating", Options{}, evaluating, nil, "policies are being evaluated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, 120, 50, c.options)
				d.Press("shift+tab")
				d.put(c.item)
				d.Wait(restTime)
				if c.snapshot != nil {
					c.snapshot(&d.snapshot)
					d.Send(d.snapshot)
				}
				d.wantOff("a", c.want)
				d.wantOff("d", c.want)
				d.Press("a", "enter", "d", "x", "enter", "ctrl+a", "enter")
				if d.gateway.Calls() != 0 || d.queue.Prompt() != nil {
					t.Errorf("%d calls, prompt %q", d.gateway.Calls(), d.prompt())
				}
			})
		})
	}
}

func TestApproveNeedsTheEnd(t *testing.T) {
	atDesk(t, 120, 18, 2, func(d *desk) {
		d.wantOff("a", "not read to the end, J reads on")
		d.wantOff("d", "")
		d.Press("a")
		if d.queue.Prompt() != nil {
			d.Fatal("the form opened although the end was not shown")
		}
		for range 100 {
			d.Press("J")
		}
		d.wantOff("a", "")
		// It stays read when the cursor was elsewhere, and the other one is not read by that.
		d.Press("j")
		d.wantOff("a", "not read to the end, J reads on")
		d.Press("k")
		d.wantOff("a", "")
		// A new version must be read anew.
		changed := item(0)
		changed.Spec.Reason = strings.Repeat("now it is different\n", 50)
		d.put(changed)
		d.wantOff("a", "just changed, one moment")
		d.wantOff("d", "just changed, one moment")
		d.Wait(restTime)
		d.wantOff("a", "not read to the end, J reads on")
	})
}

func TestApproveUnread(t *testing.T) {
	atDesk(t, 120, 18, 1, func(d *desk) {
		d.Press("ctrl+a")
		if !strings.Contains(d.prompt(), "approve unread") {
			d.Fatalf("prompt: %q", d.prompt())
		}
		d.Press("enter")
		if len(d.gateway.Decisions()) != 1 {
			d.Error("ctrl-a and enter did not approve")
		}
	})
}

func TestSmallScreenNeedsEnter(t *testing.T) {
	atDesk(t, 60, 11, 2, func(d *desk) {
		d.wantOff("a", "not read yet, enter shows it")
		d.Press("enter", "G")
		d.wantOff("a", "")
		d.Press("esc")
		d.wantHighlighted(0)
	})
}

func TestLostRace(t *testing.T) {
	atDesk(t, 120, 50, 2, func(d *desk) {
		d.Press("a")
		d.gateway.Settle(uid(0), "bob", "no", false)
		d.Press("enter")
		if got := d.lastNotice(); got != "! not approved: already denied by bob, just before you: lost the race to bob (x00000 prod/t)" {
			d.Errorf("notice: %q", got)
		}
	})
}

func TestGatewayGoesWhileSending(t *testing.T) {
	atDesk(t, 120, 50, 2, func(d *desk) {
		d.Press("d")
		d.Type("why")
		d.gateway.SetDown(true)
		d.Press("enter")
		if got := d.lastNotice(); !strings.HasPrefix(got, "! not known whether denied: ") {
			d.Errorf("notice: %q", got)
		}
		d.gateway.SetDown(false)
		d.Wait(restTime)
		d.Press("k", "d")
		if !strings.Contains(d.prompt(), "why") {
			d.Errorf("the reason is lost: %q", d.prompt())
		}
	})
}

func TestWhileSending(t *testing.T) {
	atDesk(t, 120, 50, 2, func(d *desk) {
		d.slow = time.Second
		d.Press("a", "enter")
		d.wantHighlighted(1)
		d.Wait(restTime / 2)
		d.Press("k")
		d.wantHighlighted(0)
		d.wantOff("a", "being sent")
		if view := d.queue.View(); !strings.Contains(view, "▌●»") {
			d.Errorf("no mark in\n%s", view)
		}
		d.Press("a", "d", "ctrl+a")
		d.Wait(time.Second)
		if d.gateway.Calls() != 1 {
			d.Errorf("%d calls", d.gateway.Calls())
		}
	})
}

func TestFormWhenTheRequestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*desk)
		want   string
	}{
		"changed": {func(d *desk) { d.put(withEndpoints()) }, "it changed since you read it, esc and read again"},
		"decided": {func(d *desk) { d.gateway.Settle(uid(0), "bob", "no", true); d.refresh() }, "already approved by bob"},
		"deleted": {func(d *desk) { d.gateway.Remove(uid(0)); d.refresh() }, "it was deleted"},
		"away":    {func(d *desk) { d.snapshot.Mode = feed.Away; d.Send(d.snapshot) }, "gateway away"},
	} {
		t.Run(name, func(t *testing.T) {
			atDesk(t, 120, 60, 3, func(d *desk) {
				d.Press("d")
				d.Type("reason")
				c.change(d)
				if !strings.Contains(d.prompt(), c.want) || !strings.Contains(d.prompt(), "reason") {
					d.Errorf("prompt: %q", d.prompt())
				}
				d.Press("enter")
				if d.gateway.Calls() != 0 {
					d.Error("it was sent all the same")
				}
				d.wantHighlighted(0)
				d.Press("esc")
				d.wantHighlighted(0)
			})
		})
	}
}

func TestPasteOfAMegabyte(t *testing.T) {
	atDesk(t, 120, 50, 1, func(d *desk) {
		d.Press("d")
		d.Send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(strings.Repeat("word ", 1<<18)), Paste: true})
		if !strings.Contains(d.prompt(), "full") {
			d.Errorf("prompt: %q", d.prompt())
		}
		d.Press("enter")
		if got := d.gateway.Decisions(); len(got) != 1 || len(got[0].Review.Reason) > reasonLimit {
			d.Errorf("%d decisions", len(got))
		}
	})
}

func TestFiftyDecisions(t *testing.T) {
	atDesk(t, 120, 50, 50, func(d *desk) {
		for i := range 50 {
			d.Press("d")
			d.Type("no")
			d.Press("enter")
			d.refresh()
			d.Wait(restTime)
			if got := d.gateway.Decisions(); len(got) != i+1 || got[i].Name != fmt.Sprintf("r-%05d", i) {
				d.Fatalf("after %d: %d decisions", i+1, len(got))
			}
		}
	})
}

// What changed while another page was on top has not been read.
func TestReadMeansOnTheScreen(t *testing.T) {
	atDesk(t, 120, 60, 2, func(d *desk) {
		d.wantOff("a", "")
		d.Press("j")
		d.put(withEndpoints()) // changes out of sight, and fits on the screen
		d.queue.Resize(120, 18)
		d.Wait(restTime)
		d.Press("k")
		d.wantOff("a", "not read to the end, J reads on")
	})
}

// Of 200 kB the last byte can be reached and looked for, and only then the request counts as read.
func TestHugeParametersAreReadToTheEnd(t *testing.T) {
	atDesk(t, 100, 30, 0, func(d *desk) {
		huge := item(0)
		huge.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"text":"` + strings.Repeat("x", 200_000) + `THE-END"}`)}
		d.put(huge, item(1))
		d.Wait(restTime)
		d.Press("home")
		d.Wait(restTime)
		d.wantOff("a", "not read to the end, J reads on")
		d.Press("enter", "/")
		d.Type("the-end")
		view := d.queue.View()
		if !strings.Contains(view, "THE-END") || !strings.Contains(d.prompt(), "line 1 of 1 that has it") {
			d.Fatalf("%s\n%s", d.prompt(), view)
		}
		d.Type("q?ad")
		if d.queue.form != nil || !strings.Contains(d.prompt(), "nowhere") {
			d.Errorf("what is looked for did something else: %s", d.prompt())
		}
		d.Press("esc", "G", "j")
		d.wantOff("a", "")
		d.Press("a", "enter")
		if got := d.gateway.Decisions(); len(got) != 1 || !got[0].Approved {
			d.Errorf("decisions %+v", got)
		}
	})
}
