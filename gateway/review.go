package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

const (
	// effectTimeout is how long the answer to a decision waits for the reconciler to act on it.
	effectTimeout = 10 * time.Second
	// maxReason is how long a reviewer's reason may be, in characters: it becomes part of a status.
	maxReason = 4000
)

// reviewOf is a reviewer's wish about one request.
type reviewOf struct {
	object
	ignored
	wire.Review
}

// reviewed is the answer to a decision.
type reviewed struct{ wire.Reviewed }

func (r *reviewed) warn(texts []string) { r.Warnings = append(r.Warnings, texts...) }

// readReview reads the path and the body, which may be left out, of approve and deny.
func readReview(r *http.Request) (reviewOf, error) {
	var out reviewOf
	var err error
	if out.object, err = readObject(r); err != nil {
		return out, err
	}
	if out.ignored, err = decode(r, &out.Review, true); err != nil {
		return out, err
	}
	if utf8.RuneCountInString(out.Reason) > maxReason {
		return out, refuse(http.StatusBadRequest, "reason is longer than %d characters", maxReason)
	}
	return out, nil
}

// review returns the handler of POST /agent-requests/{name}/approve and .../deny. The first decision counts, for ever;
// the answer tells the phase that it led to.
func (s *Server) review(decision string) func(context.Context, caller, reviewOf) (reviewed, error) {
	return func(ctx context.Context, who caller, in reviewOf) (reviewed, error) {
		err := s.store.Decide(ctx, in.namespace, in.name, func(r *v1alpha1.AgentRequest) (v1alpha1.HumanApproval, error) {
			return v1alpha1.HumanApproval{
				Decision: decision, Reason: in.Reason, ForGeneration: r.Status.EvaluationGeneration, ApprovedBy: who.Subject,
			}, mayReview(who, decision, in, r)
		})
		if err != nil {
			return reviewed{}, err //nolint:wrapcheck // problemOf knows the store's errors
		}
		// The decision stands, whether the reviewer goes on listening or not.
		waiting, cancel := context.WithTimeout(ctx, effectTimeout)
		defer cancel()
		r, err := s.store.Wait(waiting, in.namespace, in.name, func(r *v1alpha1.AgentRequest) bool {
			return r.Status.Phase != v1alpha1.PhasePending || decision == v1alpha1.DecisionApproved && lifecycle.WaitsForTarget(r.Status)
		})
		if err == nil && r.Status.Phase == v1alpha1.PhasePending {
			r = s.inQueue(waiting, r)
		}
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return reviewed{wire.Reviewed{Name: in.name, Phase: v1alpha1.PhasePending}}, nil
		case err != nil:
			return reviewed{}, err //nolint:wrapcheck // problemOf knows the store's errors
		default:
			out := wire.Reviewed{Name: r.Name, Phase: r.Status.Phase}
			if decision == v1alpha1.DecisionApproved {
				out = s.withToken(ctx, who, r, out)
			}
			return reviewed{out}, nil
		}
	}
}

// mayReview returns nil when the caller may make this decision about r as it is stored now.
func mayReview(who caller, decision string, in reviewOf, r *v1alpha1.AgentRequest) error {
	state := lifecycle.StateOf(r.Status)
	if verdict := authz.MayDecide(who.Subject, r, who.Agents...); !verdict.Allowed {
		return refuse(http.StatusForbidden, "%s", verdict.Reason)
	}
	switch {
	case state.Phase != "" && state.Phase != v1alpha1.PhasePending:
		return refuse(http.StatusConflict, "request is in phase %q — can only approve/deny when Pending; it was %s", state.Phase, decidedHow(r))
	case r.Spec.HumanApproval != nil:
		return refuse(http.StatusConflict, "request is in phase %q, but it was already %s", state.Phase, decidedHow(r))
	case !state.Held && (decision == v1alpha1.DecisionApproved || state.Phase == ""):
		return refuse(http.StatusConflict, "request is in phase %q, but no policy asks for a decision about it (yet)", state.Phase)
	case decision == v1alpha1.DecisionApproved && strings.TrimSpace(in.Reason) == "" && activeEndpoints(r):
		return refuse(http.StatusBadRequest, "reason required: control plane verified active endpoints — explain why this override is safe")
	case in.ResourceVersion != "" && in.ResourceVersion != r.ResourceVersion:
		return refuse(http.StatusConflict, "the request changed since you read it: read it again, then decide")
	default:
		return nil
	}
}

func activeEndpoints(r *v1alpha1.AgentRequest) bool {
	v := r.Status.ControlPlaneVerification
	return v != nil && v.HasActiveEndpoints
}

// decidedHow says who decided what and, as far as it is known, when.
func decidedHow(r *v1alpha1.AgentRequest) string {
	how := "decided by policy"
	if h := r.Spec.HumanApproval; h != nil {
		how = h.Decision
		if h.ApprovedBy != "" {
			how += " by " + h.ApprovedBy
		}
	}
	if c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionApproved); c != nil {
		how += " at " + c.LastTransitionTime.UTC().Format(time.RFC3339)
	}
	return how
}
