package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// event returns what happens next to a request that has come as far as at, or nil when it has to wait.
func (r *requests) event(ctx context.Context, request *v1alpha1.AgentRequest, at *step) (lifecycle.Event, error) {
	state, review := lifecycle.StateOf(at.status), request.Spec.HumanApproval
	switch {
	case state.Phase == "":
		return r.first(ctx, request)
	case state.Phase == v1alpha1.PhasePending && denied(review):
		return void(request, at.status, review), nil
	case state.Held && review != nil:
		return r.approved(ctx, request, at.status)
	case state.Held:
		return r.reassess(ctx, request, at.status)
	case state.Queued:
		return r.queued(ctx, request, at)
	case state.Phase == v1alpha1.PhasePending:
		return r.judge(ctx, request, at.status)
	case state.Phase == v1alpha1.PhaseApproved:
		return r.toStart(ctx, request, at)
	case state.Phase == v1alpha1.PhaseExecuting:
		return r.toEnd(ctx, request, at)
	case state.Phase == v1alpha1.PhaseAwaitingVerdict:
		return r.toBeGraded(ctx, request, at)
	default:
		return r.overdue(r.limits, request, at), nil
	}
}

// overdue returns what happens when the request has waited for too long where it is, else nil and when that will be.
func (r *requests) overdue(limits lifecycle.Limits, request *v1alpha1.AgentRequest, at *step) lifecycle.Event {
	deadline, event := limits.Deadline(request, at.status)
	if event == nil {
		return nil
	}
	if left := deadline.Sub(r.now()); left > 0 {
		at.again(left)
		return nil
	}
	return event
}

// first is what happens to a request that nobody has looked at.
func (r *requests) first(ctx context.Context, request *v1alpha1.AgentRequest) (lifecycle.Event, error) {
	if code := request.Annotations[v1alpha1.AnnotationGatewayDenied]; code != "" {
		return lifecycle.ShutOut{Code: code}, nil
	}
	if request.Spec.Mode == v1alpha1.ModeObserve {
		return lifecycle.Observed{}, nil
	}
	ref := request.Spec.GovernedResourceRef
	resource, err := r.resource(ctx, request, ref)
	switch {
	case err != nil:
		return nil, err
	case ref == nil:
		ref = authz.Reference(resource)
	}
	gate, err := r.store.Gate(ctx, resource, request.Namespace, request.Spec.AgentIdentity)
	switch {
	case err != nil:
		return nil, err
	case !mayExecute(request, gate):
		return lifecycle.ToBeGraded{Reason: lifecycle.ReasonTrustGate, Resource: ref}, nil
	case resource != nil && resource.Spec.SoakMode:
		return lifecycle.ToBeGraded{Reason: lifecycle.ReasonSoakMode, Resource: ref}, nil
	default:
		return lifecycle.Admitted{Resource: ref}, nil
	}
}

// resource returns what governs the target of a request: the GovernedResource that it refers to or, for a request that
// came without a reference, through kubectl for example, the one that matches. It returns nil when there is none.
func (r *requests) resource(
	ctx context.Context, request *v1alpha1.AgentRequest, ref *v1alpha1.GovernedResourceRef,
) (*v1alpha1.GovernedResource, error) {
	if ref != nil {
		resource, err := r.store.GovernedResource(ctx, ref.Name)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil //nolint:nilnil // it is gone; queued looks at that
		}
		return resource, err
	}
	all, err := r.store.GovernedResources(ctx)
	if err != nil {
		return nil, err
	}
	return authz.Governing(all, request.Spec.Target.URI), nil
}

// judge asks the policies for the first time.
func (r *requests) judge(ctx context.Context, request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) (lifecycle.Event, error) {
	resource, err := r.resource(ctx, request, status.GovernedResourceRef)
	if err != nil {
		return nil, err
	}
	_, version, err := r.evaluator.inForce(ctx)
	if err != nil {
		return nil, err
	}
	evaluated, err := r.evaluator.evaluate(ctx, request, resource)
	if err != nil {
		return nil, err
	}
	if evaluated.Outcome == lifecycle.Hold {
		r.judged.Store(request.UID, version)
	}
	return evaluated, nil
}

// reassess asks the policies again about a request that waits for a reviewer, when they changed. What they deny by now
// is denied; else the request stays held, and the reviewer decides about what they say now.
func (r *requests) reassess(ctx context.Context, request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) (lifecycle.Event, error) {
	_, version, err := r.evaluator.inForce(ctx)
	if err != nil {
		return nil, err
	}
	if before, ok := r.judged.Load(request.UID); ok && before == version {
		return nil, nil
	}
	resource, err := r.resource(ctx, request, status.GovernedResourceRef)
	if err != nil {
		return nil, err
	}
	now, err := r.evaluator.evaluate(ctx, request, resource)
	if err != nil {
		return nil, err
	}
	r.judged.Store(request.UID, version)
	if now.Outcome == lifecycle.Allow || now.Fingerprint == status.EvaluationFingerprint {
		return nil, nil
	}
	return now, nil
}

// approved returns what the recorded approval of a held request leads to.
func (r *requests) approved(ctx context.Context, request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) (lifecycle.Event, error) {
	event := void(request, status, request.Spec.HumanApproval)
	if _, counts := event.(lifecycle.Reviewed); !counts {
		return event, nil
	}
	if drifted, err := r.drifted(ctx, request, status); err != nil || drifted != nil {
		return drifted, err
	}
	return event, nil
}

