package reconcile

import (
	"context"
	"log/slog"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// resources keeps GovernedResources until the requests that refer to them are finished.
type resources struct {
	store *store.Store
	log   *slog.Logger
}

// Reconcile puts the finalizer on one GovernedResource or, when it is being deleted and no request needs it any more,
// takes it off.
func (g *resources) Reconcile(ctx context.Context, key reconcile.Request) (reconcile.Result, error) {
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	cached, err := g.store.GovernedResource(ctx, key.Name)
	if err != nil {
		return reconcile.Result{}, unlessMoot(err)
	}
	found := cached.DeepCopy()
	if found.DeletionTimestamp == nil {
		if !controllerutil.AddFinalizer(found, v1alpha1.FinalizerActiveRequests) {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, unlessMoot(g.store.SetFinalizers(ctx, found))
	}
	active, err := g.store.List(ctx, "", func(r *v1alpha1.AgentRequest) bool {
		return resourceOf(r) == found.Name && !r.Status.Phase.Terminal()
	})
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(active) > 0 {
		g.log.InfoContext(ctx, "GovernedResource goes when its requests are finished", "name", found.Name, "requests", len(active))
		return reconcile.Result{}, nil
	}
	if !controllerutil.RemoveFinalizer(found, v1alpha1.FinalizerActiveRequests) {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, unlessMoot(g.store.SetFinalizers(ctx, found))
}

// resourceOf returns the name of the GovernedResource that a request refers to, or "".
func resourceOf(r *v1alpha1.AgentRequest) string {
	switch {
	case r.Status.GovernedResourceRef != nil:
		return r.Status.GovernedResourceRef.Name
	case r.Spec.GovernedResourceRef != nil:
		return r.Spec.GovernedResourceRef.Name
	default:
		return ""
	}
}
