package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// requests drives AgentRequests.
type requests struct {
	store     *store.Store
	evaluator *evaluator
	locks     *locks
	audit     *auditor
	limits    lifecycle.Limits
	measures  *measures
	log       *slog.Logger
	now       func() time.Time

	// graves are requests that were deleted, until their reconcile.
	graves sync.Map // types.NamespacedName to *v1alpha1.AgentRequest
	// judged are the versions of the policies that held requests were last evaluated by.
	judged sync.Map // types.UID to string
}

// Reconcile brings one request as far as it can go now and stores its status once. When the request changed since it
// was read, nothing is stored: the watch is about to bring the newer version, which is looked at anew.
//
// Records come after the status that they tell of, and before the next one: the trail never tells what did not happen,
// and what is missing after a crash is written before the request goes on. The lock comes before the status that says
// that it is there, and goes after the status that says that it is not needed.
func (r *requests) Reconcile(ctx context.Context, key reconcile.Request) (reconcile.Result, error) {
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	if err := r.bury(ctx, key.NamespacedName); err != nil {
		return reconcile.Result{}, err
	}
	request, err := r.store.Get(ctx, key.Namespace, key.Name)
	if errors.Is(err, store.ErrNotFound) {
		return reconcile.Result{}, r.locks.releaseGone(ctx, key.NamespacedName)
	}
	if err != nil {
		return reconcile.Result{}, unlessMoot(err)
	}
	if r.audit.behind(request) {
		return reconcile.Result{}, nil // the watch is about to bring the newer version
	}
	if err := r.audit.record(ctx, request); err != nil {
		return reconcile.Result{}, fmt.Errorf("audit %s: %w", key, err)
	}
	next, err := r.advance(ctx, request)
	if err != nil {
		return reconcile.Result{}, unlessMoot(fmt.Errorf("drive %s forward: %w", key, err))
	}
	if !apiequality.Semantic.DeepEqual(request.Status, next.status) {
		if request, err = r.write(ctx, request, next.status); err != nil {
			return reconcile.Result{}, unlessMoot(err)
		}
	}
	if request.Status.Phase.Terminal() {
		r.judged.Delete(request.UID)
		return reconcile.Result{}, r.locks.release(ctx, request)
	}
	return reconcile.Result{RequeueAfter: next.wait, Priority: ptr.To(begun)}, nil // a limit of time is not late because of new ones
}

// write stores a status and the records of it.
func (r *requests) write(
	ctx context.Context, request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus,
) (*v1alpha1.AgentRequest, error) {
	stored, err := r.store.SetStatus(ctx, request, status)
	if err != nil {
		return nil, err
	}
	r.measures.moved(request.Status, status)
	r.log.InfoContext(ctx, "AgentRequest is "+lifecycle.StateOf(status).String(), "name", stored.Namespace+"/"+stored.Name,
		"was", lifecycle.StateOf(request.Status).String(), "agent", stored.Spec.AgentIdentity, "action", stored.Spec.Action,
		"target", stored.Spec.Target.URI)
	if err := r.audit.record(ctx, stored); err != nil {
		return nil, fmt.Errorf("audit %s/%s: %w", stored.Namespace, stored.Name, err)
	}
	return stored, nil
}

// died notes a request that was deleted, as it was last.
func (r *requests) died(request *v1alpha1.AgentRequest) {
	r.graves.Store(types.NamespacedName{Namespace: request.Namespace, Name: request.Name}, request)
}

// bury finishes the trail of a request that was deleted and frees what it held. A request that came and went before
// anybody looked at it has no trail.
func (r *requests) bury(ctx context.Context, key types.NamespacedName) error {
	found, ok := r.graves.Load(key)
	if !ok {
		return nil
	}
	request, _ := found.(*v1alpha1.AgentRequest)
	if err := r.audit.record(ctx, request); err != nil {
		return fmt.Errorf("audit deleted %s: %w", key, err)
	}
	if err := r.locks.release(ctx, request); err != nil {
		return err
	}
	r.audit.forget(request.UID)
	r.evaluator.rates.forget(request.UID)
	r.judged.Delete(request.UID)
	r.graves.CompareAndDelete(key, found)
	return nil
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

// step is how far a request has come.
type step struct {
	status v1alpha1.AgentRequestStatus
	// wait is after what time to look again when nothing is heard until then; 0 means never.
	wait time.Duration
}

// again makes the step end after d at the latest.
func (s *step) again(d time.Duration) {
	if d > 0 && (s.wait == 0 || d < s.wait) {
		s.wait = d
	}
}

// advance returns the status that the request has once everything that is known about it counts.
func (r *requests) advance(ctx context.Context, request *v1alpha1.AgentRequest) (step, error) {
	at := step{status: request.Status}
	for {
		event, err := r.event(ctx, request, &at)
		if err != nil || event == nil {
			return at, err
		}
		before := lifecycle.StateOf(at.status)
		if at.status, err = lifecycle.Next(at.status, event, r.now()); err != nil {
			return at, err
		}
		if before == lifecycle.StateOf(at.status) {
			return at, nil // it stays where it is and waits
		}
		at.wait = 0
	}
}
