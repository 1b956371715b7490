package reconcile

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// queue holds who waits for which lock, in the order in which they get it: the highest priority first, among equals
// the oldest.
type queue struct {
	mu      sync.Mutex
	waiting map[string][]waiter
}

// waiter is a request that waits.
type waiter struct {
	key      types.NamespacedName
	uid      types.UID
	priority int32
	created  time.Time
}

func newQueue() *queue { return &queue{waiting: map[string][]waiter{}} }

func waiterOf(r *v1alpha1.AgentRequest) waiter {
	return waiter{
		key: types.NamespacedName{Namespace: r.Namespace, Name: r.Name}, uid: r.UID,
		priority: ptr.Deref(r.Spec.Priority, 0), created: r.CreationTimestamp.Time,
	}
}

// before reports whether w goes before other. Neither does when both have the same priority and second of creation.
func (w waiter) before(other waiter) bool {
	return cmp.Or(cmp.Compare(other.priority, w.priority), w.created.Compare(other.created)) < 0
}

// join makes w wait for a lock, unless it does already, and returns how many come before it.
func (q *queue) join(lock string, w waiter) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.waiting[lock]
	if at := slices.IndexFunc(list, func(x waiter) bool { return x.uid == w.uid }); at >= 0 {
		return at
	}
	at := slices.IndexFunc(list, w.before) // those of the same second go in the order in which they came
	if at < 0 {
		at = len(list)
	}
	q.waiting[lock] = slices.Insert(list, at, w)
	return at
}

// leave takes a request out and returns who is first then, if it was the first and anybody waits.
func (q *queue) leave(lock string, uid types.UID) (next types.NamespacedName, changed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.waiting[lock]
	at := slices.IndexFunc(list, func(x waiter) bool { return x.uid == uid })
	if at < 0 {
		return next, false
	}
	if list = slices.Delete(list, at, at+1); len(list) == 0 {
		delete(q.waiting, lock)
		return next, false
	}
	q.waiting[lock] = list
	return list[0].key, at == 0
}

// first returns who gets a lock next.
func (q *queue) first(lock string) (types.NamespacedName, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if list := q.waiting[lock]; len(list) > 0 {
		return list[0].key, true
	}
	return types.NamespacedName{}, false
}
