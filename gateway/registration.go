package gateway

import (
	"context"
	"net/http"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/registry"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// standing returns the caller with the agents that it may act as.
func (s *Server) standing(who caller) caller {
	who.Registered, who.Agents = s.registry.ActsAs(who.Identity)
	return who
}

// identified returns the intent as that of the agent that its caller acts as, or the refusal.
func (s *Server) identified(ctx context.Context, who caller, in store.Intent) (store.Intent, error) {
	in.Annotations = map[string]string{}
	admission := s.registry.Admit(who.Identity, in.Spec.AgentIdentity, s.options.UnregisteredAgents == unregisteredStrict)
	in.Spec.AgentIdentity = admission.Agent
	status, code := http.StatusForbidden, registry.CodeIdentityMismatch
	switch admission.Refused {
	case 0:
		if !admission.Registered && s.options.UnregisteredAgents == unregisteredWarn {
			in.Annotations[v1alpha1.AnnotationUnregistered] = "true"
		}
		return in, nil
	case registry.RefusedUnregistered:
		code = registry.CodeNotRegistered
	case registry.RefusedOther:
		status = http.StatusBadRequest
	case registry.RefusedUnnamed, registry.RefusedMismatch:
	}
	in.Spec.AgentIdentity = who.Subject // the evidence is about who tried
	s.keepRefused(ctx, in, code)
	return in, refuse(status, "%s", admission.Reason)
}
