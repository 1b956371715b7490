package lifecycle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// statusIn returns a status that is in the given state.
func statusIn(s lifecycle.State) v1alpha1.AgentRequestStatus {
	out := v1alpha1.AgentRequestStatus{Phase: s.Phase}
	if s.Queued {
		out.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionPolicyEvaluated, Status: metav1.ConditionTrue}}
	}
	if s.Held {
		out.Conditions = []metav1.Condition{
			{Type: v1alpha1.ConditionRequiresApproval, Status: metav1.ConditionTrue},
			{Type: v1alpha1.ConditionPolicyEvaluated, Status: metav1.ConditionTrue},
		}
	}
	return out
}

func states() []lifecycle.State {
	out := []lifecycle.State{{}, {Phase: v1alpha1.PhasePending}, {Phase: v1alpha1.PhasePending, Held: true}, {Phase: v1alpha1.PhasePending, Queued: true}}
	for _, p := range []v1alpha1.Phase{
		v1alpha1.PhaseApproved, v1alpha1.PhaseDenied, v1alpha1.PhaseExecuting, v1alpha1.PhaseCompleted,
		v1alpha1.PhaseFailed, v1alpha1.PhaseExpired, v1alpha1.PhaseObserved, v1alpha1.PhaseAwaitingVerdict, "Unheard-of",
	} {
		out = append(out, lifecycle.State{Phase: p})
	}
	return out
}

// events holds one event for each trigger, by a short name.
func events() []struct {
	name  string
	event lifecycle.Event
} {
	return []struct {
		name  string
		event lifecycle.Event
	}{
		{"admitted", lifecycle.Admitted{}},
		{"observed", lifecycle.Observed{}},
		{"allow", lifecycle.Evaluated{Outcome: lifecycle.Allow}},
		{"hold", lifecycle.Evaluated{Outcome: lifecycle.Hold}},
		{"deny", lifecycle.Evaluated{Outcome: lifecycle.Deny}},
		{"approved", lifecycle.Reviewed{Decision: v1alpha1.DecisionApproved}},
		{"denied", lifecycle.Reviewed{Decision: v1alpha1.DecisionDenied}},
		{"void", lifecycle.Voided{}},
		{"shut out", lifecycle.ShutOut{}},
		{"to be graded", lifecycle.ToBeGraded{}},
		{"drifted", lifecycle.Drifted{}},
		{"unbound", lifecycle.Unbound{}},
		{"busy", lifecycle.LockBusy{}},
		{"locked", lifecycle.Locked{}},
		{"lock timeout", lifecycle.LockTimeout{}},
		{"lock lost", lifecycle.LockLost{}},
		{"started", lifecycle.Started{}},
		{"not started", lifecycle.NotStarted{}},
		{"succeeded", lifecycle.Succeeded{}},
		{"failed", lifecycle.Failed{}},
		{"graded", lifecycle.Graded{}},
		{"not graded", lifecycle.NotGraded{}},
	}
}

// TestEveryStateMeetsEveryEvent walks the whole product; a pair that is not listed must be refused and change nothing.
func TestEveryStateMeetsEveryEvent(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Submitted + admitted":            "Pending",
		"Submitted + observed":            "Observed",
		"Submitted + shut out":            "Denied",
		"Submitted + to be graded":        "AwaitingVerdict",
		"Pending + allow":                 "Pending (queued)",
		"Pending + hold":                  "Pending (held)",
		"Pending + deny":                  "Denied",
		"Pending + denied":                "Denied",
		"Pending + void":                  "Denied",
		"Pending (held) + approved":       "Pending (queued)",
		"Pending (held) + denied":         "Denied",
		"Pending (held) + void":           "Denied",
		"Pending (held) + hold":           "Pending (held)",
		"Pending (held) + deny":           "Denied",
		"Pending (held) + drifted":        "Denied",
		"Pending (queued) + busy":         "Pending (queued)",
		"Pending (queued) + locked":       "Approved",
		"Pending (queued) + lock timeout": "Denied",
		"Pending (queued) + unbound":      "Denied",
		"Pending (queued) + drifted":      "Denied",
		"Pending (queued) + denied":       "Denied",
		"Pending (queued) + void":         "Denied",
		"Approved + started":              "Executing",
		"Approved + not started":          "Failed",
		"Approved + lock lost":            "Failed",
		"Approved + failed":               "Failed",
		"Executing + succeeded":           "Completed",
		"Executing + failed":              "Failed",
		"Executing + lock lost":           "Failed",
		"AwaitingVerdict + graded":        "Completed",
		"AwaitingVerdict + not graded":    "Expired",
	}
	pairs := 0
	for _, s := range states() {
		for _, e := range events() {
			pair := fmt.Sprintf("%s + %s", s, e.name)
			before := statusIn(s)
			after, err := lifecycle.Next(before, e.event, now())
			to, legal := want[pair]
			switch {
			case legal && err != nil:
				t.Errorf("%s: %v", pair, err)
			case legal && lifecycle.StateOf(after).String() != to:
				t.Errorf("%s: got %s, want %s", pair, lifecycle.StateOf(after), to)
			case !legal && !errors.Is(err, lifecycle.ErrNoTransition):
				t.Errorf("%s: got %v, want ErrNoTransition", pair, err)
			case !legal && lifecycle.StateOf(after) != s:
				t.Errorf("%s: refused, but the state became %s", pair, lifecycle.StateOf(after))
			}
			if legal {
				pairs++
			}
		}
	}
	if pairs != len(want) || pairs != len(lifecycle.Transitions()) {
		t.Errorf("met %d legal pairs, expected %d, the table has %d", pairs, len(want), len(lifecycle.Transitions()))
	}
}

