package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// Identities of these tests. Registrations count for all namespaces, so no other test uses these.
const (
	known    = "known-agent"   // it is registered
	pending  = "pending-agent" // it asks for its registration
	broker   = "broker"        // it acts for others
	stranger = "stranger"
)

// startStrict runs a gateway that refuses agents without a registration.
func startStrict(t *testing.T, edit ...func(*Options)) *world {
	t.Helper()
	return start(t, append([]func(*Options){func(o *Options) {
		o.UnregisteredAgents = unregisteredStrict
		o.Roles.AgentSubjects = append(slices.Clone(o.Roles.AgentSubjects), known, pending, broker, stranger)
	}}, edit...)...)
}

// register stores a registration as kubectl apply does, and waits until it counts.
func (w *world) register(t testing.TB, agent string, spec v1alpha1.AgentRegistrationSpec) {
	t.Helper()
	spec.AgentIdentity = agent
	r := &v1alpha1.AgentRegistration{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "reg-"}, Spec: spec}
	check(t, w.live.Create(t.Context(), r))
	t.Cleanup(func() { check(t, w.live.Delete(context.Background(), r)) }) // it counts for the tests that follow too
	eventually(t, func() bool { return len(w.server.registry.InForce(agent)) > 0 })
}

// asAgent returns a body that names the agent.
func (w *world) asAgent(agent, action string) string {
	return strings.Replace(w.submission(action), "{", fmt.Sprintf(`{"agentIdentity":%q,`, agent), 1)
}

// TestRegisteredAgents: under strict only registered agents submit, each by the tokens that its registration says.
func TestRegisteredAgents(t *testing.T) { //nolint:paralleltest // see start
	w := startStrict(t)
	submit := func(subject, body string, edit ...func(map[string]any)) reply {
		return w.do(t, "POST", "/agent-requests", w.Token(t, subject, edit...), body)
	}
	submit(stranger, w.submission("x")).want(t, http.StatusForbidden, `{"error":"AGENT_NOT_REGISTERED: agent \"stranger\" has no AgentRegistration"}`)
	submit(stranger, w.asAgent("moon", "x")).want(t, http.StatusForbidden, `AGENT_NOT_REGISTERED: agent \"moon\" has no AgentRegistration`)

	w.register(t, known, v1alpha1.AgentRegistrationSpec{OIDC: &v1alpha1.RegistrationOIDC{Issuer: w.URL}})
	submit(known, w.submission("registered")).want(t, http.StatusCreated, `"phase":"Approved"`)
	submit(known, w.asAgent(known, "registered")).want(t, http.StatusCreated, `"phase":"Approved"`)
	submit(stranger, w.asAgent(known, "x")).want(t, http.StatusForbidden, `IDENTITY_MISMATCH: agent \"known-agent\": it is registered for other subjects than \"stranger\"`)
	if evidence := w.stored(t, w.names(t)[slices.IndexFunc(w.names(t), func(n string) bool { return strings.HasPrefix(n, stranger) })]); evidence.Spec.AgentIdentity != stranger {
		t.Errorf("the evidence is about %q", evidence.Spec.AgentIdentity)
	}

	// A broker acts for one agent, then for two.
	w.register(t, "billing", v1alpha1.AgentRegistrationSpec{OIDC: &v1alpha1.RegistrationOIDC{Issuer: w.URL, AllowedSubjects: []string{broker, "another"}}})
	got := submit(broker, w.submission("brokered")).want(t, http.StatusCreated, `"phase":"Approved"`)
	var first struct{ Name string }
	got.into(t, &first)
	if r := w.stored(t, first.Name); r.Spec.AgentIdentity != "billing" || r.Annotations[v1alpha1.AnnotationSubmittedBy] != broker {
		t.Errorf("agent %q, submitted by %q", r.Spec.AgentIdentity, r.Annotations[v1alpha1.AnnotationSubmittedBy])
	}
	w.as(t, broker, "GET", "/whoami", "").want(t, http.StatusOK, `"agents":["billing"]`)
	w.as(t, broker, "POST", w.path(first.Name, "/executing"), "").want(t, http.StatusOK, "Executing")
	w.as(t, broker, "GET", "/audit-records?namespace="+w.ns, "").want(t, http.StatusOK, first.Name)
	w.as(t, stranger, "POST", w.path(first.Name, "/completed"), "").want(t, http.StatusForbidden, "only the creating agent")
	w.register(t, "shipping", v1alpha1.AgentRegistrationSpec{OIDC: &v1alpha1.RegistrationOIDC{Issuer: w.URL, SubjectClaim: "sub", AllowedSubjects: []string{"service-account-of-" + broker}}})
	submit(broker, w.submission("x")).want(t, http.StatusForbidden, `IDENTITY_MISMATCH: \"broker\" may act as billing, shipping; expected one of them in agentIdentity`)
	submit(broker, w.asAgent("shipping", "brokered")).want(t, http.StatusCreated, `"phase":"Approved"`)
	submit(broker, w.asAgent("shipping", "x"), func(c map[string]any) { c["sub"] = "forged" }).want(t, http.StatusForbidden, `other subjects than \"forged\", which is its claim sub`)

	w.register(t, stranger, v1alpha1.AgentRegistrationSpec{OIDC: &v1alpha1.RegistrationOIDC{Issuer: "https://elsewhere"}})
	submit(stranger, w.submission("x")).want(t, http.StatusForbidden, `IDENTITY_MISMATCH: agent \"stranger\": it is registered for tokens of issuer \"https://elsewhere\"`)
}

