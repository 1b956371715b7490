package gateway

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/trust"
)

// admit holds an intent against the GovernedResources before it is stored. It returns the intent with what was found, or
// the refusal.
func (s *Server) admit(ctx context.Context, in store.Intent) (store.Intent, error) {
	resources, err := s.store.GovernedResources(ctx)
	if err != nil {
		return in, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	admission := authz.Admit(resources, s.options.RequireGovernedResource, in.Spec.AgentIdentity, in.Spec.Action, in.Spec.Target.URI)
	if !admission.Allowed {
		s.keepRefused(ctx, in, admission.Code)
		return in, refuse(http.StatusForbidden, "%s", cmp.Or(admission.Reason, "ACTION_NOT_PERMITTED"))
	}
	in.Spec.GovernedResourceRef = authz.Reference(admission.Resource)
	return in, s.trusted(ctx, admission.Resource, &in)
}

// trusted refuses what asks for more trust than the agent has, and notes on the rest what its trust lets it do. The reconciler
// looks for itself. An intent that is only recorded needs no trust.
func (s *Server) trusted(ctx context.Context, g *v1alpha1.GovernedResource, in *store.Intent) error {
	if in.Spec.Mode == v1alpha1.ModeObserve {
		return nil
	}
	gate, err := s.store.Gate(ctx, g, in.Namespace, in.Spec.AgentIdentity)
	switch {
	case err != nil:
		return err //nolint:wrapcheck // problemOf knows the store's errors
	case gate == nil:
		return nil
	case gate.Refused != "":
		s.keepRefused(ctx, *in, trust.CodeInsufficient)
		return refuse(http.StatusForbidden, "%s", gate.Refused)
	}
	maps.Copy(in.Annotations, gate.Annotations())
	return nil
}

// keepRefused stores a refused intent as evidence, as far as its agent does not send too many of them. The caller is
// refused either way.
func (s *Server) keepRefused(ctx context.Context, in store.Intent, code string) {
	who := in.SubmittedBy
	kept := s.refusals.allow(who)
	if kept {
		if err := s.store.Keep(context.WithoutCancel(ctx), in, code); err != nil {
			s.log.WarnContext(ctx, "evidence of a refusal is not kept", "subject", who, "code", code, "cause", err)
			return
		}
	}
	s.log.WarnContext(ctx, "refused at admission", "subject", who, "code", code, "action", in.Spec.Action, "target", in.Spec.Target.URI,
		"kept", fmt.Sprint(kept))
}

const (
	// perAgentBurst and perAgentEvery bound the records that one agent can cause: the evidence of refusals, and that of tokens.
	perAgentBurst = 20
	perAgentEvery = 5 * time.Second
)

// perAgent counts what each agent causes. Only identities with the agent role get here, so they are few.
type perAgent struct {
	mu sync.Mutex
	of map[string]*rate.Limiter
}

func (r *perAgent) allow(who string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]*rate.Limiter{}
	}
	if r.of[who] == nil {
		r.of[who] = rate.NewLimiter(rate.Every(perAgentEvery), perAgentBurst)
	}
	return r.of[who].Allow()
}
