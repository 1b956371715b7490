package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
)

const (
	// leaseName is the Lease that the working replica holds.
	leaseName = "aip-gateway.governance.aip.io"
	// workTimeout is how long one reconcile may take, and stopTimeout how long a manager that stops waits for those that
	// run: longer, so that none outlives it.
	workTimeout = 4 * time.Second
	stopTimeout = workTimeout + time.Second
	// workers is how many requests are driven at once. Each spends its time waiting for the API server.
	workers = 8
	// A reconcile that failed is tried again after minDelay, then ever later up to maxDelay.
	minDelay = 10 * time.Millisecond
	maxDelay = 10 * time.Second
)

// ManagerOptions are what a manager works with.
type ManagerOptions struct {
	// LeaderElection makes replicas agree on one that works; the others stand by.
	LeaderElection bool
	// LeaderElectionNamespace holds the Lease; empty means the namespace of the pod that this process runs in.
	LeaderElectionNamespace string
	// Log receives errors of the machinery.
	Log *slog.Logger
}

// NewManager returns a manager with a cache of all namespaces and without listeners of its own. It does not talk to
// the API server before it is started. config should come from store.ClientConfig.
func NewManager(config *rest.Config, o ManagerOptions) (manager.Manager, error) {
	scheme, err := store.Scheme()
	if err != nil {
		return nil, err
	}
	if err := coordinationv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register types: %w", err)
	}
	logger := logr.FromSlogHandler(quiet{o.Log.Handler()})
	log.SetLogger(logger) // some parts ask for no other; without it they print a stack trace
	m, err := manager.New(config, manager.Options{
		Scheme:         scheme,
		MapperProvider: kinds,
		Logger:         logger,
		Cache:          cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Metrics: server.Options{
			BindAddress: "0",
		},
		HealthProbeBindAddress:        "0",
		LeaderElection:                o.LeaderElection,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       ptr.To(stopTimeout),
		Controller:                    sharedController(),
	})
	if err != nil {
		return nil, fmt.Errorf("kubernetes manager: %w", err)
	}
	return m, nil
}

// kinds says where the few kinds of the gateway are served, so that it needs no discovery: a call less at the start,
// and no dependence on the roles that a young API server makes a second after it answers.
func kinds(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{
		v1alpha1.GroupVersion().WithKind("AgentRequest"), v1alpha1.GroupVersion().WithKind("SafetyPolicy"),
		v1alpha1.GroupVersion().WithKind("AuditRecord"),
		coordinationv1.SchemeGroupVersion.WithKind("Lease"),
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	mapper.Add(v1alpha1.GroupVersion().WithKind("GovernedResource"), meta.RESTScopeRoot)
	return mapper, nil
}

// sharedController lets a process start the same controllers again, as the embedded environment does on a rollout.
func sharedController() config.Controller { return config.Controller{SkipNameValidation: ptr.To(true)} }

// Options are what the reconcilers work with.
type Options struct {
	Store *store.Store
	// DefaultAction is what happens to a request that no policy matches: Allow, RequireApproval or Deny.
	DefaultAction string
	Log           *slog.Logger
	Now           func() time.Time
}

// Add registers the reconcilers with m.
func Add(m manager.Manager, o Options) error {
	err := builder.ControllerManagedBy(m).Named("agentrequest").For(&v1alpha1.AgentRequest{}).
		// No event of a policy asks for work here; watching them keeps requests from being evaluated before all
		// policies are known.
		Watches(&v1alpha1.SafetyPolicy{}, handler.Funcs{}).
		WithOptions(controllerOptions(workers)).
		Complete(&requests{store: o.Store, evaluate: newEvaluator(o), log: o.Log, now: o.Now})
	if err != nil {
		return fmt.Errorf("add reconciler of AgentRequests: %w", err)
	}
	err = builder.ControllerManagedBy(m).Named("safetypolicy").For(&v1alpha1.SafetyPolicy{}).
		WithOptions(controllerOptions(1)).
		Complete(&policies{store: o.Store, log: o.Log, now: o.Now})
	if err != nil {
		return fmt.Errorf("add reconciler of SafetyPolicies: %w", err)
	}
	return nil
}

func controllerOptions(workers int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minDelay, maxDelay),
	}
}

// quiet passes warnings and errors on: what controller-runtime says at lower levels is about itself. Two errors are part
// of ordinary life: a write that came second, as that of the replica that was too late for the Lease, after which
// whoever wrote looks again; and the loss of the Lease, which is given up when the manager stops. One that is lost while
// it works ends Start with that error.
type quiet struct{ slog.Handler }

// leaseLost is the text of an error that controller-runtime exports no value for.
const leaseLost = "leader election lost"

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	ordinary := false
	r.Attrs(func(a slog.Attr) bool {
		err, ok := a.Value.Any().(error)
		ordinary = ok && (apierrors.IsConflict(err) || err.Error() == leaseLost)
		return !ordinary
	})
	if ordinary {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
