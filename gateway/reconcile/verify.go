package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
)

// Verifier tells agents whether what was decided about still is as it was. It writes nothing.
type Verifier struct{ requests *requests }

// NewVerifier returns a Verifier that sees and evaluates what the reconciler with the same Options does.
func NewVerifier(o Options) *Verifier {
	o.Measures = nil // the reconciler measures
	return &Verifier{requests: newRequests(o, nil)}
}

// Verify looks whether an approved request would still be approved: whether its GovernedResource is the same, the policies
// do not deny it by now, and its target and context are as they were when it was decided. It returns nil when all is so.
// An error means that it could not be found out.
func (v *Verifier) Verify(ctx context.Context, request *v1alpha1.AgentRequest) (*lifecycle.Unverified, error) {
	event, err := v.requests.unbound(ctx, request, request.Status.GovernedResourceRef)
	if err != nil {
		return nil, err
	}
	if unbound, ok := event.(lifecycle.Unbound); ok {
		return &lifecycle.Unverified{Code: v1alpha1.DenialGenerationMismatch, Message: unbound.Message}, nil
	}
	resource, err := v.requests.resource(ctx, request, request.Status.GovernedResourceRef)
	if err != nil {
		return nil, err
	}
	drifted, err := v.requests.evaluator.drifted(ctx, request, resource)
	switch {
	case errors.Is(err, errNotSeen):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("verify: %w", err)
	case drifted != nil:
		return &lifecycle.Unverified{Code: v1alpha1.DenialStateDrifted, Message: "The approval does not count any more: " + drifted.Why}, nil
	default:
		return nil, nil //nolint:nilnil // it is verified
	}
}
