package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// Hole: who may register an agent may be that agent; and an agent that registers itself says what it may do.
// Attack: an agent registers itself under another's name, counts before anybody approved it, approves itself, widens what
// was approved; a second registration of a known agent lets another token in; a token that is called like an agent of somebody
// else, or comes from another claim, acts as it.
// Proof: each is refused, and nothing is stored for the other agent.
func TestRegistrationSpoofed(t *testing.T) { //nolint:paralleltest // see own
	const self, service, twin = "spoofer", "payment-agent", "service-account-of-payer"
	w := own(t, func(o *gateway.Options) {
		o.UnregisteredAgents = "strict"
		o.Roles = authz.Config{AgentSubjects: []string{self, service, "payer", twin}, ReviewerSubjects: []string{reviewer, self, "payer"}, AdminSubjects: []string{admin}}
	})
	as := func(subject, of string) reply {
		return w.as(t, subject, http.MethodPost, "/agent-requests", strings.Replace(w.submission("pay"), "{", fmt.Sprintf(`{"agentIdentity":%q,`, of), 1))
	}
	const path = "/agent-registrations"
	mine := path + "/" + store.RegistrationName(self)

	// Under another's name, with another's tokens, approved: only the services and the mode of the body count.
	w.as(t, self, http.MethodPost, path+"/self", `{"agentIdentity":"payment-agent","metadata":{"annotations":{}},"status":{"phase":"Approved"},
		"oidc":{"issuer":"x"},"requestedServices":["ci"]}`).is(t, http.StatusCreated, `"phase":"Pending"`).is(t, http.StatusCreated, `"agentIdentity":"spoofer"`)
	as(self, self).is(t, http.StatusForbidden, "AGENT_NOT_REGISTERED")
	w.as(t, self, http.MethodPost, mine+"/approve", "").is(t, http.StatusForbidden, "self-approval not permitted")
	w.as(t, self, http.MethodPost, path, `{"spec":{"agentIdentity":"spoofer"}}`).is(t, http.StatusForbidden, "admin role required")
	w.as(t, self, http.MethodPut, mine, `{"spec":{"agentIdentity":"spoofer"}}`).is(t, http.StatusForbidden, "admin role required")
	w.as(t, reviewer, http.MethodPost, mine+"/approve", "").is(t, http.StatusOK, `"approvedServices":["ci"]`)
	w.as(t, self, http.MethodPost, path+"/self", `{"requestedServices":["ci","vault"]}`).is(t, http.StatusConflict, "already registered")
	w.as(t, admin, http.MethodPut, mine, `{"metadata":{"annotations":{"governance.aip.io/self-registered":""}},"spec":{"agentIdentity":"spoofer","requestedServices":["vault"]}}`).
		is(t, http.StatusOK, `self-registered":"spoofer"`).is(t, http.StatusOK, `"approvedServices":["ci"]`)

	// The agent of somebody else's token.
	register := func(subjects ...string) {
		r := &v1alpha1.AgentRegistration{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "payment-"},
			Spec:       v1alpha1.AgentRegistrationSpec{AgentIdentity: service, OIDC: &v1alpha1.RegistrationOIDC{Issuer: w.URL, AllowedSubjects: subjects}},
		}
		check(t, w.live.Create(t.Context(), r))
	}
	register("payer")
	eventually(t, "the registration counts", func() bool { return as("payer", service).status == http.StatusCreated })
	as(service, service).is(t, http.StatusForbidden, "IDENTITY_MISMATCH") // it is called like the agent, and is not
	as(twin, service).is(t, http.StatusForbidden, "IDENTITY_MISMATCH")    // its azp is what the other's sub is
	as(self, service).is(t, http.StatusForbidden, "IDENTITY_MISMATCH")

	// A second registration of the same agent, younger than the first, in a namespace of the attacker's.
	time.Sleep(1100 * time.Millisecond) // Kubernetes counts the age of objects in seconds
	register(self)
	as("payer", service).is(t, http.StatusCreated, service)
	as(self, service).is(t, http.StatusForbidden, "IDENTITY_MISMATCH")

	// The requests of the agent belong to who submits for it, not to who is called like it; and who submits for it does not decide.
	w.holds(t, "hold")
	held := w.as(t, "payer", http.MethodPost, "/agent-requests", w.submission("hold")).is(t, http.StatusCreated, "Pending").state(t)
	w.as(t, service, http.MethodGet, w.path(held.Name, ""), "").is(t, http.StatusForbidden, "their own requests only")
	w.as(t, service, http.MethodPost, w.path(held.Name, "/executing"), "").is(t, http.StatusForbidden, "only the creating agent")
	w.as(t, "payer", http.MethodPost, w.path(held.Name, "/approve"), "").is(t, http.StatusForbidden, "self-approval not permitted")

	var list v1alpha1.AgentRequestList
	check(t, w.live.List(t.Context(), &list, client.InNamespace(w.ns)))
	for i := range list.Items {
		if r := &list.Items[i]; r.Spec.AgentIdentity == service && r.Annotations[v1alpha1.AnnotationSubmittedBy] != "payer" && r.Status.Phase != v1alpha1.PhaseDenied {
			t.Errorf("%s is stored for %s, submitted by %s", r.Name, service, r.Annotations[v1alpha1.AnnotationSubmittedBy])
		}
	}
}
