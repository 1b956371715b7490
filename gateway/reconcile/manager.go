package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

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
	workers = 32
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
	// LockNamespace holds the Leases that are the locks on targets.
	LockNamespace string
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
	logger := logr.FromSlogHandler(quiet{o.Log.Handler()})
	log.SetLogger(logger) // some parts ask for no other; without it they print a stack trace
	m, err := manager.New(config, manager.Options{
		Scheme:         scheme,
		MapperProvider: kinds,
		Logger:         logger,
		Cache: cache.Options{
			DefaultTransform: store.Compact(),
			// Of the Leases, only those that are locks on targets.
			ByObject: map[client.Object]cache.ByObject{&coordinationv1.Lease{}: {
				Namespaces: map[string]cache.Config{o.LockNamespace: {}},
				Label:      labels.SelectorFromSet(labels.Set{store.LabelManagedBy: store.ManagedBy}),
			}},
		},
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
		v1alpha1.GroupVersion().WithKind("AuditRecord"), v1alpha1.GroupVersion().WithKind("AgentRegistration"), v1alpha1.GroupVersion().WithKind("AgentTrustProfile"),
		v1alpha1.GroupVersion().WithKind("AgentGraduationPolicy"), v1alpha1.GroupVersion().WithKind("DiagnosticAccuracySummary"),
		// The cache of one namespace asks for the scope of the list.
		coordinationv1.SchemeGroupVersion.WithKind("Lease"), coordinationv1.SchemeGroupVersion.WithKind("LeaseList"),
		appsv1.SchemeGroupVersion.WithKind("Deployment"),
		discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"),
		corev1.SchemeGroupVersion.WithKind("Service"),
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	mapper.Add(v1alpha1.GroupVersion().WithKind("GovernedResource"), meta.RESTScopeRoot)
	mapper.Add(store.NodePoolKind(), meta.RESTScopeRoot)
	return mapper, nil
}

// sharedController lets a process start the same controllers again, as the embedded environment does on a rollout.
func sharedController() config.Controller { return config.Controller{SkipNameValidation: ptr.To(true)} }

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
		ordinary = ok && (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || err.Error() == leaseLost)
		return !ordinary
	})
	if ordinary {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
