package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// writeTimeout bounds one call to the API server.
const writeTimeout = 10 * time.Second

// Options are what a Store works with.
type Options struct {
	// Cache holds the custom resources of all namespaces; somebody else starts it.
	Cache cache.Cache
	// Live talks to the API server without a cache in between.
	Live client.Client
	// LockNamespace holds the Leases that are the locks on targets, whatever the namespaces of the requests.
	LockNamespace string
	// DedupWindow is for how long the same intent counts as the same request; 0 makes every submission a new one.
	DedupWindow time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Store keeps AgentRequests. It is safe for concurrent use.
type Store struct {
	cache  cache.Cache
	live   client.Client
	locks  string
	window time.Duration
	now    func() time.Time
	hub    *hub
	synced atomic.Bool
}

// New returns a Store that works once Start runs.
func New(o Options) *Store {
	return &Store{cache: o.Cache, live: o.Live, locks: o.LockNamespace, window: o.DedupWindow, now: o.Now, hub: newHub()}
}

// Scheme returns the types that the store's cache and client must know.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		v1alpha1.AddToScheme, coordinationv1.AddToScheme, appsv1.AddToScheme, corev1.AddToScheme, discoveryv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
	}
	return scheme, nil
}

// ClientConfig returns a copy of c for use by the gateway: without client-go's limit of five requests a second, which
// would otherwise be the gateway's own limit, and without its writing of warnings to the process-wide log.
func ClientConfig(c *rest.Config) *rest.Config {
	out := rest.CopyConfig(c)
	out.QPS, out.Burst = -1, -1
	out.WarningHandler = rest.NoWarnings{}
	out.UserAgent = "aip-gateway"
	return out
}

// NeedLeaderElection tells the manager that every replica runs the store, not only the leader.
func (*Store) NeedLeaderElection() bool { return false }

// Start follows the watch until ctx ends. The manager calls it after it has started the cache.
func (s *Store) Start(ctx context.Context) error {
	informer, err := s.informer(ctx)
	if err != nil {
		return err
	}
	registration, err := informer.AddEventHandler(s.hub)
	if err != nil {
		return fmt.Errorf("follow AgentRequests: %w", err)
	}
	if err := s.indexRecords(ctx); err != nil {
		return err
	}
	select {
	case <-registration.HasSyncedChecker().Done():
		s.synced.Store(true)
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}

// informer returns the cache's informer of AgentRequests. It asks again while the API server does not know the type
// or does not answer, because a gateway may start before either.
func (s *Store) informer(ctx context.Context) (cache.Informer, error) {
	for {
		informer, err := s.cache.GetInformer(ctx, &v1alpha1.AgentRequest{}, cache.BlockUntilSynced(false))
		if err == nil {
			return informer, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("follow AgentRequests: %w", errors.Join(ctx.Err(), err))
		case <-time.After(time.Second):
		}
	}
}

// Ready reports whether the cache holds what the API server has and its watch is followed. Before that, reads may
// block or fail with ErrUnavailable and nobody may wait.
func (s *Store) Ready() bool { return s.synced.Load() }

// Ping asks the API server for one request and returns ErrUnavailable, or why it refused.
func (s *Store) Ping(ctx context.Context) error {
	var list v1alpha1.AgentRequestList
	return classify("list AgentRequests", s.live.List(ctx, &list, client.Limit(1)))
}

// Get returns a request, or ErrNotFound. A request that the cache does not know yet is looked up live.
func (s *Store) Get(ctx context.Context, namespace, name string) (*v1alpha1.AgentRequest, error) {
	r, err := s.Cached(ctx, namespace, name)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return r, err
	}
	return s.liveGet(ctx, namespace, name)
}

// Fresh returns a request as the API server has it now, or ErrNotFound.
func (s *Store) Fresh(ctx context.Context, namespace, name string) (*v1alpha1.AgentRequest, error) {
	return s.liveGet(ctx, namespace, name)
}

// Cached returns a request as the cache has it, or ErrNotFound. The object is the cache's own.
func (s *Store) Cached(ctx context.Context, namespace, name string) (*v1alpha1.AgentRequest, error) {
	var r v1alpha1.AgentRequest
	err := s.cache.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &r,
		&client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)})
	return &r, classify("get AgentRequest", err)
}

func (s *Store) liveGet(ctx context.Context, namespace, name string) (*v1alpha1.AgentRequest, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	var r v1alpha1.AgentRequest
	err := s.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &r)
	return &r, classify("get AgentRequest", err)
}

// List returns the requests of a namespace (all when empty) for which match is true, newest first.
func (s *Store) List(ctx context.Context, namespace string, match func(*v1alpha1.AgentRequest) bool) ([]*v1alpha1.AgentRequest, error) {
	return s.Newest(ctx, namespace, 0, match)
}

// Newest is List of so many requests at most, of all when that is 0.
func (s *Store) Newest(
	ctx context.Context, namespace string, most int, match func(*v1alpha1.AgentRequest) bool,
) ([]*v1alpha1.AgentRequest, error) {
	return kept(ctx, s, &v1alpha1.AgentRequest{}, namespace, most, match, newestFirst)
}

// newestFirst orders by creation; those of one second are ordered by name, so that the order is always the same.
func newestFirst(a, b *v1alpha1.AgentRequest) int {
	if c := b.CreationTimestamp.Compare(a.CreationTimestamp.Time); c != 0 {
		return c
	}
	return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
}
