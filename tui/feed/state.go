package feed

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// state is what the feed knows. Its fields are the ones of Snapshot, plus what it takes to build Items.
type state struct {
	shown Snapshot

	items    map[types.UID]Item
	arrivals uint64
	// added are the keys that are in items but not in shown.Items yet; stale says that shown.Items must be made anew.
	added []types.UID
	stale bool

	// loading is the answer of a stream that has not sent everything yet; nil when there is none.
	loading map[types.UID]*v1alpha1.AgentRequest
}

// begin starts a new complete answer. What is shown stays until the answer is complete.
func (s *state) begin() {
	if s.items == nil {
		s.items = map[types.UID]Item{}
	}
	s.loading = map[types.UID]*v1alpha1.AgentRequest{}
}

// apply takes in one event about an object.
func (s *state) apply(e wire.Event) {
	if e.Object == nil {
		return
	}
	key := keyOf(e.Object)
	switch {
	case e.Type == wire.EventDeleted && s.loading != nil:
		delete(s.loading, key)
	case e.Type == wire.EventDeleted:
		s.remove(key)
	case s.loading != nil:
		s.loading[key] = e.Object
		s.shown.Loading = len(s.loading)
		s.preview(e.Object)
	default:
		s.put(e.Object)
	}
}

// firstShown is how many requests of the first answer are shown as soon as they are there.
const firstShown = 50

// preview takes in a request of the first answer before that is complete, so that there is something to read. What is shown
// is made anew each time that it doubled, because that takes longer the more there are.
func (s *state) preview(r *v1alpha1.AgentRequest) {
	if s.shown.Complete {
		return
	}
	stale := s.stale
	s.put(r)
	s.stale = stale || len(s.items) >= max(firstShown, 2*len(s.shown.Items))
}

// complete ends the answer that begin started: what it did not mention is gone.
func (s *state) complete(mode Mode) {
	for _, r := range s.loading {
		s.put(r)
	}
	for key := range s.items {
		if _, ok := s.loading[key]; !ok {
			s.remove(key)
		}
	}
	s.stale = s.stale || len(s.added) > 0
	s.loading, s.shown.Loading = nil, 0
	s.shown.Complete = true
	s.connected(mode)
}

// put stores r, unless this version of it is known.
func (s *state) put(r *v1alpha1.AgentRequest) {
	key := keyOf(r)
	old, known := s.items[key]
	if known && old.ResourceVersion == r.ResourceVersion && r.ResourceVersion != "" {
		return
	}
	item := Item{AgentRequest: r, Arrival: old.Arrival}
	if !known {
		s.added = append(s.added, key)
		if s.shown.Complete {
			s.arrivals++
			item.Arrival = s.arrivals
		}
	}
	s.items[key] = item
	s.stale = true
}

func (s *state) remove(key types.UID) {
	if _, known := s.items[key]; known {
		delete(s.items, key)
		s.stale = true
	}
}

func (s *state) connected(mode Mode) {
	s.shown.Mode = mode
	s.shown.Since, s.shown.RetryAt, s.shown.Cause, s.shown.Refused = time.Time{}, time.Time{}, "", false
}

// away notes that the gateway did not answer; since is kept over repeated failures.
func (s *state) away(now, retryAt time.Time, cause error, refused bool) {
	if s.shown.Mode != Away {
		s.shown.Since = now
	}
	s.shown.Mode, s.shown.RetryAt, s.shown.Cause, s.shown.Refused = Away, retryAt, cause.Error(), refused
}

// snapshot returns the present state. It copies the list of items only when that changed.
func (s *state) snapshot() Snapshot {
	if s.stale {
		s.shown.Items = s.sorted()
		s.shown.Revision++
		s.stale, s.added = false, nil
	}
	return s.shown
}

// sorted returns the items in order. Requests mostly arrive in the order of their age, so there is seldom anything to
// sort.
func (s *state) sorted() []Item {
	items := make([]Item, 0, len(s.items))
	placed := make(map[types.UID]struct{}, len(s.added))
	for _, old := range s.shown.Items {
		if item, ok := s.items[old.Key()]; ok {
			items = append(items, item)
		}
	}
	before := len(items)
	for _, key := range s.added {
		item, ok := s.items[key]
		if _, twice := placed[key]; !ok || twice {
			continue
		}
		placed[key] = struct{}{}
		items = append(items, item)
	}
	if before < len(items) && !slices.IsSortedFunc(items, Compare) {
		slices.SortFunc(items, Compare)
	}
	return items
}