// TestRegistrationsOverHTTP: administrators keep registrations, agents ask for theirs, reviewers decide.
func TestRegistrationsOverHTTP(t *testing.T) { //nolint:paralleltest // see start
	w := startStrict(t)
	t.Run("administrator", func(t *testing.T) { registrationsOfAdmins(t, w) })
	t.Run("agent", func(t *testing.T) { registrationOfAgent(t, w) })
}

func registrationsOfAdmins(t *testing.T, w *world) {
	const path = "/agent-registrations"
	in := "?namespace=" + w.ns
	body := func(spec string) string { return `{"spec":{"agentIdentity":"made-agent",` + spec + `}}` }
	name := store.RegistrationName("made-agent")
	w.as(t, admin1, "POST", path+in, `{"spec":{}}`).want(t, http.StatusBadRequest, "agentIdentity is required")
	for spec, want := range map[string]string{
		`"mode":"Sometimes"`: "Standing",
		`"oidc":{}`:          "issuer",
		`"externalIdentities":[{"service":"s","type":"Moon"}]`:                                                                                                                            "StaticSecret",
		`"externalIdentities":[{"service":"s","type":"StaticSecret"}]`:                                                                                                                    "staticSecret belongs to type StaticSecret, and is required there",
		`"externalIdentities":[{"service":"s","type":"KubernetesOIDC","kubernetesOIDC":{},"staticSecret":{"namespace":"a","name":"b","key":"c"}}]`:                                        "staticSecret belongs to type StaticSecret",
		`"externalIdentities":[{"service":"s","type":"KubernetesTokenRequest","kubernetesTokenRequest":{"serviceAccountName":"a","serviceAccountNamespace":"b","expirationSeconds":60}}]`: "expirationSeconds must be 600 or more",
		`"externalIdentities":[{"service":"s","type":"KubernetesOIDC","kubernetesOIDC":{}},{"service":"s","type":"KubernetesOIDC","kubernetesOIDC":{}}]`:                                  "Duplicate",
	} {
		w.as(t, admin1, "POST", path+in, body(spec)).want(t, http.StatusBadRequest, want)
	}
	w.as(t, admin1, "POST", path+in, body(`"requestedServices":["ci"]`)).want(t, http.StatusCreated, `"approvedServices":["ci"]`).
		want(t, http.StatusCreated, `"phase":"Approved","registeredBy":"`+admin1+`"`).want(t, http.StatusCreated, `"name":"`+name+`"`)
	w.as(t, admin1, "POST", path+in, body(`"mode":"Governed"`)).want(t, http.StatusConflict, "already exists")
	w.as(t, admin1, "PUT", path+"/"+name+in, body(`"mode":"Governed"`)).want(t, http.StatusOK, `"mode":"Governed"`)
	w.as(t, admin1, "PUT", path+"/"+name+in, `{"spec":{"agentIdentity":"other-agent"}}`).want(t, http.StatusBadRequest, "agentIdentity cannot change")
	w.as(t, reviewer1, "GET", path+"/"+name+in, "").want(t, http.StatusOK, `"kind":"AgentRegistration"`)
	eventually(t, func() bool {
		return strings.Contains(w.as(t, reviewer1, "GET", path+in, "").want(t, http.StatusOK, `"kind":"AgentRegistrationList"`).body, name)
	})
	w.as(t, agent1, "GET", path+in, "").want(t, http.StatusForbidden, "admin or reviewer role required")
	w.as(t, reviewer1, "DELETE", path+"/"+name+in, "").want(t, http.StatusForbidden, "admin role required")
	w.as(t, admin1, "DELETE", path+"/"+name+in, "").want(t, http.StatusNoContent, "")
	w.as(t, admin1, "GET", path+"/"+name+in, "").want(t, http.StatusNotFound, "AgentRegistration not found")
}

