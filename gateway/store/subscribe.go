package store

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Subscription is one reader's view of all requests that match. What the reader has not taken yet is kept as one
// entry per request, its newest state, so a slow reader costs no more than the requests themselves and holds up
// nobody. It is made for one goroutine that calls Next and Close.
type Subscription struct {
	match    func(*v1alpha1.AgentRequest) bool
	informer crcache.Informer
	handle   cache.ResourceEventHandlerRegistration
	wake     chan struct{}
	synced   bool

	mu      sync.Mutex
	pending map[types.UID]sighting
	// shown are the requests that the reader was told of and not yet told that they left.
	shown map[types.UID]struct{}
}

// Subscribe begins with every request that matches now. A request that stops to match is reported as deleted, with
// its last state. Close gives the subscription back.
func (s *Store) Subscribe(ctx context.Context, match func(*v1alpha1.AgentRequest) bool) (*Subscription, error) {
	informer, err := s.cache.GetInformer(ctx, &v1alpha1.AgentRequest{}, crcache.BlockUntilSynced(false))
	if err != nil {
		return nil, classify("follow AgentRequests", err)
	}
	sub := &Subscription{
		match: match, informer: informer, wake: make(chan struct{}, 1),
		pending: map[types.UID]sighting{}, shown: map[types.UID]struct{}{},
	}
	if sub.handle, err = informer.AddEventHandler(sub); err != nil {
		return nil, fmt.Errorf("follow AgentRequests: %w", err)
	}
	return sub, nil
}

// Close ends the subscription.
func (s *Subscription) Close() error {
	if err := s.informer.RemoveEventHandler(s.handle); err != nil {
		return fmt.Errorf("end subscription: %w", err)
	}
	return nil
}

// OnAdd makes the subscription, with OnUpdate and OnDelete, a cache.ResourceEventHandler.
func (s *Subscription) OnAdd(obj any, _ bool) { s.note(obj, false) }

// OnDelete is described at OnAdd.
func (s *Subscription) OnDelete(obj any) { s.note(obj, true) }

// OnUpdate is described at OnAdd. The informer repeats everything it has every few hours; that is no news.
func (s *Subscription) OnUpdate(before, obj any) {
	if was, is := requestOf(before), requestOf(obj); was == nil || is == nil || was.ResourceVersion != is.ResourceVersion {
		s.note(obj, false)
	}
}

func (s *Subscription) note(obj any, gone bool) {
	r := requestOf(obj)
	if r == nil {
		return
	}
	leaves := gone || !s.match(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, shown := s.shown[r.UID]; leaves && !shown {
		delete(s.pending, r.UID)
		return
	}
	s.pending[r.UID] = sighting{request: r, gone: leaves}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for something to tell and returns it in the order in which it was written. After the requests that
// existed at the start it tells wire.EventSynced, once. It returns the error of ctx when that ends.
func (s *Subscription) Next(ctx context.Context) ([]wire.Event, error) {
	synced := s.handle.HasSyncedChecker().Done()
	if s.synced {
		synced = nil
	}
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("next event: %w", ctx.Err())
	case <-synced:
		s.synced = true
		return append(s.take(), wire.Event{Type: wire.EventSynced}), nil
	case <-s.wake:
		return s.take(), nil
	}
}

// take empties what is pending.
func (s *Subscription) take() []wire.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]wire.Event, 0, len(s.pending))
	for uid, p := range s.pending {
		_, shown := s.shown[uid]
		kind := wire.EventAdded
		switch {
		case p.gone:
			kind = wire.EventDeleted
			delete(s.shown, uid)
		case shown:
			kind = wire.EventModified
		default:
			s.shown[uid] = struct{}{}
		}
		out = append(out, wire.Event{Type: kind, Object: p.request})
	}
	clear(s.pending)
	slices.SortFunc(out, func(a, b wire.Event) int {
		order, err := resourceversion.CompareResourceVersion(a.Object.ResourceVersion, b.Object.ResourceVersion)
		if err != nil {
			return 0
		}
		return order
	})
	return out
}
