package reconcile_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
)

// Hole: what was decided before the target was free is executed on what the one before made of it. Attack: a deletion of what
// has no traffic waits until another request has given it some. Proof: it is denied, and holds nothing.
func changedWhileItWaited(t *testing.T, w world) {
	w.rule(t, "late", v1alpha1.ActionDeny, "target.hasActiveEndpoints")
	w.rule(t, "late-reviewed", v1alpha1.ActionRequireApproval, "target.activeEndpointCount >= 0")
	for _, tt := range []struct {
		name, action string
		changes      bool
		want         v1alpha1.Phase
	}{
		{"late-steady", "late", false, v1alpha1.PhaseApproved}, {"late-changed", "late", true, v1alpha1.PhaseDenied},
		{"late-seen-steady", "late-reviewed", false, v1alpha1.PhaseApproved}, {"late-seen-changed", "late-reviewed", true, v1alpha1.PhaseDenied},
	} {
		_, uri := w.deployed(t, tt.name, 0)
		holder := w.until(t, w.ask(t, onTarget(uri)), v1alpha1.PhaseApproved)
		r := w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action, r.Spec.Target.URI = tt.action, uri })
		if tt.action == "late-reviewed" {
			w.decide(t, w.await(t, r, held), v1alpha1.DecisionApproved, "rev", "")
		}
		w.await(t, r, func(r *v1alpha1.AgentRequest) bool { return lifecycle.WaitsForTarget(r.Status) })
		if tt.changes {
			slice := &discoveryv1.EndpointSlice{}
			check(t, w.live.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: tt.name + "-1"}, slice))
			slice.Endpoints[0].Conditions.Ready = new(true)
			check(t, w.live.Update(t.Context(), slice))
		}
		w.report(t, holder, v1alpha1.ConditionFailed)
		r = w.until(t, r, tt.want)
		if tt.changes {
			if r.Status.Denial.Code != v1alpha1.DenialStateDrifted {
				t.Errorf("%s: denial %+v", tt.name, r.Status.Denial)
			}
			w.unlocked(t, uri)
		}
	}
}

// Hole: a request that came past the gateway names a GovernedResource of its own choice, or none, and is held against nothing.
// Attack: the name of a lenient one that does not govern the target; an action and an agent that are not permitted. Proof: denied,
// with the codes of the gateway.
func governedByAnother(t *testing.T, w world) {
	g, uri := w.govern(t, "strict", func(g *v1alpha1.GovernedResource) { g.Spec.PermittedAgents = []string{"agent"} })
	named := authz.Reference(g)
	for code, change := range map[string]func(*v1alpha1.AgentRequest){
		"":                                func(r *v1alpha1.AgentRequest) { r.Spec.GovernedResourceRef = named },
		v1alpha1.DenialIdentityInvalid:    func(r *v1alpha1.AgentRequest) { r.Spec.AgentIdentity = "other" },
		v1alpha1.DenialActionNotPermitted: func(r *v1alpha1.AgentRequest) { r.Spec.Action = "other" },
		v1alpha1.DenialActionNotPermitted + " elsewhere": func(r *v1alpha1.AgentRequest) {
			r.Spec.Target.URI, r.Spec.GovernedResourceRef = "elsewhere://"+w.ns, named
		},
	} {
		r := w.ask(t, func(r *v1alpha1.AgentRequest) {
			r.Spec.Target.URI = uri + "/" + strings.ToLower(rand.Text())
			change(r)
		})
		r = w.await(t, r, func(r *v1alpha1.AgentRequest) bool { return terminal(r) && r.Status.Phase != "" })
		got := ""
		if r.Status.Denial != nil {
			got = r.Status.Denial.Code
		}
		if want, _, _ := strings.Cut(code, " "); got != want {
			t.Errorf("code %q, want %q", got, code)
		}
	}
}

// A request that waits for a reviewer is held against the limit as it was when it came, not against those that came later.
func askedAgainAboutRate(t *testing.T, w world) {
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "policy-"},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{
			{
				Name: "rate", Type: v1alpha1.RuleRateLimit, Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "slowly"`,
				Config: &apiextensionsv1.JSON{Raw: []byte(`{"limit":1,"windowSeconds":1,"scope":["action"]}`)},
			},
			{Name: "ask", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionRequireApproval, Expression: `request.spec.action == "slowly"`},
		}},
	}
	check(t, w.live.Create(t.Context(), p))
	w.judged(t, p, metav1.ConditionTrue)
	r := w.held(t, "slowly", func(*v1alpha1.AgentRequest) {})
	<-time.After(time.Until(r.CreationTimestamp.Add(2100 * time.Millisecond))) // times are told by the second
	w.held(t, "slowly", func(*v1alpha1.AgentRequest) {})
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	w.until(t, r, v1alpha1.PhaseApproved)
}