// drifted returns Drifted when what a request was approved for, by a reviewer or by the policies, is not so any more; else nil.
func (r *requests) drifted(ctx context.Context, request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) (lifecycle.Event, error) {
	resource, err := r.resource(ctx, request, status.GovernedResourceRef)
	if err != nil {
		return nil, err
	}
	look := r.evaluator.drifted
	if request.Spec.HumanApproval == nil {
		look = r.evaluator.outdated
	}
	drifted, err := look(ctx, request, resource)
	if err != nil || drifted == nil {
		return nil, err
	}
	return *drifted, nil
}

func denied(review *v1alpha1.HumanApproval) bool {
	return review != nil && review.Decision != v1alpha1.DecisionApproved
}

// void returns the recorded decision as an event, or why it is void. Through the gateway only decisions get here that
// count; through the Kubernetes API anybody with the right to write the object can record one.
func void(request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus, review *v1alpha1.HumanApproval) lifecycle.Event {
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

// queued takes the lock for a request that may be executed otherwise.
func (r *requests) queued(ctx context.Context, request *v1alpha1.AgentRequest, at *step) (lifecycle.Event, error) {
	if event, err := r.unbound(ctx, request, at.status.GovernedResourceRef); err != nil || event != nil {
		return event, err
	}
	if event := r.overdue(r.limits, request, at); event != nil {
		return event, nil
	}
	event, wait, err := r.locks.acquire(ctx, request)
	if err != nil {
		return nil, err
	}
	at.again(wait)
	switch e := event.(type) {
	case lifecycle.Locked:
		if meta.FindStatusCondition(request.Status.Conditions, v1alpha1.ConditionLockAcquired) != nil { // it has waited, for who changed the target maybe
			if drifted, err := r.drifted(ctx, request, at.status); err != nil || drifted != nil {
				return drifted, err
			}
		}
		e.Review = request.Spec.HumanApproval
		e.Trusted = e.Review == nil && asksForReview(at.status.PolicyResults) // nothing but trust stands in for a reviewer
		return e, nil
	case lifecycle.LockBusy:
		if c := meta.FindStatusCondition(at.status.Conditions, v1alpha1.ConditionLockAcquired); c == nil {
			at.again(r.limits.LockWait + time.Second)
			return e, nil
		}
	}
	return nil, nil
}

func asksForReview(results []v1alpha1.PolicyResult) bool {
	for _, p := range results {
		if p.Result == v1alpha1.ActionRequireApproval {
			return true
		}
	}
	return false
}

// unbound looks whether the GovernedResource by which a request was admitted is still there and still the same, and whether it
// permits the request: one that came past the gateway was admitted by nobody, and may name any.
func (r *requests) unbound(ctx context.Context, request *v1alpha1.AgentRequest, ref *v1alpha1.GovernedResourceRef) (lifecycle.Event, error) {
	if ref == nil {
		return nil, nil
	}
	found, err := r.store.GovernedResource(ctx, ref.Name)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (ref.UID != "" && found.UID != ref.UID || found.DeletionTimestamp != nil):
		return lifecycle.Unbound{
			Code: v1alpha1.DenialGovernedResourceDeleted, Message: fmt.Sprintf("GovernedResource %q, by which the request was admitted, is gone", ref.Name),
		}, nil
	case err != nil:
		return nil, err
	case found.Generation != ref.Generation:
		return lifecycle.Unbound{
			Code: v1alpha1.DenialGenerationMismatch,
			Message: fmt.Sprintf("GovernedResource %q changed since the request was admitted: it was generation %d, is %d. Submit the request again",
				ref.Name, ref.Generation, found.Generation),
		}, nil
	}
	spec := request.Spec
	if admission := authz.Admit([]v1alpha1.GovernedResource{*found}, true, spec.AgentIdentity, spec.Action, spec.Target.URI); !admission.Allowed {
		return lifecycle.Unbound{Code: admission.Code, Message: admission.Reason}, nil
	}
	return nil, nil
}

// toStart is what happens to an approved request.
func (r *requests) toStart(ctx context.Context, request *v1alpha1.AgentRequest, at *step) (lifecycle.Event, error) {
	switch {
	case meta.IsStatusConditionTrue(at.status.Conditions, v1alpha1.ConditionFailed):
		return lifecycle.Failed{}, nil
	case meta.IsStatusConditionTrue(at.status.Conditions, v1alpha1.ConditionExecuting):
		if event, err := r.locks.renew(ctx, request); err != nil || event != nil {
			return event, err
		}
		return lifecycle.Started{}, nil
	}
	if event := r.overdue(r.limits, request, at); event != nil {
		return event, nil
	}
	return r.hold(ctx, request, at, false)
}

// toEnd is what happens to an executing request.
func (r *requests) toEnd(ctx context.Context, request *v1alpha1.AgentRequest, at *step) (lifecycle.Event, error) {
	switch {
	case meta.IsStatusConditionTrue(at.status.Conditions, v1alpha1.ConditionCompleted):
		return lifecycle.Succeeded{}, nil
	case meta.IsStatusConditionTrue(at.status.Conditions, v1alpha1.ConditionFailed):
		return lifecycle.Failed{}, nil
	default:
		return r.hold(ctx, request, at, true)
	}
}

func (r *requests) hold(ctx context.Context, request *v1alpha1.AgentRequest, at *step, executing bool) (lifecycle.Event, error) {
	event, wait, err := r.locks.hold(ctx, request, executing)
	at.again(wait)
	return event, err
}
