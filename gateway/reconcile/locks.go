package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// maxTakes is how often a lock is tried that is free whenever it is looked at.
const maxTakes = 3

// locks lets one request at a time hold a target. Who holds one is a Lease; who waits is in a queue that is made anew
// from the requests' status after a start.
type locks struct {
	store    *store.Store
	duration time.Duration
	now      func() time.Time
	queue    *queue
	// wake lets a request be looked at soon.
	wake func(types.NamespacedName)

	mu     sync.Mutex
	filled bool
}

// fill puts those in the queue who waited when this process began.
func (l *locks) fill(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.filled {
		return nil
	}
	waiting, err := l.store.List(ctx, "", func(r *v1alpha1.AgentRequest) bool { return lifecycle.StateOf(r.Status).Queued })
	if err != nil {
		return fmt.Errorf("find who waits for locks: %w", err)
	}
	for _, r := range waiting {
		l.queue.join(store.LockName(r.Spec.Target.URI), waiterOf(r))
	}
	l.filled = true
	return nil
}

// acquire takes the target for r when nobody holds it and nobody comes before r. It returns Locked or LockBusy, and
// after what time to try again when nothing is heard until then.
func (l *locks) acquire(ctx context.Context, r *v1alpha1.AgentRequest) (lifecycle.Event, time.Duration, error) {
	if err := l.fill(ctx); err != nil {
		return nil, 0, err
	}
	name := store.LockName(r.Spec.Target.URI)
	if before := l.queue.join(name, waiterOf(r)); before > 0 {
		return lifecycle.LockBusy{Behind: "other requests come first"}, 0, nil
	}
	held, busy, err := l.take(ctx, r)
	switch {
	case err != nil:
		return nil, 0, err
	case busy != "":
		return lifecycle.LockBusy{Behind: busy}, max(held.Until().Sub(l.now()), time.Second), nil
	}
	l.left(name, r.UID)
	return lifecycle.Locked{Lease: name}, 0, nil
}

// left takes a request out of the queue and wakes who comes next.
func (l *locks) left(name string, uid types.UID) {
	if next, changed := l.queue.leave(name, uid); changed {
		l.wake(next)
	}
}

// take makes the Lease r's, or returns who holds it.
func (l *locks) take(ctx context.Context, r *v1alpha1.AgentRequest) (held store.Lock, busy string, err error) {
	for range maxTakes { // it may be freed and taken in between
		if held, err = l.store.Lock(ctx, r, l.duration); !errors.Is(err, store.ErrExists) {
			return held, "", err
		}
		if held, err = l.store.LiveLockOn(ctx, r.Spec.Target.URI); !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	switch {
	case err != nil:
		return held, "", err
	case held.HeldBy(r): // a crash came between the lock and the status that tells of it
		if !l.now().Before(held.Until().Add(-l.duration / 2)) {
			held, err = l.store.Renew(ctx, held)
		}
		return held, "", err
	}
	active, err := l.active(ctx, held)
	switch {
	case err != nil:
		return held, "", err
	case active, l.now().Before(held.Until()):
		return held, "it is held by " + held.String(), nil
	}
	held, err = l.store.TakeOver(ctx, held, r, l.duration)
	return held, "", err
}

// active reports whether the request that holds a lock may be at work. An expired lock of such a request is not taken
// over: the request is woken, it fails because of that and frees the lock.
func (l *locks) active(ctx context.Context, held store.Lock) (bool, error) {
	key, uid := held.Holder()
	if key.Name == "" {
		return false, nil
	}
	holder, err := l.store.Get(ctx, key.Namespace, key.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at the holder of the lock: %w", err)
	case holder.UID != uid || holder.Status.Phase.Terminal():
		return false, nil
	}
	l.wake(key)
	return true, nil
}

// hold says whether r, which is approved or executing, still holds its target. It returns LockLost when it does not,
// else nil and how long to wait before asking again.
func (l *locks) hold(ctx context.Context, r *v1alpha1.AgentRequest, executing bool) (lifecycle.Event, time.Duration, error) {
	held, err := l.store.LockOn(ctx, r.Spec.Target.URI)
	if err == nil && held.HeldBy(r) && l.now().Before(held.Until().Add(-l.duration/2)) {
		return nil, l.next(held, executing), nil
	}
	// What the cache says may be old; what follows from it is not taken back.
	held, err = l.store.LiveLockOn(ctx, r.Spec.Target.URI)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !held.HeldBy(r):
		return lifecycle.LockLost{}, 0, nil
	case err != nil:
		return nil, 0, err
	case executing && !l.now().Before(held.Until()):
		return lifecycle.LockLost{Expired: true}, 0, nil
	case !executing && !l.now().Before(held.Until().Add(-l.duration/2)):
		held, err = l.store.Renew(ctx, held)
	}
	if errors.Is(err, store.ErrConflict) {
		return nil, time.Second, nil
	}
	return nil, l.next(held, executing), err
}

// next is when to look after a lock again: an executing agent renews it itself, an approved one does not work yet.
func (l *locks) next(held store.Lock, executing bool) time.Duration {
	until := held.Until()
	if !executing {
		until = until.Add(-l.duration / 2)
	}
	return max(until.Sub(l.now()), time.Millisecond)
}

// renew makes the lock of r last for its time from now on, because its agent begins. One that was taken a moment ago is
// left as it is.
func (l *locks) renew(ctx context.Context, r *v1alpha1.AgentRequest) (lifecycle.Event, error) {
	held, err := l.store.LiveLockOn(ctx, r.Spec.Target.URI)
	if err == nil && held.HeldBy(r) && held.Until().Sub(l.now()) > l.duration-l.duration/10 {
		return nil, nil
	}
	_, err = l.store.Heartbeat(ctx, r)
	if errors.Is(err, store.ErrLockLost) {
		event, _, err := l.hold(ctx, r, true)
		return event, err
	}
	return nil, err
}

// release frees what r holds, and its place in the queue.
func (l *locks) release(ctx context.Context, r *v1alpha1.AgentRequest) error {
	l.left(store.LockName(r.Spec.Target.URI), r.UID)
	held, err := l.store.LockOn(ctx, r.Spec.Target.URI)
	if errors.Is(err, store.ErrNotFound) || err == nil && !held.HeldBy(r) {
		return nil // should the cache not know the lock yet, then its watch brings the request here again
	}
	if err != nil {
		return err
	}
	return l.store.Unlock(ctx, held, r.UID)
}

// releaseGone frees what requests of that name hold which are not there any more.
func (l *locks) releaseGone(ctx context.Context, key types.NamespacedName) error {
	all, err := l.store.Locks(ctx)
	if err != nil {
		return err
	}
	for _, held := range all {
		if holder, uid := held.Holder(); holder == key {
			if err := l.store.Unlock(ctx, held, uid); err != nil {
				return err
			}
		}
	}
	return nil
}
