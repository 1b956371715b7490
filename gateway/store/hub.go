package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// sighting is one state of a request as the watch brought it.
type sighting struct {
	request *v1alpha1.AgentRequest
	gone    bool
}

// hub hands what the watch brings to those who follow one request. It costs nothing per request that nobody follows.
type hub struct {
	mu        sync.Mutex
	followers map[types.NamespacedName]map[*follower]struct{}
}

// follower holds the newest sighting that its owner has not taken yet.
type follower struct{ newest chan sighting }

func newHub() *hub {
	return &hub{followers: map[types.NamespacedName]map[*follower]struct{}{}}
}

// OnAdd makes the hub, with OnUpdate and OnDelete, a cache.ResourceEventHandler; the informer calls one at a time.
func (h *hub) OnAdd(obj any, _ bool) { h.tell(obj, false) }

// OnUpdate is described at OnAdd.
func (h *hub) OnUpdate(_, obj any) { h.tell(obj, false) }

// OnDelete is described at OnAdd.
func (h *hub) OnDelete(obj any) { h.tell(obj, true) }

func (h *hub) tell(obj any, gone bool) {
	r := requestOf(obj)
	if r == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.followers[keyOf(r)] {
		select {
		case <-f.newest: // not taken, and older
		default:
		}
		f.newest <- sighting{request: r, gone: gone}
	}
}

func (h *hub) join(key types.NamespacedName) *follower {
	f := &follower{newest: make(chan sighting, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers[key] == nil {
		h.followers[key] = map[*follower]struct{}{}
	}
	h.followers[key][f] = struct{}{}
	return f
}

func (h *hub) leave(key types.NamespacedName, f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers[key], f)
	if len(h.followers[key]) == 0 {
		delete(h.followers, key)
	}
}

// Wait returns the first state of the request for which done is true, as soon as the watch brings it. It returns
// ErrDeleted when the request goes away and the error of ctx when that ends first.
func (s *Store) Wait(
	ctx context.Context, namespace, name string, done func(*v1alpha1.AgentRequest) bool,
) (*v1alpha1.AgentRequest, error) {
	var last *v1alpha1.AgentRequest
	err := s.Follow(ctx, namespace, name, func(r *v1alpha1.AgentRequest) bool {
		last = r
		return !done(r)
	})
	if err != nil {
		return nil, err
	}
	return last, nil
}

// Shown waits until the cache has written, or what was written later: until then Get returns what was there before. It
// returns ErrDeleted when the request goes away and the error of ctx when that ends first.
func (s *Store) Shown(ctx context.Context, written *v1alpha1.AgentRequest) error {
	_, err := s.Wait(ctx, written.Namespace, written.Name, func(r *v1alpha1.AgentRequest) bool {
		return !newer(written.ResourceVersion, r.ResourceVersion)
	})
	return err
}

// Follow calls each with the present state of the request, if the cache has it, and with every later state until each
// returns false. States that follow each other faster than each returns may be skipped, the newest never is. It
// returns ErrDeleted when the request goes away and the error of ctx when that ends first.
func (s *Store) Follow(ctx context.Context, namespace, name string, each func(*v1alpha1.AgentRequest) bool) error {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	f := s.hub.join(key)
	defer s.hub.leave(key, f)
	seen := ""
	present, err := s.Cached(ctx, namespace, name)
	switch {
	case err == nil:
		if seen = present.ResourceVersion; !each(present) {
			return nil
		}
	case !errors.Is(err, ErrNotFound):
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("follow %s: %w", key, ctx.Err())
		case now := <-f.newest:
			if now.gone {
				return fmt.Errorf("follow %s: %w", key, ErrDeleted)
			}
			if !newer(now.request.ResourceVersion, seen) {
				continue // the cache was ahead of the watch's handlers
			}
			if seen = now.request.ResourceVersion; !each(now.request) {
				return nil
			}
		}
	}
}

// newer reports whether version a was written after b; an empty b is older than everything.
func newer(a, b string) bool {
	if b == "" {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

// requestOf returns the request of an informer's event, or nil.
func requestOf(obj any) *v1alpha1.AgentRequest {
	if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = last.Obj
	}
	r, _ := obj.(*v1alpha1.AgentRequest)
	return r
}

func keyOf(r *v1alpha1.AgentRequest) types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
}
