package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/github"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// How long things last unless Options say otherwise.
const (
	DefaultLockDuration    = 5 * time.Minute
	DefaultLockWait        = time.Minute
	DefaultApprovedTimeout = 5 * time.Minute
	defaultVerdictTimeout  = 7 * 24 * time.Hour
)

// Options are what the reconcilers work with.
type Options struct {
	Store *store.Store
	// DefaultAction is what happens to a request that no policy matches: Allow, RequireApproval or Deny.
	DefaultAction string
	// LockDuration is for how long a target is held without a sign of life of its agent. 0 means five minutes.
	LockDuration time.Duration
	// LockWait is for how long a request waits for its target. 0 means a minute.
	LockWait time.Duration
	// ApprovedTimeout is how long after its approval a request must be started. 0 means five minutes.
	ApprovedTimeout time.Duration
	// VerdictTimeout is how long after its creation a request must be graded. 0 means a week.
	VerdictTimeout time.Duration
	// GitHub answers for the context fetcher github; nil switches that off.
	GitHub *github.Client
	// Measures gets the metrics; nil is nobody.
	Measures prometheus.Registerer
	Log      *slog.Logger
	Now      func() time.Time
}

// Add registers the reconcilers with m.
func Add(m manager.Manager, o Options) error {
	wakeups := &wakeups{}
	r := newRequests(o, wakeups.wake)
	err := builder.ControllerManagedBy(m).Named("agentrequest").Watches(&v1alpha1.AgentRequest{}, r.follow()).
		// Watching policies and resources keeps requests from being evaluated before all of them are known.
		Watches(&v1alpha1.SafetyPolicy{}, handler.EnqueueRequestsFromMapFunc(r.held), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.GovernedResource{}, handler.Funcs{}).
		Watches(&v1alpha1.AgentGraduationPolicy{}, handler.EnqueueRequestsFromMapFunc(r.ungraded), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.AuditRecord{}, handler.Funcs{}).
		Watches(&coordinationv1.Lease{}, handler.EnqueueRequestsFromMapFunc(r.locks.concerns)).
		WatchesRawSource(source.Func(wakeups.begin)).
		WithOptions(controllerOptions(workers)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("add reconciler of AgentRequests: %w", err)
	}
	written := &policies{store: o.Store, log: o.Log, now: o.Now}
	err = builder.ControllerManagedBy(m).Named("safetypolicy").For(&v1alpha1.SafetyPolicy{}).
		// Policies with a contextType are compiled against the schemas of GovernedResources.
		Watches(&v1alpha1.GovernedResource{}, handler.EnqueueRequestsFromMapFunc(written.typed),
			builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}))).
		WithOptions(controllerOptions(1)).
		Complete(written)
	if err != nil {
		return fmt.Errorf("add reconciler of SafetyPolicies: %w", err)
	}
	err = builder.ControllerManagedBy(m).Named("governedresource").For(&v1alpha1.GovernedResource{}).
		Watches(&v1alpha1.AgentRequest{}, handler.EnqueueRequestsFromMapFunc(refersTo)).
		WithOptions(controllerOptions(1)).
		Complete(&resources{store: o.Store, log: o.Log})
	if err != nil {
		return fmt.Errorf("add reconciler of GovernedResources: %w", err)
	}
	return addTrusts(m, o)
}

func newRequests(o Options, wake func(types.NamespacedName)) *requests {
	measures := newMeasures(o.Measures, o.Store)
	return &requests{
		store: o.Store, evaluator: newEvaluator(o, measures), measures: measures, audit: newAuditor(o.Store), log: o.Log, now: o.Now,
		locks: &locks{
			store: o.Store, duration: cmp.Or(o.LockDuration, DefaultLockDuration), now: o.Now, queue: newQueue(), wake: wake,
		},
		limits: lifecycle.Limits{
			LockWait: cmp.Or(o.LockWait, DefaultLockWait), Start: cmp.Or(o.ApprovedTimeout, DefaultApprovedTimeout),
			Verdict: cmp.Or(o.VerdictTimeout, defaultVerdictTimeout),
		},
	}
}

func controllerOptions(workers int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: workers,
		UsePriorityQueue:        ptr.To(true),
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minDelay, maxDelay),
	}
}

type workQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// wakeups puts requests that get their target next, or that hold it for too long, into the queue of their reconciler.
type wakeups struct {
	mu    sync.Mutex
	queue workQueue
}

// begin takes the queue over; the controller calls it when it starts.
func (w *wakeups) begin(_ context.Context, queue workQueue) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = queue
	return nil
}

func (w *wakeups) wake(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue != nil {
		putFirst(w.queue, reconcile.Request{NamespacedName: key})
	}
}

// deleted notes the last state of a request before its reconcile.
func (r *requests) deleted(_ context.Context, e event.DeleteEvent, queue workQueue) {
	if request, ok := e.Object.(*v1alpha1.AgentRequest); ok {
		r.died(request)
		queue.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(request)})
	}
}

// held returns the requests that wait for a reviewer: a policy changed.
func (r *requests) held(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.those(ctx, "", func(r *v1alpha1.AgentRequest) bool { return lifecycle.StateOf(r.Status).Held })
}

// ungraded returns the requests of a namespace that wait for a verdict: for how long they do is a matter of its policy.
func (r *requests) ungraded(ctx context.Context, o client.Object) []reconcile.Request {
	return r.those(ctx, o.GetNamespace(), func(r *v1alpha1.AgentRequest) bool { return r.Status.Phase == v1alpha1.PhaseAwaitingVerdict })
}

// those returns the requests of a namespace (all when empty) for which match is true.
func (r *requests) those(ctx context.Context, namespace string, match func(*v1alpha1.AgentRequest) bool) []reconcile.Request {
	list, err := r.store.List(ctx, namespace, match)
	if err != nil {
		r.log.WarnContext(ctx, "requests are not looked at again after a change of policy", "cause", err)
		return nil
	}
	out := make([]reconcile.Request, len(list))
	for i, request := range list {
		out[i].NamespacedName = client.ObjectKeyFromObject(request)
	}
	return out
}

// typed returns the policies that are compiled against the schemas of GovernedResources: one of those changed.
func (p *policies) typed(ctx context.Context, _ client.Object) []reconcile.Request {
	list, err := p.store.Policies(ctx)
	if err != nil {
		p.log.WarnContext(ctx, "policies with a contextType are not compiled again", "cause", err)
		return nil
	}
	var out []reconcile.Request
	for i := range list {
		if readsContext(list[i]) {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list[i])})
		}
	}
	return out
}

// concerns returns who has to know that a lock changed: the request that holds it and the one that gets it next.
func (l *locks) concerns(_ context.Context, o client.Object) []reconcile.Request {
	lease, ok := o.(*coordinationv1.Lease)
	if !ok {
		return nil
	}
	var out []reconcile.Request
	if holder, _ := store.LockOf(lease).Holder(); holder.Name != "" {
		out = append(out, reconcile.Request{NamespacedName: holder})
	}
	if next, ok := l.queue.first(lease.Name); ok {
		out = append(out, reconcile.Request{NamespacedName: next})
	}
	return out
}

// refersTo returns the GovernedResource that a request refers to: it may be waiting for the request to end.
func refersTo(_ context.Context, o client.Object) []reconcile.Request {
	r, ok := o.(*v1alpha1.AgentRequest)
	if !ok || resourceOf(r) == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: resourceOf(r)}}}
}
