package check_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/check"
)

func one(id string, a check.Answer, needs ...string) check.Check {
	return check.Check{ID: id, Question: id + "?", Needs: needs, Ask: func(context.Context) check.Answer { return a }}
}

func run(t *testing.T, checks ...check.Check) []check.Result {
	t.Helper()
	results, err := check.Run(t.Context(), checks, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func verdicts(results []check.Result) string {
	var out []string
	for _, r := range results {
		text := r.ID + " " + string(r.Verdict)
		if len(r.Because) > 0 {
			text += " because of " + strings.Join(r.Because, "+")
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestOneCauseGivesOneRedLine(t *testing.T) {
	t.Parallel()
	fine, bad := check.OK("fine"), check.Failed(check.Fix{Command: "mend"}, "broken")
	for name, c := range map[string]struct {
		checks []check.Check
		want   string
		worst  string
	}{
		"nothing":           {nil, "", ""},
		"all pass":          {[]check.Check{one("a", fine), one("b", fine, "a")}, "a pass, b pass", ""},
		"a chain":           {[]check.Check{one("a", bad), one("b", bad, "a"), one("c", bad, "b")}, "a fail, b skip because of a, c skip because of a", "a"},
		"beside it":         {[]check.Check{one("a", bad), one("b", fine), one("c", fine, "a", "b")}, "a fail, b pass, c skip because of a", "a"},
		"two causes":        {[]check.Check{one("a", bad), one("b", bad), one("c", fine, "a", "b")}, "a fail, b fail, c skip because of a+b", "a"},
		"what explains":     {[]check.Check{one("a", bad), one("b", bad), one("c", fine, "b")}, "a fail, b fail, c skip because of b", "b"},
		"skip is no cause":  {[]check.Check{one("a", check.Skipped("not here")), one("b", fine, "a")}, "a skip, b pass", ""},
		"warn is no cause":  {[]check.Check{one("a", check.Warned(check.Fix{}, "near")), one("b", fine, "a")}, "a warn, b pass", ""},
		"no verdict is bad": {[]check.Check{one("a", check.Answer{})}, "a fail", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := run(t, c.checks...)
			if got := verdicts(results); got != c.want {
				t.Errorf("found %s, expected %s", got, c.want)
			}
			worst := ""
			if w := check.Worst(results); w != nil {
				worst = w.ID
			}
			if worst != c.worst {
				t.Errorf("the worst is %q, expected %q", worst, c.worst)
			}
		})
	}
}

// A check that hangs costs its limit and nothing more, even when it does not look at its context.
func TestLimit(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	deaf := check.Check{ID: "deaf", Question: "?", Limit: 20 * time.Millisecond, Silence: check.Fix{Command: "wake"}, Ask: func(context.Context) check.Answer { <-hang; return check.OK("") }}
	results := run(t, deaf, one("after", check.OK(""), "deaf"), one("beside", check.OK("")))
	if got, want := verdicts(results), "deaf fail, after skip because of deaf, beside pass"; got != want {
		t.Errorf("found %s, expected %s", got, want)
	}
	if !strings.Contains(results[0].Reason, "no answer within 20ms") || results[0].Fix.Command != "wake" {
		t.Errorf("found %q", results[0].Reason)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	deaf.Limit = time.Hour
	stopped, err := check.Run(ctx, []check.Check{deaf}, time.Now)
	if err != nil || !strings.Contains(stopped[0].Reason, "interrupted") {
		t.Errorf("found %+v, %v", stopped, err)
	}
}

// Checks that do not need one another are asked at the same time.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	const many = 8
	var asked atomic.Int32
	all := make(chan struct{})
	var checks []check.Check
	for i := range many {
		checks = append(checks, check.Check{ID: string(rune('a' + i)), Question: "?", Limit: time.Minute, Ask: func(ctx context.Context) check.Answer {
			if asked.Add(1) == many {
				close(all)
			}
			select {
			case <-all:
				return check.OK("")
			case <-ctx.Done():
				return check.Failed(check.Fix{}, "alone")
			}
		}})
	}
	for _, r := range run(t, checks...) {
		if r.Bad() {
			t.Errorf("%s: %s", r.ID, r.Reason)
		}
	}
}

func TestListsThatCannotBe(t *testing.T) {
	t.Parallel()
	_, err := check.Run(t.Context(), []check.Check{one("a", check.OK("")), one("a", check.OK("")), one("b", check.OK(""), "c"), {ID: "d"}}, time.Now)
	for _, want := range []string{`"a": expected an id`, `"b" needs "c"`, `"d": expected a question`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("found %v, expected %q", err, want)
		}
	}
}

func TestReportAndText(t *testing.T) {
	t.Parallel()
	report := check.Report{Checks: run(t, one("disk", check.OK("9 GiB free")), one("memory", check.Warned(check.Fix{Command: "close something"}, "low")),
		one("aud", check.Differ(check.Fix{Command: "aip-dev up", Repair: check.RepairUp}, `"aip-gateway"`, "[\"acc\x1bount\"]", "aud does not match")),
		one("role", check.OK(""), "aud"))}
	report.Summarize()
	if want := (check.Counts{Pass: 1, Warn: 1, Fail: 1, Skip: 1}); report.Counts != want || report.Worst == nil || report.Worst.ID != "aud" || report.Version != check.ReportVersion {
		t.Errorf("found %+v, worst %+v", report.Counts, report.Worst)
	}
	if bad := report.Failures(); len(bad) != 1 || bad[0].ID != "aud" {
		t.Errorf("found %v", bad)
	}
	want := strings.Split(`  ✓ disk    9 GiB free
  ! memory  low
            fix       close something
  ✗ aud     aud does not match
            expected  "aip-gateway"
            found     ["acc␛ount"]
            fix       aip-dev up
  · role    not asked (because of aud)
`, "\n")
	if got := strings.Split(check.Text(report.Checks), "\n"); !reflect.DeepEqual(got, want) {
		t.Errorf("found\n%s", strings.Join(got, "\n"))
	}
}