func registrationOfAgent(t *testing.T, w *world) {
	const self = "/agent-registrations/self"
	one := "/agent-registrations/" + store.RegistrationName(pending)
	w.as(t, pending, "GET", self, "").want(t, http.StatusNotFound, "AgentRegistration not found")
	w.as(t, pending, "POST", self, `{"requestedServices":["ci","vault"],"agentIdentity":"known-agent"}`).want(t, http.StatusCreated, `"phase":"Pending","registeredBy":"pending-agent"`).
		want(t, http.StatusCreated, `"agentIdentity":"pending-agent"`)
	eventually(t, func() bool { return w.server.registry.Latest(pending) != nil })
	w.as(t, pending, "POST", self, `{"requestedServices":["everything"]}`).want(t, http.StatusConflict, `agent \"pending-agent\" is already registered`)
	w.as(t, pending, "POST", "/agent-requests", w.submission("x")).want(t, http.StatusForbidden, `AGENT_NOT_REGISTERED: agent \"pending-agent\" has no AgentRegistration that counts: default/`)

	w.as(t, reviewer1, "POST", one+"/approve", `{"services":["moon"]}`).want(t, http.StatusBadRequest, `service \"moon\" is not among those of the registration: ci, vault`)
	w.as(t, reviewer1, "POST", one+"/approve", `{"resourceVersion":"1"}`).want(t, http.StatusConflict, "changed since you read it")
	w.as(t, reviewer1, "POST", one+"/approve", `{"services":["ci"],"reason":"only builds"}`).want(t, http.StatusOK, `"approvedServices":["ci"]`).
		want(t, http.StatusOK, `"message":"by aip-reviewer-1: only builds"`)
	w.as(t, reviewer2, "POST", one+"/approve", "").want(t, http.StatusConflict, "the registration is Approved already by aip-reviewer-1: only builds")
	eventually(t, func() bool { return len(w.server.registry.InForce(pending)) > 0 })
	w.as(t, pending, "POST", "/agent-requests", w.submission("asked")).want(t, http.StatusCreated, `"phase":"Approved"`)
	w.as(t, pending, "GET", self, "").want(t, http.StatusOK, `"phase":"Approved"`)
	w.as(t, pending, "POST", self, `{"requestedServices":["everything"]}`).want(t, http.StatusConflict, "is Approved; an administrator changes it")

	// An administrator adds a service; it is granted when somebody approves it. What the agent asked for stays so marked.
	spec := `{"spec":{"agentIdentity":"pending-agent","requestedServices":["ci","vault","mail"]}}`
	w.as(t, admin1, "PUT", one, spec).want(t, http.StatusOK, `"governance.aip.io/self-registered":"pending-agent"`).want(t, http.StatusOK, `"approvedServices":["ci"]`)
	w.as(t, admin1, "POST", one+"/approve", `{"services":["mail","ci","mail"]}`).want(t, http.StatusOK, `"approvedServices":["ci","mail"]`)

	w.as(t, reviewer2, "POST", one+"/deny", `{"reason":"compromised"}`).want(t, http.StatusOK, `"phase":"Denied"`)
	w.as(t, reviewer1, "POST", one+"/approve", "").want(t, http.StatusConflict, "the registration was denied by aip-reviewer-2: compromised")
	eventually(t, func() bool { return len(w.server.registry.InForce(pending)) == 0 })
	w.as(t, pending, "POST", "/agent-requests", w.submission("x")).want(t, http.StatusForbidden, "was denied")
	var r v1alpha1.AgentRegistration
	check(t, w.live.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: store.RegistrationName(pending)}, &r))
	if len(r.Status.ApprovedServices) != 0 || r.Status.ApprovedAt != nil {
		t.Errorf("status %+v", r.Status)
	}
	w.as(t, admin1, "DELETE", one, "").want(t, http.StatusNoContent, "")
}