func TestTerminalPhasesHaveNoWayOut(t *testing.T) {
	t.Parallel()
	for _, row := range lifecycle.Transitions() {
		if row.From.Phase.Terminal() {
			t.Errorf("%s leaves a terminal phase on %s", row.From, row.On)
		}
	}
}

func TestZeroEventsDeny(t *testing.T) {
	t.Parallel()
	for _, e := range []lifecycle.Event{lifecycle.Evaluated{}, lifecycle.Reviewed{}, lifecycle.Reviewed{Decision: "Approved"}} {
		got, err := lifecycle.Next(v1alpha1.AgentRequestStatus{Phase: v1alpha1.PhasePending}, e, now())
		if err != nil || got.Phase != v1alpha1.PhaseDenied || got.Denial == nil {
			t.Errorf("%#v: phase %q, denial %v, error %v", e, got.Phase, got.Denial, err)
		}
	}
}

// walk applies events in turn, from a new request on.
func walk(t *testing.T, events ...lifecycle.Event) v1alpha1.AgentRequestStatus {
	t.Helper()
	var s v1alpha1.AgentRequestStatus
	for _, e := range events {
		var err error
		if s, err = lifecycle.Next(s, e, now()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// render shows the conditions and the denial of a status as lines to compare.
func render(s v1alpha1.AgentRequestStatus) string {
	var b strings.Builder
	for _, c := range s.Conditions {
		fmt.Fprintf(&b, "%s=%s %s %q\n", c.Type, c.Status, c.Reason, c.Message)
	}
	if s.Denial != nil {
		fmt.Fprintf(&b, "denial %s %q %d\n", s.Denial.Code, s.Denial.Message, len(s.Denial.PolicyResults))
	}
	return b.String()
}

func TestWhatEachPathLeavesInTheStatus(t *testing.T) {
	t.Parallel()
	const submitted = "RequestSubmitted=True Initialization \"Request received\"\n"
	hold := lifecycle.Evaluated{Outcome: lifecycle.Hold, Message: "delete needs a reviewer"}
	tests := []struct {
		name   string
		events []lifecycle.Event
		want   string
	}{
		{"allowed", []lifecycle.Event{lifecycle.Admitted{}, lifecycle.Evaluated{Outcome: lifecycle.Allow, Message: "no policy matched"}, lifecycle.Locked{Lease: "l"}},
			submitted + "PolicyEvaluated=True EvaluationComplete \"no policy matched\"\nApproved=True Approved \"no policy matched\"\n"},
		{"waits for its target", []lifecycle.Event{lifecycle.Admitted{}, lifecycle.Evaluated{Outcome: lifecycle.Allow, Message: "fine"}, lifecycle.LockBusy{Behind: "x"}},
			submitted + "PolicyEvaluated=True EvaluationComplete \"fine\"\nLockAcquired=False LockContention \"Waiting for the target: x\"\n"},
		{"waited in vain", []lifecycle.Event{lifecycle.Admitted{}, lifecycle.Evaluated{Outcome: lifecycle.Allow, Message: "fine"}, lifecycle.LockBusy{Behind: "x"}, lifecycle.LockTimeout{}},
			submitted + "PolicyEvaluated=True EvaluationComplete \"fine\"\nApproved=False LockTimeout \"The target was not free in time: other requests held it\"\n" +
				"denial LOCK_TIMEOUT \"The target was not free in time: other requests held it\" 0\n"},
		{"trusted", []lifecycle.Event{lifecycle.Admitted{}, lifecycle.Evaluated{Outcome: lifecycle.Allow, Message: "m"}, lifecycle.Locked{Trusted: true}},
			submitted + "PolicyEvaluated=True EvaluationComplete \"m\"\nApproved=True AutoApprovedByTrustGate \"Approved without a reviewer: the agent is trusted\"\n"},
		{"drifted", []lifecycle.Event{lifecycle.Admitted{}, hold, lifecycle.Drifted{Why: "w", Now: lifecycle.Evaluated{Message: "now"}}},
			submitted + "Approved=False Denied \"The approval does not count: w. Submit the request again\"\nPolicyEvaluated=True EvaluationComplete \"now\"\n" +
				"denial STATE_DRIFTED \"The approval does not count: w. Submit the request again\" 0\n"},
		{"shut out", []lifecycle.Event{lifecycle.ShutOut{Code: "ACTION_NOT_PERMITTED"}},
			"RequestSubmitted=True GatewayDenied \"Blocked at gateway admission: ACTION_NOT_PERMITTED\"\ndenial ACTION_NOT_PERMITTED \"Blocked at gateway admission: ACTION_NOT_PERMITTED\" 0\n"},
		{"held", []lifecycle.Event{lifecycle.Admitted{}, hold},
			submitted + "RequiresApproval=True ApprovalRequired \"delete needs a reviewer\"\nPolicyEvaluated=True EvaluationComplete \"delete needs a reviewer\"\n"},
		{"denied by policy", []lifecycle.Event{lifecycle.Admitted{}, lifecycle.Evaluated{
			Outcome: lifecycle.Deny, Code: "EVALUATION_FAILURE", Message: "no such key", Results: make([]v1alpha1.PolicyResult, 2)}},
			submitted + "Approved=False Denied \"no such key\"\nPolicyEvaluated=True EvaluationComplete \"no such key\"\ndenial EVALUATION_FAILURE \"no such key\" 2\n"},
		{"approved by a reviewer", []lifecycle.Event{lifecycle.Admitted{}, hold,
			lifecycle.Reviewed{Decision: v1alpha1.DecisionApproved, By: "rev", Reason: "fine"},
			lifecycle.Locked{Review: &v1alpha1.HumanApproval{ApprovedBy: "rev", Reason: "fine"}}},
			submitted + "PolicyEvaluated=True EvaluationComplete \"delete needs a reviewer\"\nApproved=True Approved \"Approved by rev: fine\"\n"},
		{"denied by a reviewer", []lifecycle.Event{lifecycle.Admitted{}, hold,
			lifecycle.Reviewed{Decision: v1alpha1.DecisionDenied, By: "rev", Reason: "not today"}},
			submitted + "PolicyEvaluated=True EvaluationComplete \"delete needs a reviewer\"\nApproved=False ManualDenial \"Denied by rev: not today\"\ndenial POLICY_VIOLATION \"Denied by rev: not today\" 0\n"},
		{"denied through kubectl", []lifecycle.Event{lifecycle.Admitted{}, lifecycle.Reviewed{Decision: v1alpha1.DecisionDenied}},
			submitted + "Approved=False ManualDenial \"Denied by a reviewer who gave no name: no reason given\"\ndenial POLICY_VIOLATION \"Denied by a reviewer who gave no name: no reason given\" 0\n"},
		{"void", []lifecycle.Event{lifecycle.Admitted{}, hold, lifecycle.Voided{Why: "agent decided its own request"}},
			submitted + "PolicyEvaluated=True EvaluationComplete \"delete needs a reviewer\"\nApproved=False Denied \"The recorded decision does not count: agent decided its own request\"\n" +
				"denial POLICY_VIOLATION \"The recorded decision does not count: agent decided its own request\" 0\n"},
		{"observed", []lifecycle.Event{lifecycle.Observed{}},
			"RequestSubmitted=True ObserveMode \"Intent recorded, nothing was decided\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := render(walk(t, tt.events...)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestNextLeavesItsArgumentAlone(t *testing.T) {
	t.Parallel()
	held := walk(t, lifecycle.Admitted{}, lifecycle.Evaluated{Outcome: lifecycle.Hold})
	before := render(held)
	if _, err := lifecycle.Next(held, lifecycle.Reviewed{Decision: v1alpha1.DecisionApproved}, now()); err != nil {
		t.Fatal(err)
	}
	if got := render(held); got != before || held.Phase != v1alpha1.PhasePending {
		t.Errorf("the argument became %s\n%s", held.Phase, got)
	}
}

func TestConditionsCarryTheGivenTime(t *testing.T) {
	t.Parallel()
	s := walk(t, lifecycle.Admitted{}, lifecycle.Evaluated{Outcome: lifecycle.Allow})
	for _, c := range s.Conditions {
		if !c.LastTransitionTime.Time.Equal(now()) {
			t.Errorf("%s: %s", c.Type, c.LastTransitionTime)
		}
	}
}

func TestLongMessagesStayWithinTheSchema(t *testing.T) {
	t.Parallel()
	s := walk(t, lifecycle.Admitted{}, lifecycle.Reviewed{Decision: v1alpha1.DecisionDenied, Reason: strings.Repeat("é", 40000)})
	c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionApproved)
	if n := len([]rune(c.Message)); n > 32768 || !strings.HasSuffix(c.Message, "…") {
		t.Errorf("%d characters, ends in %q", n, c.Message[len(c.Message)-8:])
	}
}
