package plain_test

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page/audit"
	"github.com/aip-dev/aip-dev/tui/page/policies"
	"github.com/aip-dev/aip-dev/tui/page/queue"
	"github.com/aip-dev/aip-dev/tui/plain"
	"github.com/aip-dev/aip-dev/tui/theme"
)

func talk(t *testing.T, g *fakegateway.Gateway, readOnly bool, lines ...string) string {
	t.Helper()
	return talkKept(t, g, nil, readOnly, lines...)
}

// talkKept is talk with a journal.
func talkKept(t *testing.T, g *fakegateway.Gateway, kept *journal.Journal, readOnly bool, lines ...string) string {
	t.Helper()
	var out bytes.Buffer
	err := plain.Run(t.Context(), plain.Options{
		Gateway: g, Journal: kept, In: strings.NewReader(strings.Join(lines, "\n") + "\n"), Out: &out, Now: time.Now, ReadOnly: readOnly,
		Policies: g.AllSafetyPolicies, Tabs: queue.Tabs(), URL: "http://gateway", Command: func(line string) string { return "aip-dev " + line },
		Pages: []plain.Page{
			{Name: "audit", Does: "audit trail", Rows: audit.New(theme.Theme{}, g, nil, time.UTC).Read},
			{Name: "policies", Does: "policies", Columns: policies.New(policies.Options{}).Columns, Rows: policies.New(policies.Options{Source: g}).Read},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == '\u202e' }) {
		t.Errorf("control characters in %q", out.String())
	}
	return out.String()
}

func desk() *fakegateway.Gateway {
	g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
	g.Put(fakegateway.Rich(time.Now()))
	g.Put(fakegateway.Wild(time.Now().Add(time.Minute)))
	return g
}

func wants(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("no %q in\n%s", p, got)
		}
	}
}

// The same script as on the screen: read, deny with a reason, approve what was read, and nothing else.
func TestSession(t *testing.T) {
	t.Parallel()
	g := desk()
	got := talk(t, g, false, "help", "approve 2", "approve 9", "nonsense", "deny 1", "deny 1 not now", "show 2", "approve 2 drained first", "list all", "audit denied", "policies", "who", "yaml 1", "diff 1", "quit", "list")
	wants(t, got, "2 requests.", "approve N [REASON]: ", "Not sent: it was not shown", "Say a number of the last list, from 1 to 2", "There is no command nonsense",
		"Not sent: a reason is needed", "Denied by you, phase Denied.", "THE AGENT SAYS", "That is all of idle-reaper-x7k2m", "Approved by you, phase Approved.",
		"request.denied", "1. default, guard-destructive, yes, RequireApproval needs-human.", "You are aip-reviewer-1", "agentIdentity")
	if d := g.Decisions(); len(d) != 2 || d[0].Approved || d[0].Review.Reason != "not now" || !d[1].Approved || d[1].Review.Reason != "drained first" {
		t.Errorf("decisions %+v", d)
	}
}

// The journal has what was decided in lines, and how much had been shown.
func TestJournal(t *testing.T) {
	t.Parallel()
	j := journal.At(filepath.Join(t.TempDir(), "aip.journal"), time.Now)
	talkKept(t, desk(), j, false, "deny 1 not now", "show 2", "approve 2 drained first", "approve 2", "deny 9 x", "quit")
	all, err := j.Records()
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if r := all[0]; r.By != "aip-reviewer-1" || r.Via != "plain" || r.Verb != journal.Deny || r.Reason != "not now" || r.Seen != journal.SeenPartial || r.Result != journal.Confirmed {
		t.Errorf("%+v", r)
	}
	if r := all[1]; r.Verb != journal.Approve || r.Seen != journal.SeenFull || r.Shown == "" || !r.LiveEndpoints {
		t.Errorf("%+v", r)
	}
}

// What was verified long ago is looked at again before it is approved, and what changed is approved by saying it twice.
func TestLookAgain(t *testing.T) {
	t.Parallel()
	g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
	old := fakegateway.Pending("old", "cost-bot", "scale-down", "k8s://prod/etl", "idle", time.Now().Add(-3*time.Hour))
	old.Status.ControlPlaneVerification = &v1alpha1.ControlPlaneVerification{TargetExists: true, FetchedAt: metav1.NewTime(time.Now().Add(-3 * time.Hour))}
	g.Put(old)
	wants(t, talk(t, g, false, "look 1"), "The target is as it was verified 3h ago.")
	g.SetTarget("old", wire.Target{Changed: "active endpoints was 0, is 2", Current: &v1alpha1.ControlPlaneVerification{
		TargetExists: true, HasActiveEndpoints: true, ActiveEndpointCount: 2,
	}})
	j := journal.At(filepath.Join(t.TempDir(), "aip.journal"), time.Now)
	got := talkKept(t, g, j, false, "show 1", "approve 1 fine", "approve 1", "approve 1 drained by hand")
	wants(t, got, "The target is not as it was verified 3h ago:", "live endpoints 0 → 2", "Not sent: say it again if that is fine.",
		"Not sent: a reason is needed, it has live endpoints",
		"Approved by you, but the phase is Denied: The approval does not count: active endpoints was 0, is 2. Submit the request again.")
	if d := g.Decisions(); len(d) != 1 || d[0].Review.Reason != "drained by hand" {
		t.Errorf("%+v", d)
	}
	if all, err := j.Records(); err != nil || len(all) != 1 || all[0].Changed != "active endpoints was 0, is 2" {
		t.Errorf("%+v, %v", all, err)
	}
}

// What changed after it was shown is not decided; what somebody else decided is named.
func TestStaleAndLost(t *testing.T) {
	t.Parallel()
	g := desk()
	in, typing := io.Pipe()
	out := &listener{prompts: make(chan struct{}, 100)}
	go func() {
		for _, s := range []step{
			{"show 2", func() {}},
			{"approve 2 fine", func() {
				changed := fakegateway.Rich(time.Now())
				changed.Status.ControlPlaneVerification.ActiveEndpointCount = 7
				g.Put(changed)
			}},
			{"list", func() {}},
			{"deny 2 late", func() { g.Settle("uid-idle-reaper-x7k2m", "bob", "mine", true) }},
		} {
			<-out.prompts
			s.before()
			_, _ = io.WriteString(typing, s.line+"\n") // the session may be over
		}
		<-out.prompts
		_ = typing.Close()
	}()
	if err := plain.Run(t.Context(), plain.Options{Gateway: g, In: in, Out: out, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	wants(t, out.String(), "this request is not what you read", "verified endpoints")
	if g.Calls() != 0 {
		t.Errorf("%d calls", g.Calls())
	}
}

// step is a line that is typed after something happened.
type step struct {
	line   string
	before func()
}

// listener is an output that tells of each prompt.
type listener struct {
	heard   bytes.Buffer
	prompts chan struct{}
}

func (l *listener) String() string { return l.heard.String() }

func (l *listener) Write(p []byte) (int, error) {
	n, err := l.heard.Write(p)
	if bytes.HasSuffix(p, []byte("> ")) {
		l.prompts <- struct{}{}
	}
	return n, err
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	g := desk()
	wants(t, talk(t, g, true, "deny 1 no", "grade 1 correct"), "Not sent: read-only.")
	if g.Calls() != 0 {
		t.Errorf("%d calls", g.Calls())
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	err := plain.Run(t.Context(), plain.Options{Gateway: desk(), In: strings.NewReader(strings.Repeat("x", 1<<20)), Out: io.Discard, Now: time.Now})
	if err == nil {
		t.Error("a line of a megabyte was taken")
	}
}
