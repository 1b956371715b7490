package feed

import (
	"cmp"
	"context"
	"reflect"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Source is what the feed asks of the gateway. *client.Client satisfies it.
type Source interface {
	Whoami(ctx context.Context) (wire.Whoami, error)
	List(ctx context.Context, o client.ListOptions) ([]v1alpha1.AgentRequest, error)
	// Watch calls each for every event, in order and from one goroutine, until ctx ends, each fails or the stream ends.
	Watch(ctx context.Context, o client.ListOptions, each func(wire.Event) error) error
}

// Mode says where the data of a Snapshot comes from.
type Mode int

// The modes. Only Live and Polling show the present.
const (
	// Connecting: no complete answer yet, or a stream ended a moment ago and is being opened again.
	Connecting Mode = iota
	// Live: changes arrive as they happen.
	Live
	// Polling: the gateway streams nothing, so it is asked every two seconds.
	Polling
	// Away: the gateway does not answer, or refuses the token.
	Away
)

// Item is one AgentRequest in a Snapshot. The object is shared and must not be changed.
type Item struct {
	*v1alpha1.AgentRequest
	// Arrival numbers the requests that came after the first complete answer, from 1; it is 0 for the others.
	Arrival uint64
}

// Key identifies the request for as long as it lives: its UID, or namespace/name where the gateway sends none.
func (i Item) Key() types.UID { return keyOf(i.AgentRequest) }

func keyOf(r *v1alpha1.AgentRequest) types.UID {
	return cmp.Or(r.UID, types.UID(r.Namespace+"/"+r.Name))
}

// Compare orders requests by age, oldest first; it is total, so that equal ages do not change places.
func Compare(a, b Item) int {
	return cmp.Or(
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name),
		strings.Compare(string(a.UID), string(b.UID)),
	)
}

// Snapshot is everything that is known at one moment. It is a value that is replaced whole and never changed.
type Snapshot struct {
	// Items are in the order of Compare.
	Items []Item
	// Revision changes whenever Items do.
	Revision uint64
	// Complete says that Items once were the whole answer of the gateway. It stays true while the gateway is away. Before,
	// Items are what was read so far.
	Complete bool
	// Loading counts the requests of an answer that is not complete yet.
	Loading int
	Mode    Mode
	// Who is the identity that the gateway sees; nil until it said so.
	Who *wire.Whoami
	// Since, RetryAt, Cause and Refused are about Mode Away: when the last good answer was, when the next attempt is
	// made, the error, and whether the gateway answered but refused the token.
	Since   time.Time
	RetryAt time.Time
	Cause   string
	Refused bool
}

// Current reports whether the Snapshot shows the present, so that decisions may rest on it.
func (s Snapshot) Current() bool { return s.Mode == Live || s.Mode == Polling }

// gap is the shortest time between two Snapshots: about 30 a second, however much happens.
const gap = 33 * time.Millisecond

// Feed follows one gateway. Run does the work, Next hands out the result to one reader.
type Feed struct {
	source Source
	now    func() time.Time

	// dirty holds a token when there is something new, ready one when gap has passed since the last Snapshot.
	dirty, ready chan struct{}

	mu    sync.Mutex
	state state
}

// New returns a Feed that knows nothing until Run is called.
func New(source Source, now func() time.Time) *Feed {
	f := &Feed{source: source, now: now, dirty: make(chan struct{}, 1), ready: make(chan struct{}, 1)}
	f.ready <- struct{}{}
	f.change(func(s *state) { s.begin() })
	return f
}

// Next waits for something new and returns the newest Snapshot, or false when ctx ends. What happened in between is
// not told one by one.
func (f *Feed) Next(ctx context.Context) (Snapshot, bool) {
	for _, c := range []chan struct{}{f.ready, f.dirty} {
		select {
		case <-ctx.Done():
			return Snapshot{}, false
		case <-c:
		}
	}
	time.AfterFunc(gap, func() { f.ready <- struct{}{} })
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.snapshot(), true
}

// change applies do to the state and wakes the reader.
func (f *Feed) change(do func(*state)) {
	f.mu.Lock()
	do(&f.state)
	f.mu.Unlock()
	select {
	case f.dirty <- struct{}{}:
	default:
	}
}

// knows reports whether who is what everybody was told already.
func (f *Feed) knows(who wire.Whoami) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state.shown.Who != nil && reflect.DeepEqual(*f.state.shown.Who, who)
}
