package reconcile

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
)

// Seen is a target as it is now.
type Seen struct {
	// Verification and Context are what an evaluation would record; nil for a target of which nothing is looked up.
	Verification *v1alpha1.ControlPlaneVerification
	Context      *apiextensionsv1.JSON
	// Changed says what of it is not as the request has it; empty when all is.
	Changed string
}

// Look looks the target of a request up, as an evaluation does, within two seconds. An error means that it could not be
// found out.
func (v *Verifier) Look(ctx context.Context, request *v1alpha1.AgentRequest) (Seen, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	resource, err := v.requests.resource(ctx, request, request.Status.GovernedResourceRef)
	if err != nil {
		return Seen{}, fmt.Errorf("look the target up: %w", err)
	}
	sight := v.requests.evaluator.look(ctx, request.Spec.Target.URI, resource)
	if sight.failed() {
		return Seen{}, fmt.Errorf("%w: %w", errNotSeen, sight.Err)
	}
	now, err := sight.tell(lifecycle.Evaluated{})
	if err != nil {
		return Seen{}, err
	}
	out := Seen{Verification: now.Verification, Context: now.Context}
	seen, before := request.Status.ControlPlaneVerification, request.Status.ProviderContext
	switch {
	case seen != nil && out.Verification != nil && seen.EvaluatedStateFingerprint != out.Verification.EvaluatedStateFingerprint:
		out.Changed = difference(seen, out.Verification)
	case before != nil:
		out.Changed = contextChange(before, out.Context)
	}
	return out, nil
}
