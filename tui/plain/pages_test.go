package plain_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
	"github.com/aip-dev/aip-dev/tui/plain"
)

// many is a gateway with five requests of one agent, the last two about one target.
func many(role string) *fakegateway.Gateway {
	g := fakegateway.New(time.Now, "alice", role)
	for i, target := range []string{"a", "b", "c", "d", "d"} {
		g.Put(fakegateway.Pending(fmt.Sprint("r-", i), "cost-bot", "scale-down", "k8s://prod/"+target, "idle", time.Now().Add(time.Duration(i-10)*time.Minute)))
	}
	return g
}

// Several are decided with one line, one by one, and of one target only the first is approved.
func TestSeveral(t *testing.T) {
	t.Parallel()
	g := many("reviewer")
	got := talk(t, g, false, "like 1", "deny 1,9 no", "deny 1-2 not now", "approve 3-5", "show 3", "show 4", "show 5", "approve 3-5 fine", "quit")
	wants(t, got, "cost-bot asks to scale-down in 1,2,3,4,5.", "Say a number of the last list, from 1 to 5, or several as 1,3-5.",
		"1. Denied by you", "2. Denied by you", "3. Not sent: it was not shown", "SAME TARGET", "3. Approved by you", "4. Approved by you",
		"5. Not sent: another of its target was just approved")
	if d := g.Decisions(); len(d) != 4 || d[0].Name != "r-0" || d[0].Review.Reason != "not now" || d[3].Name != "r-3" {
		t.Errorf("decisions %+v", d)
	}
}

// Saved filters have counts, and what ends first stands first.
func TestTabs(t *testing.T) {
	t.Parallel()
	g := many("reviewer")
	late := fakegateway.Pending("late", "bot", "delete", "k8s://prod/x", "idle", time.Now())
	late.Status.Phase = v1alpha1.PhaseApproved
	late.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionApproved, Status: metav1.ConditionTrue, LastTransitionTime: metav1.Now()}}
	g.Put(late)
	got := talk(t, g, false, "tabs", "tab 9", "tab 1", "list all", "quit")
	wants(t, got, "1. To decide: 5 (is:waiting).", "6. All: 6 (all).", "Say a number from 1 to 6.", "1. Approved: bot asks to delete k8s://prod/x, 0s ago, start window closes in 5m")
}

// What the screen copies is printed, and never a token.
func TestCopy(t *testing.T) {
	t.Parallel()
	got := talk(t, many("reviewer"), false, "copy 1", "copy 1 target", "copy 1 curl", "copy 1 kubectl", "json 1", "quit")
	wants(t, got, "Say what of it: name, target, yaml, json, curl, header, kubectl.", "k8s://prod/a", `curl -H "Authorization: Bearer $(aip-dev token alice)"`,
		"kubectl get agentrequest -n default r-0 -o yaml", `"agentIdentity": "cost-bot"`)
}

// A page lists what has the words, and tells all of one line.
func TestPages(t *testing.T) {
	t.Parallel()
	got := talk(t, many("reviewer"), false, "audit 1", "deny 1 wrong\x1b[2J target", "audit denied", "audit 1", "policies 1", "policies", "policies 1", "quit")
	wants(t, got, "Say a number of the last list of audit, from 1 to 0.", "Each line: namespace, name, valid, first rule.", "request.denied, alice, r-0, scale-down prod/a.", "1 line.", "decided by: alice",
		"reason given: wrong␛[2J target", "RequireApproval  needs-human", "StateEvaluation: ")
}

type program struct{ ran []string }

func (*program) Line(args []string) string { return "aip-dev " + strings.Join(args, " ") }

func (p *program) Run(_ context.Context, args []string, _ string, line func(string)) error {
	p.ran = append(p.ran, strings.Join(args, " "))
	line("as \x1b[2J typed")
	if args[1] == "remove" {
		line("error: not there")
		return errors.New("not there") //nolint:err113 // a test
	}
	return nil
}

type mint struct{}

func (mint) Clients() []string { return []string{"alice", "bob"} }

func (mint) Why(_ context.Context, raw, client string) (tokens.Report, error) {
	return tokens.Report{
		Accepted: raw == "", Rows: []check.Result{{ID: "T01", Question: "one token", Answer: check.Answer{Verdict: check.Pass}}},
		Claims: []token.Claim{{Name: "azp", Value: client, Says: "the client that got it"}},
	}, nil
}

// Commands and tokens as on their pages, with the same rights.
func TestRunAndToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role     string
		readOnly bool
		wants    []string
		ran      int
	}{
		{"admin", false, []string{"as ␛[2J typed", "Done: aip-dev agent add x --role agent.", "error: not there"}, 3},
		{"reviewer", false, []string{"Not done: role reviewer may not, admin may.", "Done: aip-dev policy check p.yaml."}, 1},
		{"admin", true, []string{"Not done: read-only.", "Done: aip-dev policy check p.yaml."}, 1},
	} {
		p := &program{}
		var out bytes.Buffer
		err := plain.Run(t.Context(), plain.Options{
			Gateway: many(c.role), Out: &out, Now: time.Now, ReadOnly: c.readOnly, Commands: p, Tokens: mint{},
			In: strings.NewReader("run down\nrun agent add x --role agent\nrun agent remove x\nrun policy check p.yaml\ntoken\ntoken bob\ntoken 3\ntoken abc.def\nquit\n"),
		})
		if err != nil || len(p.ran) != c.ran {
			t.Errorf("%s: %v, ran %q", c.role, err, p.ran)
		}
		wants(t, out.String(), append(c.wants, "Run takes: agent add,", "the gateway takes it", "3. azp, bob.", "value: bob", "refused")...)
	}
}
