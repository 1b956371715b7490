package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
)

const (
	codeNotRegistered    = "AGENT_NOT_REGISTERED"
	codeIdentityMismatch = "IDENTITY_MISMATCH"
)

// standing returns the caller with the agents that it may act as.
func (s *Server) standing(who caller) caller {
	who.Registered = s.registry.Agents(who.Identity)
	who.Agents = who.Registered
	if len(s.registry.InForce(who.Subject)) == 0 && !slices.Contains(who.Agents, who.Subject) {
		who.Agents = append(slices.Clone(who.Agents), who.Subject)
	}
	return who
}

// identified returns the intent as that of the agent that its caller acts as, or the refusal. The caller may name one; without
// a name it is the agent that its token is registered for, else the one that is called like its identity.
func (s *Server) identified(ctx context.Context, who caller, in store.Intent) (store.Intent, error) {
	in.Annotations = map[string]string{}
	agent := in.Spec.AgentIdentity
	switch {
	case agent != "":
	case len(who.Registered) == 0 || slices.Contains(who.Registered, who.Subject):
		agent = who.Subject
	case len(who.Registered) == 1:
		agent = who.Registered[0]
	default:
		return in, refuse(http.StatusForbidden, codeIdentityMismatch+": %q may act as %s; expected one of them in agentIdentity",
			who.Subject, strings.Join(who.Registered, ", "))
	}
	in.Spec.AgentIdentity = agent
	if slices.Contains(who.Registered, agent) {
		return in, nil
	}
	if len(s.registry.InForce(agent)) > 0 {
		in.Spec.AgentIdentity = who.Subject // the evidence is about who tried
		s.keepRefused(ctx, in, codeIdentityMismatch)
		return in, refuse(http.StatusForbidden, codeIdentityMismatch+": agent %q: %s", agent, s.registry.Refusal(agent, who.Identity))
	}
	return s.unregistered(ctx, who, in)
}

// unregistered does with a request of an agent without a registration what --unregistered-agent-policy says. Without a
// registration nobody acts as another.
func (s *Server) unregistered(ctx context.Context, who caller, in store.Intent) (store.Intent, error) {
	agent := in.Spec.AgentIdentity
	switch {
	case s.options.UnregisteredAgents == unregisteredStrict:
		s.log.WarnContext(ctx, "refused at admission", "subject", who.Subject, "code", codeNotRegistered, "agent", agent)
		return in, refuse(http.StatusForbidden, codeNotRegistered+": agent %q has no AgentRegistration%s", agent, howItStands(s.registry.Latest(agent)))
	case agent != who.Subject:
		return in, refuse(http.StatusBadRequest, "agentIdentity must match authenticated caller")
	case s.options.UnregisteredAgents == unregisteredWarn:
		in.Annotations[v1alpha1.AnnotationUnregistered] = "true"
	}
	return in, nil
}

// howItStands says what became of a registration that does not count.
func howItStands(reg *v1alpha1.AgentRegistration) string {
	switch {
	case reg == nil:
		return ""
	case reg.Status.Phase == v1alpha1.RegistrationDenied:
		return " that counts: " + reg.Namespace + "/" + reg.Name + " was denied"
	default:
		return " that counts: " + reg.Namespace + "/" + reg.Name + " waits for its approval"
	}
}
