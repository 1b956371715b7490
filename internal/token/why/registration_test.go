package why_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/registry"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// TestRegistrations: what the registrations of a gateway say to a token, with the two sides and the command that helps.
func TestRegistrations(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	of := func(agent string, edit func(*v1alpha1.AgentRegistration)) v1alpha1.AgentRegistration {
		reg := v1alpha1.AgentRegistration{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "agent-" + agent, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0))},
			Spec:       v1alpha1.AgentRegistrationSpec{AgentIdentity: agent, OIDC: &v1alpha1.RegistrationOIDC{Issuer: i.URL}},
		}
		if edit != nil {
			edit(&reg)
		}
		return reg
	}
	const own = "aip-agent-1"
	phase := func(p v1alpha1.RegistrationPhase) func(*v1alpha1.AgentRegistration) {
		return func(r *v1alpha1.AgentRegistration) { r.Status.Phase = p }
	}
	oidc := func(o v1alpha1.RegistrationOIDC) func(*v1alpha1.AgentRegistration) {
		return func(r *v1alpha1.AgentRegistration) { r.Spec.OIDC = &o }
	}
	with := func(all ...v1alpha1.AgentRegistration) []v1alpha1.AgentRegistration { return all }
	for name, c := range map[string]struct {
		have   []v1alpha1.AgentRegistration
		policy string
		claims map[string]any
		need   authz.Need
		// verdict is that of T14; says, expected, found and fix are parts of its answer, and answer one of the gateway's.
		verdict                            check.Verdict
		says, expected, found, fix, answer string
	}{
		"none":              {verdict: check.Pass, says: "none is asked for"},
		"registered":        {have: with(of(own, nil)), policy: "strict", verdict: check.Pass, says: "registered as aip-agent-1"},
		"of another name":   {have: with(of("deployer", oidc(v1alpha1.RegistrationOIDC{Issuer: i.URL, AllowedSubjects: []string{own}}))), policy: "strict", verdict: check.Pass, says: "registered as deployer"},
		"as several":        {have: with(of("a", oidc(v1alpha1.RegistrationOIDC{Issuer: i.URL, AllowedSubjects: []string{own}})), of("b", oidc(v1alpha1.RegistrationOIDC{Issuer: i.URL, AllowedSubjects: []string{own}}))), verdict: check.Pass, says: "registered as a, b"},
		"denied, not asked": {have: with(of(own, phase(v1alpha1.RegistrationDenied))), verdict: check.Pass, says: "none is asked for"},
		"to decide":         {policy: "strict", claims: map[string]any{"azp": "aip-reviewer-1"}, need: authz.Reviewer, verdict: check.Skip, says: "only agents"},
		"strict": {
			policy: "strict", verdict: check.Fail, says: "has no registration, and this gateway asks for one", expected: "counts", found: "none", fix: "add aip-agent-1 agent", answer: "AGENT_NOT_REGISTERED",
		},
		"waiting": {
			have: with(of(own, phase(v1alpha1.RegistrationPending))), policy: "strict", verdict: check.Fail, says: "waits for its approval", found: "default/agent-aip-agent-1, which is Pending", fix: "approve agent-aip-agent-1", answer: "waits for its approval",
		},
		"denied": {
			have: with(of(own, phase(v1alpha1.RegistrationDenied))), policy: "strict", verdict: check.Fail, says: "was denied", found: "which is Denied", fix: "again agent-aip-agent-1", answer: "was denied",
		},
		"issuer": {
			have: with(of(own, oidc(v1alpha1.RegistrationOIDC{Issuer: i.URL + "/"}))), verdict: check.Fail, says: "the slash at the end", expected: i.URL + "/", found: i.URL,
			fix: `agent-aip-agent-1 {"spec":{"oidc":{"issuer":"` + i.URL + `"}}}`, answer: "IDENTITY_MISMATCH",
		},
		"subject": {
			have: with(of(own, oidc(v1alpha1.RegistrationOIDC{Issuer: i.URL, AllowedSubjects: []string{"other"}}))), verdict: check.Fail, says: "is for other subjects", expected: "azp one of other", found: `azp "aip-agent-1"`,
			fix: `{"spec":{"oidc":{"allowedSubjects":["other","aip-agent-1"]}}}`, answer: "IDENTITY_MISMATCH",
		},
		"claim": {
			have: with(of(own, oidc(v1alpha1.RegistrationOIDC{Issuer: i.URL, SubjectClaim: "sub"}))), verdict: check.Fail, expected: "sub one of aip-agent-1", found: `sub "5e1f"`,
			fix: `{"spec":{"oidc":{"allowedSubjects":["aip-agent-1","5e1f"]}}}`, answer: "its claim sub",
		},
		"claim that is not there": {
			have: with(of(own, oidc(v1alpha1.RegistrationOIDC{Issuer: i.URL, SubjectClaim: "oid"}))), verdict: check.Fail, found: `oid ""`, fix: `{"spec":{"oidc":{"subjectClaim":null}}}`, answer: "its claim oid",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := asked(t, i, i.token(t, c.claims))
			q.Gateway.UnregisteredAgents, q.Registrations, q.Need = c.policy, registry.Of(c.have), c.need
			q.Fixes.Register = func(r *v1alpha1.AgentRegistration, patch string) check.Fix {
				return check.Fix{Command: r.Name + " " + patch}
			}
			q.Fixes.Approve = func(r *v1alpha1.AgentRegistration) check.Fix { return check.Fix{Command: "approve " + r.Name} }
			q.Fixes.Again = func(r *v1alpha1.AgentRegistration) check.Fix { return check.Fix{Command: "again " + r.Name} }
			r := why.Ask(t.Context(), q)
			found := row(t, r, "T14")
			if found.Verdict != c.verdict || !strings.Contains(found.Reason, c.says) || !strings.Contains(found.Expected, c.expected) ||
				!strings.Contains(found.Found, c.found) || !strings.Contains(found.Fix.Command, c.fix) || !strings.Contains(r.Answer, c.answer) {
				t.Errorf("found %+v, and the gateway answers %q", found, r.Answer)
			}
			want := map[check.Verdict]string{check.Fail: "T14"}[c.verdict]
			if red(r) != want || r.Refused != want || r.Accepted != (want == "") {
				t.Errorf("red %q, refused at %q, accepted %t", red(r), r.Refused, r.Accepted)
			}
		})
	}
}

// TestActsAs: an agent is governed, and kept from its own request, under the name that it is registered by.
func TestActsAs(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	reg := v1alpha1.AgentRegistration{Spec: v1alpha1.AgentRegistrationSpec{
		AgentIdentity: "deployer", OIDC: &v1alpha1.RegistrationOIDC{Issuer: i.URL, AllowedSubjects: []string{"aip-agent-1"}},
	}}
	q := asked(t, i, i.token(t, nil))
	q.Registrations = registry.Of([]v1alpha1.AgentRegistration{reg})
	q.Intent = &why.Intent{Action: "scale", Target: "k8s://prod/a"}
	q.Resources = []v1alpha1.GovernedResource{{Spec: v1alpha1.GovernedResourceSpec{URIPattern: "k8s://prod/**", PermittedActions: []string{"scale"}, PermittedAgents: []string{"deployer"}}}}
	if r := why.Ask(t.Context(), q); red(r) != "" {
		t.Errorf("found\n%s", check.Text(r.Rows))
	}
	q.Request = &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Spec: v1alpha1.AgentRequestSpec{AgentIdentity: "deployer"}}
	if r := why.Ask(t.Context(), q); red(r) != "T17" {
		t.Errorf("found %q", red(r))
	}
}
