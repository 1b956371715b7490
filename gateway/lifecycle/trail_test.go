package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
)

// reported is a condition that an agent sets.
type reported string

// live applies events and what agents report in turn, and calls each after every step.
func live(t *testing.T, r *v1alpha1.AgentRequest, each func(), steps ...any) {
	t.Helper()
	for _, step := range steps {
		switch step := step.(type) {
		case reported:
			r.Status.Conditions = append(r.Status.Conditions, metav1.Condition{
				Type: string(step), Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(now()), Reason: "x", Message: "gave up",
			})
		case lifecycle.Event:
			var err error
			if r.Status, err = lifecycle.Next(r.Status, step, now()); err != nil {
				t.Fatal(err)
			}
		}
		each()
	}
}

func request() *v1alpha1.AgentRequest {
	return &v1alpha1.AgentRequest{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: "agent-1", UID: "uid", CreationTimestamp: metav1.NewTime(now()),
			Labels: map[string]string{v1alpha1.LabelAgentIdentity: "agent", v1alpha1.LabelCorrelationID: "c-1", "other": "x"},
		},
		Spec: v1alpha1.AgentRequestSpec{AgentIdentity: "agent", Action: "scale", Reason: "because", Target: v1alpha1.Target{URI: "u"}},
	}
}

// story shows a trail as "event from>to {annotations}".
func story(records []*v1alpha1.AuditRecord) string {
	var out []string
	for _, r := range records {
		line := string(r.Spec.Event)
		if p := r.Spec.PhaseTransition; p != nil {
			line += fmt.Sprintf(" %s>%s", p.From, p.To)
		}
		for _, key := range []string{"approvedBy", "denialCode", "verdict"} {
			if value := r.Spec.Annotations[key]; value != "" {
				line += " " + value
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func TestTrail(t *testing.T) {
	t.Parallel()
	allow, hold := lifecycle.Evaluated{Outcome: lifecycle.Allow}, lifecycle.Evaluated{Outcome: lifecycle.Hold}
	yes := &v1alpha1.HumanApproval{Decision: v1alpha1.DecisionApproved, ApprovedBy: "rev", Reason: "fine"}
	no := &v1alpha1.HumanApproval{Decision: v1alpha1.DecisionDenied, ApprovedBy: "rev"}
	started := []any{lifecycle.Admitted{}, allow, lifecycle.Locked{Lease: "l"}, reported("Executing"), lifecycle.Started{}}
	const begun = "request.submitted; policy.evaluated Pending>Approved; request.approved Pending>Approved; lock.acquired; request.executing Approved>Executing; "
	for name, tt := range map[string]struct {
		review *v1alpha1.HumanApproval
		steps  []any
		want   string
	}{
		"completed":    {nil, append(started, reported("Completed"), lifecycle.Succeeded{}), begun + "request.completed Executing>Completed; lock.released"},
		"failed":       {nil, append(started, reported("Failed"), lifecycle.Failed{}), begun + "request.failed Executing>Failed; lock.released"},
		"no heartbeat": {nil, append(started, lifecycle.LockLost{Expired: true}), begun + "heartbeat.timeout; request.failed Executing>Failed LOCK_TIMEOUT"},
		"lock lost":    {nil, append(started, lifecycle.LockLost{}), begun + "lock.expired; request.failed Executing>Failed LOCK_TIMEOUT"},
		"not started": {nil, []any{lifecycle.Admitted{}, allow, lifecycle.Locked{}, lifecycle.NotStarted{}},
			"request.submitted; policy.evaluated Pending>Approved; request.approved Pending>Approved; request.failed Approved>Failed LOCK_TIMEOUT"},
		"denied by policy": {nil, []any{lifecycle.Admitted{}, lifecycle.Evaluated{}},
			"request.submitted; policy.evaluated Pending>Denied; request.denied Pending>Denied POLICY_VIOLATION"},
		"waited in vain": {nil, []any{lifecycle.Admitted{}, allow, lifecycle.LockBusy{}, lifecycle.LockTimeout{}},
			"request.submitted; policy.evaluated Pending>Denied; request.denied Pending>Denied LOCK_TIMEOUT"},
		"approved": {yes, []any{lifecycle.Admitted{}, hold, lifecycle.Reviewed{Decision: yes.Decision, By: "rev"}, lifecycle.Locked{Review: yes}},
			"request.submitted; policy.evaluated Pending>Pending; request.approved Pending>Approved rev"},
		"denied": {no, []any{lifecycle.Admitted{}, hold, lifecycle.Reviewed{Decision: no.Decision, By: "rev"}},
			"request.submitted; policy.evaluated Pending>Pending; request.denied Pending>Denied rev POLICY_VIOLATION"},
		"drifted": {yes, []any{lifecycle.Admitted{}, hold, lifecycle.Drifted{Why: "w"}},
			"request.submitted; policy.evaluated Pending>Pending; state.drifted STATE_DRIFTED; request.denied Pending>Denied rev STATE_DRIFTED"},
		"observed": {nil, []any{lifecycle.Observed{}}, "request.observed"},
		"shut out": {nil, []any{lifecycle.ShutOut{Code: "IDENTITY_INVALID"}}, "request.denied IDENTITY_INVALID"},
		"expired":  {nil, []any{lifecycle.ToBeGraded{}, lifecycle.NotGraded{}}, "request.submitted; request.expired AwaitingVerdict>Expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, written := request(), map[string]string{}
			r.Spec.HumanApproval = tt.review
			live(t, r, func() {
				for _, record := range lifecycle.Trail(r) {
					if _, there := written[record.Name]; !there {
						written[record.Name] = string(record.Spec.Event)
					}
				}
			}, tt.steps...)
			trail := lifecycle.Trail(r)
			if got := story(trail); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			last := map[string]bool{}
			for _, record := range trail {
				if last[record.Name] {
					t.Errorf("%s: two records of one name", record.Spec.Event)
				}
				last[record.Name] = true
				if record.Namespace != "ns" || record.Labels["aip.io/agentRequestRef"] != "agent-1" || record.Labels["aip.io/correlationID"] != "c-1" ||
					record.Labels["other"] != "" || len(record.OwnerReferences) > 0 || record.Spec.Reason != "because" || record.Spec.Timestamp.IsZero() {
					t.Errorf("%s: %+v", record.Spec.Event, record)
				}
			}
			// What was written on the way is what the end tells, but for evaluations that were followed by others.
			for recorded, event := range written {
				if !last[recorded] && event != string(v1alpha1.AuditPolicyEvaluated) {
					t.Errorf("%s was recorded on the way under a name that the end does not have", event)
				}
			}
		})
	}
}

func TestVerdictInTrail(t *testing.T) {
	t.Parallel()
	r := request()
	live(t, r, func() {}, lifecycle.ToBeGraded{Reason: lifecycle.ReasonSoakMode})
	r.Status.Verdict, r.Status.VerdictBy, r.Status.VerdictReasonCode = v1alpha1.VerdictPartial, "rev", "bad_timing"
	live(t, r, func() {}, lifecycle.Graded{})
	trail := lifecycle.Trail(r)
	if got := story(trail); got != "request.submitted; verdict.submitted AwaitingVerdict>Completed partial" {
		t.Error(got)
	}
	if a := trail[1].Spec.Annotations; a["verdictBy"] != "rev" || a["verdictReasonCode"] != "bad_timing" {
		t.Errorf("annotations %v", a)
	}
}

// Another request may have the name later; its trail is its own.
func TestTrailsOfOneName(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, uid := range []string{"one", "two"} {
		r := request()
		r.UID = types.UID(uid)
		live(t, r, func() {}, lifecycle.Observed{})
		names[lifecycle.Trail(r)[0].Name] = true
	}
	if len(names) != 2 {
		t.Errorf("names %v", names)
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	limits := lifecycle.Limits{LockWait: time.Minute, Start: 5 * time.Minute, Verdict: 7 * 24 * time.Hour}
	allow := lifecycle.Evaluated{Outcome: lifecycle.Allow}
	for name, tt := range map[string]struct {
		steps []any
		after time.Duration
		event lifecycle.Event
	}{
		"held":                 {[]any{lifecycle.Admitted{}, lifecycle.Evaluated{Outcome: lifecycle.Hold}}, 0, nil},
		"queued, not waiting":  {[]any{lifecycle.Admitted{}, allow}, 0, nil},
		"waits for its target": {[]any{lifecycle.Admitted{}, allow, lifecycle.LockBusy{}}, time.Minute + time.Second, lifecycle.LockTimeout{}},
		"approved":             {[]any{lifecycle.Admitted{}, allow, lifecycle.Locked{}}, 5*time.Minute + time.Second, lifecycle.NotStarted{}},
		"to be graded":         {[]any{lifecycle.ToBeGraded{}}, 7 * 24 * time.Hour, lifecycle.NotGraded{}},
		"finished":             {[]any{lifecycle.Observed{}}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request()
			live(t, r, func() {}, tt.steps...)
			at, event := limits.Deadline(r, r.Status)
			if event != tt.event || event != nil && at.Sub(now()) != tt.after {
				t.Errorf("%T after %s; want %T after %s", event, at.Sub(now()), tt.event, tt.after)
			}
		})
	}
}
