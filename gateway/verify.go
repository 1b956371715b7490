package gateway

import (
	"cmp"
	"context"
	"net/http"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// verification is an agent's question about one of its requests.
type verification struct {
	object
	ignored
	wire.Verification
}

// readVerification reads POST /agent-requests/{name}/verify.
func readVerification(r *http.Request) (verification, error) {
	var out verification
	var err error
	if out.object, err = readObject(r); err != nil {
		return out, err
	}
	if out.ignored, err = decode(r, &out.Verification, false); err != nil {
		return out, err
	}
	if out.ForGeneration == nil {
		return out, refuse(http.StatusBadRequest, "forGeneration is required")
	}
	out.namespace = cmp.Or(out.Namespace, out.namespace)
	return out, checkNamespace(out.namespace)
}

// verified is the answer to a verification.
type verified struct{ wire.Verified }

func (v *verified) warn(texts []string) { v.Warnings = texts }

// verify answers POST /agent-requests/{name}/verify. What has changed is recorded; the request stays approved, because it
// is for its agent to go on or not.
func (s *Server) verify(ctx context.Context, who caller, in verification) (verified, error) {
	r, err := s.store.Get(ctx, in.namespace, in.name)
	if err != nil {
		return verified{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	if err := owns(who, r); err != nil {
		return verified{}, err
	}
	if r.Status.Phase != v1alpha1.PhaseApproved {
		return verified{}, refuse(http.StatusConflict, "request is in phase %q — only an Approved request can be verified", r.Status.Phase)
	}
	generation := r.Status.EvaluationGeneration
	if *in.ForGeneration != generation {
		return s.unverified(ctx, r, lifecycle.Unverified{
			Code: v1alpha1.DenialGenerationMismatch, Message: "the request is at another evaluation than forGeneration says: read it again",
		})
	}
	looking, cancel := context.WithTimeout(ctx, s.options.VerifyTimeout)
	defer cancel()
	changed, err := s.verifier.Verify(looking, r)
	switch {
	case err != nil && ctx.Err() == nil:
		return verified{}, &problem{
			status: http.StatusServiceUnavailable, text: "the state of the target cannot be looked up now: do not begin, ask again", cause: err,
		}
	case err != nil:
		return verified{}, err
	case changed != nil:
		return s.unverified(ctx, r, *changed)
	default:
		return verified{wire.Verified{Verified: true, AgentRequestName: r.Name, EvaluationGeneration: generation}}, nil
	}
}

// unverified records and answers what has changed. A request that has gone on meanwhile is left as it is.
func (s *Server) unverified(ctx context.Context, r *v1alpha1.AgentRequest, why lifecycle.Unverified) (verified, error) {
	_, err := s.store.ChangeStatus(ctx, r.Namespace, r.Name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
		if r.Status.Phase != v1alpha1.PhaseApproved {
			return r.Status, refuse(http.StatusConflict, "request is in phase %q — only an Approved request can be verified", r.Status.Phase)
		}
		return why.Note(r.Status, s.options.Now()), nil
	})
	if err != nil {
		return verified{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	return verified{wire.Verified{Code: why.Code, Message: why.Message, EvaluationGeneration: r.Status.EvaluationGeneration}}, nil
}
