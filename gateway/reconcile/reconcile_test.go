package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// TestReconcile runs its cases beside each other on one manager: reconcilers look at all namespaces, so each case has
// actions of its own.
func TestReconcile(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	cases := map[string]func(*testing.T, world){
		"no policy matches":         noPolicyMatches,
		"a policy decides":          policyDecides,
		"policies of elsewhere":     policiesOfElsewhere,
		"a policy changes":          policyChanges,
		"a policy does not compile": policyDoesNotCompile,
		"one write per decision":    oneWritePerDecision,
		"reviewed through kubectl":  reviewedThroughKubectl,
		"decisions that are void":   voidDecisions,
		"denied before evaluation":  deniedByHand,
		"observe":                   observed,
	}
	t.Run("on one manager", func(t *testing.T) {
		for name, run := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, w)
			})
		}
	})
}

func noPolicyMatches(t *testing.T, w world) {
	r := w.submit(t, "untouched")
	c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionPolicyEvaluated)
	if r.Status.Phase != v1alpha1.PhaseApproved || c == nil || !strings.Contains(strings.ToLower(c.Message), "no policy") {
		t.Errorf("phase %s, condition %+v; want Approved and a message that no policy matched", r.Status.Phase, c)
	}
}

func policyDecides(t *testing.T, w world) {
	for then, want := range map[string]v1alpha1.Phase{
		v1alpha1.ActionDeny: v1alpha1.PhaseDenied, v1alpha1.ActionRequireApproval: v1alpha1.PhasePending,
		v1alpha1.ActionLog: v1alpha1.PhaseApproved, v1alpha1.ActionAllow: v1alpha1.PhaseApproved,
	} {
		action := "decide-" + then
		w.policyIn(t, w.ns, action, then)
		r := w.submit(t, action)
		if r.Status.Phase != want {
			t.Errorf("%s: phase %s, want %s", then, r.Status.Phase, want)
		}
		if got := held(r); got != (then == v1alpha1.ActionRequireApproval) {
			t.Errorf("%s: held %t", then, got)
		}
		if then == v1alpha1.ActionDeny && (r.Status.Denial == nil || r.Status.Denial.Code != v1alpha1.DenialPolicyViolation ||
			!strings.Contains(r.Status.Denial.Message, "Deny "+action)) {
			t.Errorf("denial %+v", r.Status.Denial)
		}
	}
}

// An agent chooses the namespace of its request; the policies of every namespace count all the same.
func policiesOfElsewhere(t *testing.T, w world) {
	w.policyIn(t, metav1.NamespaceDefault, "elsewhere", v1alpha1.ActionDeny)
	if r := w.submit(t, "elsewhere"); r.Status.Phase != v1alpha1.PhaseDenied {
		t.Errorf("phase %s in %s, though a policy in default denies", r.Status.Phase, r.Namespace)
	}
}

func policyChanges(t *testing.T, w world) {
	p := w.policyIn(t, w.ns, "changing", v1alpha1.ActionDeny)
	if r := w.submit(t, "changing"); r.Status.Phase != v1alpha1.PhaseDenied {
		t.Fatalf("phase %s", r.Status.Phase)
	}
	p.Spec.Rules[0].Action = v1alpha1.ActionRequireApproval
	check(t, w.live.Update(t.Context(), p))
	w.judged(t, p, metav1.ConditionTrue)
	if r := w.submit(t, "changing"); r.Status.Phase != v1alpha1.PhasePending {
		t.Errorf("after the change: phase %s", r.Status.Phase)
	}
	check(t, w.live.Delete(t.Context(), p))
	eventually(t, func() bool { return w.submit(t, "changing").Status.Phase == v1alpha1.PhaseApproved })
}

func policyDoesNotCompile(t *testing.T, w world) {
	p := w.policyIn(t, w.ns, "never asked for", v1alpha1.ActionAllow)
	// FailOpen, so that the broken rule does not decide about the requests of the other cases.
	p.Spec.FailureMode = v1alpha1.FailOpen
	p.Spec.Rules[0].Expression = "nonsense +"
	check(t, w.live.Update(t.Context(), p))
	if message := w.judged(t, p, metav1.ConditionFalse); !strings.Contains(message, "rule") {
		t.Errorf("message %q does not name the rule", message)
	}
}

// A decision costs the create and one write of the status, which is what makes it fast.
func oneWritePerDecision(t *testing.T, w world) {
	sub, err := w.store.Subscribe(t.Context(), func(r *v1alpha1.AgentRequest) bool { return r.Spec.Action == "counted" })
	check(t, err)
	t.Cleanup(func() { check(t, sub.Close()) })
	versions := map[string]bool{}
	r := w.submit(t, "counted")
	for last := ""; last != r.ResourceVersion; {
		events, err := sub.Next(t.Context())
		check(t, err)
		for _, e := range events {
			if e.Object != nil {
				last = e.Object.ResourceVersion
				versions[last] = true
			}
		}
	}
	if r.Generation != 1 || len(versions) > 2 {
		t.Errorf("%d versions, generation %d; want create and one status", len(versions), r.Generation)
	}
	// The subscription may have missed one; each write has a line in the log that says what the request was before.
	line := fmt.Sprintf(`msg="AgentRequest is Approved" name=%s/%s was=Submitted`, r.Namespace, r.Name)
	eventually(t, func() bool { return strings.Contains(w.logs.String(), line) })
}

