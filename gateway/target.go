package gateway

import (
	"context"
	"net/http"

	"github.com/aip-dev/aip-dev/gateway/wire"
)

// target answers GET /agent-requests/{name}/target: reviewers have no rights in the cluster, so the gateway looks for them.
// It writes nothing; that what changed is not approved is up to the reconciler and to the reviewer.
func (s *Server) target(ctx context.Context, who caller, in object) (wire.Target, error) {
	r, err := s.readable(ctx, who, in)
	if err != nil {
		return wire.Target{}, err
	}
	out := wire.Target{
		Name: r.Name, Namespace: r.Namespace, ResourceVersion: r.ResourceVersion,
		Recorded: r.Status.ControlPlaneVerification, RecordedContext: r.Status.ProviderContext,
	}
	now, err := s.verifier.Look(ctx, r)
	switch {
	case err != nil && ctx.Err() == nil:
		return wire.Target{}, &problem{status: http.StatusServiceUnavailable, text: "the state of the target cannot be looked up now: ask again", cause: err}
	case err != nil:
		return wire.Target{}, err //nolint:wrapcheck // the caller went away
	}
	out.Current, out.CurrentContext, out.Changed = now.Verification, now.Context, now.Changed
	return out, nil
}
