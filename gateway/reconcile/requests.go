package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// observe is the spec.mode of a request that only records an intent.
const observe = "observe"

// requests drives AgentRequests.
type requests struct {
	store    *store.Store
	evaluate func(context.Context, *v1alpha1.AgentRequest) (lifecycle.Evaluated, error)
	log      *slog.Logger
	now      func() time.Time
}

// Reconcile brings one request as far as it can go now and stores its status once. When the request changed since it
// was read, nothing is stored: the watch is about to bring the newer version, which is looked at anew.
func (r *requests) Reconcile(ctx context.Context, key reconcile.Request) (reconcile.Result, error) {
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	request, err := r.store.Get(ctx, key.Namespace, key.Name)
	if err != nil {
		return reconcile.Result{}, unlessMoot(err)
	}
	status, err := r.advance(ctx, request)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("drive %s forward: %w", key, err)
	}
	from, to := lifecycle.StateOf(request.Status), lifecycle.StateOf(status)
	if from == to {
		return reconcile.Result{}, nil
	}
	if _, err := r.store.SetStatus(ctx, request, status); err != nil {
		return reconcile.Result{}, unlessMoot(err)
	}
	r.log.InfoContext(ctx, "AgentRequest is "+to.String(), "name", key.String(), "was", from.String(),
		"agent", request.Spec.AgentIdentity, "action", request.Spec.Action, "target", request.Spec.Target.URI)
	return reconcile.Result{}, nil
}

// toTheEnd returns a context for one reconcile, which has workTimeout. A manager that stops lets what it began come to
// its end: a write that is cut off may have happened or not, and nobody would know.
func toTheEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), workTimeout)
}

// unlessMoot returns nil for errors after which the watch brings what is needed, or nothing is left to do.
func unlessMoot(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// advance returns the status that the request has once everything that is known about it counts.
func (r *requests) advance(ctx context.Context, request *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
	status := request.Status
	for {
		event, err := r.event(ctx, request, status)
		if err != nil || event == nil {
			return status, err
		}
		if status, err = lifecycle.Next(status, event, r.now()); err != nil {
			return status, err
		}
	}
}

// event returns what happens next to a request that has come as far as status, or nil when it has to wait.
func (r *requests) event(
	ctx context.Context, request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus,
) (lifecycle.Event, error) {
	state, review := lifecycle.StateOf(status), request.Spec.HumanApproval
	switch {
	case state.Phase == "" && request.Spec.Mode == observe:
		return lifecycle.Observed{}, nil
	case state.Phase == "":
		return lifecycle.Admitted{}, nil
	case state.Held && review != nil, state.Phase == v1alpha1.PhasePending && denied(review):
		return reviewed(request, status), nil
	case state.Phase == v1alpha1.PhasePending && !state.Held:
		return r.evaluate(ctx, request)
	default:
		return nil, nil
	}
}

func denied(review *v1alpha1.HumanApproval) bool {
	return review != nil && review.Decision != v1alpha1.DecisionApproved
}

// reviewed returns the recorded decision as an event. Through the gateway only decisions get here that count; through
// the Kubernetes API anybody with the right to write the object can record one.
func reviewed(request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) lifecycle.Event {
	review := request.Spec.HumanApproval
	if review.ApprovedBy != "" {
		if verdict := authz.MayDecide(review.ApprovedBy, request); !verdict.Allowed {
			return lifecycle.Voided{Why: fmt.Sprintf("%s: %s", review.ApprovedBy, verdict.Reason)}
		}
	}
	switch {
	case denied(review):
	case !lifecycle.StateOf(request.Status).Held:
		return lifecycle.Voided{Why: "it was recorded before the policies asked for one"}
	case review.ForGeneration != status.EvaluationGeneration:
		return lifecycle.Voided{Why: fmt.Sprintf("it is about evaluation %d, the request is at evaluation %d",
			review.ForGeneration, status.EvaluationGeneration)}
	}
	return lifecycle.Reviewed{Decision: review.Decision, By: review.ApprovedBy, Reason: review.Reason}
}