func reviewedThroughKubectl(t *testing.T, w world) {
	w.policyIn(t, w.ns, "kubectl", v1alpha1.ActionRequireApproval)
	r := w.submit(t, "kubectl")
	w.decide(t, r, v1alpha1.DecisionApproved, "", "")
	r = w.await(t, r, terminal)
	if r.Status.Phase != v1alpha1.PhaseApproved || held(r) {
		t.Errorf("phase %s, conditions %+v", r.Status.Phase, r.Status.Conditions)
	}

	r = w.submit(t, "kubectl")
	w.decide(t, r, v1alpha1.DecisionDenied, "rev", "too late")
	r = w.await(t, r, terminal)
	c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionApproved)
	if r.Status.Phase != v1alpha1.PhaseDenied || c == nil || c.Reason != "ManualDenial" ||
		r.Status.Denial == nil || !strings.Contains(r.Status.Denial.Message, "rev: too late") {
		t.Errorf("phase %s, condition %+v, denial %+v", r.Status.Phase, c, r.Status.Denial)
	}
}

func voidDecisions(t *testing.T, w world) {
	w.policyIn(t, w.ns, "void", v1alpha1.ActionRequireApproval)
	r := w.submit(t, "void")
	err := w.live.Patch(t.Context(), r.DeepCopy(), client.RawPatch("application/merge-patch+json",
		[]byte(`{"spec":{"humanApproval":{"decision":"approved","forGeneration":7,"approvedBy":"rev"}}}`)))
	if err == nil || !strings.Contains(err.Error(), "forGeneration must be status.evaluationGeneration") {
		t.Errorf("an approval of another evaluation: %v", err)
	}
	w.decide(t, r, v1alpha1.DecisionApproved, "agent", "")
	r = w.await(t, r, terminal)
	if r.Status.Phase != v1alpha1.PhaseDenied || r.Status.Denial == nil || !strings.Contains(r.Status.Denial.Message, "does not count") {
		t.Errorf("phase %s, denial %+v", r.Status.Phase, r.Status.Denial)
	}
}

// A decision through kubectl may come before the reconciler has looked at the request; two writes that close together
// show both orders.
func deniedByHand(t *testing.T, w world) {
	w.policyIn(t, w.ns, "early", v1alpha1.ActionRequireApproval)
	for range 10 {
		r := &v1alpha1.AgentRequest{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "by-hand-"},
			Spec:       v1alpha1.AgentRequestSpec{AgentIdentity: "agent", Action: "early", Reason: "because", Target: v1alpha1.Target{URI: "x"}},
		}
		check(t, w.live.Create(t.Context(), r))
		w.decide(t, r, v1alpha1.DecisionDenied, "rev", "")
		r = w.await(t, r, func(r *v1alpha1.AgentRequest) bool { return r.Status.Phase.Terminal() })
		if r.Status.Phase != v1alpha1.PhaseDenied {
			t.Errorf("denied by hand, but %s", r.Status.Phase)
		}
	}
}

func observed(t *testing.T, w world) {
	r := &v1alpha1.AgentRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "observe-"},
		Spec:       v1alpha1.AgentRequestSpec{Mode: "observe", AgentIdentity: "agent", Action: "look", Reason: "because", Target: v1alpha1.Target{URI: "x"}},
	}
	check(t, w.live.Create(t.Context(), r))
	r = w.await(t, r, func(r *v1alpha1.AgentRequest) bool { return r.Status.Phase != "" })
	if r.Status.Phase != v1alpha1.PhaseObserved {
		t.Errorf("phase %s", r.Status.Phase)
	}
}

// TestDefaultAction: what no policy matches ends as the options say, and options that say nothing deny. A policy that
// matches counts whatever the default. It does not run beside the other tests, whose managers have another default.
func TestDefaultAction(t *testing.T) { //nolint:paralleltest // see above
	for _, tt := range []struct {
		action string
		phase  v1alpha1.Phase
		held   bool
	}{
		{v1alpha1.ActionAllow, v1alpha1.PhaseApproved, false},
		{v1alpha1.ActionRequireApproval, v1alpha1.PhasePending, true},
		{v1alpha1.ActionDeny, v1alpha1.PhaseDenied, false},
		{"", v1alpha1.PhaseDenied, false},
		{"allow", v1alpha1.PhaseDenied, false},
	} {
		w := startWith(t, setup{byDefault: tt.action})
		r := w.submit(t, "by-default")
		c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionPolicyEvaluated)
		if r.Status.Phase != tt.phase || held(r) != tt.held || c == nil || !strings.Contains(c.Message, "no policy matched") {
			t.Errorf("default %q: phase %s, held %t, condition %+v", tt.action, r.Status.Phase, held(r), c)
		}
		matched := "matched-in-" + w.ns
		w.policyIn(t, w.ns, matched, v1alpha1.ActionAllow)
		if r := w.submit(t, matched); r.Status.Phase != v1alpha1.PhaseApproved {
			t.Errorf("default %q, but a policy allows: phase %s", tt.action, r.Status.Phase)
		}
		// The watch may tell of a write before the writer has its answer; stopping then would cut that off.
		eventually(t, func() bool { return strings.Contains(w.logs.String(), "action="+matched) })
		w.stop()
	}
}

// TestLeaderElection: of two replicas one works; when it stops, the other takes over. It does not run beside the other
// tests, whose managers would do the work.
func TestLeaderElection(t *testing.T) { //nolint:paralleltest // see above
	first, second := start(t, true), start(t, true)
	for _, turn := range []string{"one", "two"} {
		if r := first.submit(t, turn); r.Status.Phase != v1alpha1.PhaseApproved {
			t.Errorf("phase %s", r.Status.Phase)
		}
	}
	if second.worked() {
		first, second = second, first
	}
	if !first.worked() || second.worked() {
		t.Fatalf("both or neither worked:\n%s\n%s", first.logs, second.logs)
	}
	first.stop()
	second.submit(t, "three")
	eventually(t, second.worked)
}

func (w world) worked() bool { return strings.Contains(w.logs.String(), "AgentRequest is Approved") }
