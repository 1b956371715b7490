package queue

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/page"
)

// desk is a queue over a fake gateway, in virtual time.
type desk struct {
	*testing.T
	*drive.Driver
	gateway *fakegateway.Gateway
	queue   *Queue
	notices []page.Notice
	// snapshot is the newest that the queue was given.
	snapshot feed.Snapshot
	// slow delays the answers to decisions.
	slow time.Duration

	mu    sync.Mutex
	calls []call
}

// call is a decision as it left the queue.
type call struct {
	name, version string
	approve       bool
}

// atDesk runs do with a queue of n waiting requests, after the first rest is over.
func atDesk(t *testing.T, width, height, n int, do func(*desk)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, width, height, Options{})
		for i := range n {
			d.gateway.Put(item(i).AgentRequest)
		}
		d.refresh()
		d.Wait(restTime)
		do(d)
	})
}

func newDesk(t *testing.T, width, height int, o Options) *desk {
	t.Helper()
	d := &desk{T: t, gateway: fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")}
	o.Look, o.Desk.Gateway, o.Command = look(), d, func(line string) string { return "aip-dev " + line }
	o.Do = func(call func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return call(context.Background()) }
	}
	d.queue = New(o)
	d.queue.Resize(width, height)
	d.Driver = drive.New(t, func(msg tea.Msg) tea.Cmd {
		if n, ok := msg.(page.Notice); ok {
			d.notices = append(d.notices, n)
			return nil
		}
		return d.queue.Update(msg)
	})
	d.snapshot.Mode, d.snapshot.Who = feed.Live, &wire.Whoami{Identity: "aip-reviewer-1", Role: "reviewer", Roles: []string{"reviewer"}}
	return d
}

// Approve and Deny are those of the gateway, after a while.
func (d *desk) Approve(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error) {
	d.note(call{name: name, version: r.ResourceVersion, approve: true})
	return d.gateway.Approve(ctx, namespace, name, r)
}

func (d *desk) Deny(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error) {
	d.note(call{name: name, version: r.ResourceVersion})
	return d.gateway.Deny(ctx, namespace, name, r)
}

// Grade is that of the gateway.
func (d *desk) Grade(ctx context.Context, namespace, name string, v wire.Verdict) (wire.Reported, error) {
	return d.gateway.Grade(ctx, namespace, name, v)
}

// Get is that of the gateway.
func (d *desk) Get(ctx context.Context, namespace, name string) (wire.RequestState, error) {
	return d.gateway.Get(ctx, namespace, name)
}

func (d *desk) note(c call) {
	d.mu.Lock()
	d.calls = append(d.calls, c)
	d.mu.Unlock()
	time.Sleep(d.slow)
}

// sent returns the decisions that left the queue after the first n.
func (d *desk) sent(n int) []call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls[n:])
}

// refresh gives the queue a snapshot of what the gateway has, as the feed does.
func (d *desk) refresh() {
	d.Helper()
	d.read(true)
}

// read is refresh for an answer that may not be complete.
func (d *desk) read(complete bool) {
	d.Helper()
	all, err := d.gateway.List(d.Context(), client.ListOptions{})
	if err != nil {
		d.Fatal(err)
	}
	old := map[types.UID]feed.Item{}
	arrivals := uint64(0)
	for _, it := range d.snapshot.Items {
		old[it.Key()] = it
		arrivals = max(arrivals, it.Arrival)
	}
	items := make([]feed.Item, len(all))
	for i := range all {
		items[i] = feed.Item{AgentRequest: &all[i]}
		known, ok := old[items[i].Key()]
		switch {
		case ok:
			items[i].Arrival = known.Arrival
		case d.snapshot.Complete:
			arrivals++
			items[i].Arrival = arrivals
		}
	}
	slices.SortFunc(items, feed.Compare)
	d.snapshot.Items, d.snapshot.Complete = items, complete
	d.snapshot.Revision++
	d.Send(d.snapshot)
}

// put stores requests and shows them.
func (d *desk) put(items ...feed.Item) {
	d.Helper()
	for _, it := range items {
		d.gateway.Put(it.AgentRequest)
	}
	d.refresh()
}

var actionPattern = regexp.MustCompile(`\bx(\d{5})\b`)

// highlighted returns the number of the request on the highlighted line of the screen, or -1.
func (d *desk) highlighted() int {
	d.Helper()
	for _, line := range strings.Split(d.queue.View(), "\n") {
		if !strings.HasPrefix(line, d.queue.Look.Cursor) {
			continue
		}
		if m := actionPattern.FindStringSubmatch(line); m != nil {
			return number(d.T, m[1])
		}
	}
	return -1
}

// line returns the line of the screen on which the highlighted request is, or -1.
func (d *desk) line() int {
	return slices.IndexFunc(strings.Split(d.queue.View(), "\n"), func(l string) bool {
		return strings.HasPrefix(l, d.queue.Look.Cursor)
	})
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// off returns why a key does nothing now, by the key's name in the footer; ok is false when the footer has no such key.
func (d *desk) off(key string) (cause string, ok bool) {
	for _, k := range d.queue.Keys() {
		if k.Help().Key == key {
			return k.Off, true
		}
	}
	return "", false
}

func (d *desk) wantOff(key, cause string) {
	d.Helper()
	if got, ok := d.off(key); !ok || got != cause {
		d.Errorf("key %s is off for %q (there: %t), want %q", key, got, ok, cause)
	}
}

func (d *desk) wantHighlighted(n int) {
	d.Helper()
	if got := d.highlighted(); got != n {
		d.Errorf("highlighted is request %d, want %d\n%s", got, n, d.queue.View())
	}
}

// prompt returns what the queue asks at the moment, as one text.
func (d *desk) prompt() string { return strings.Join(d.queue.Prompt(), "\n") }

func (d *desk) lastNotice() string {
	if len(d.notices) == 0 {
		return ""
	}
	return d.notices[len(d.notices)-1].Text
}

// uid returns the UID of request i.
func uid(i int) types.UID { return item(i).UID }

// withEndpoints returns item 0 with live endpoints verified.
func withEndpoints() feed.Item {
	it := item(0)
	it.Status.ControlPlaneVerification = &v1alpha1.ControlPlaneVerification{
		TargetExists: true, HasActiveEndpoints: true, ActiveEndpointCount: 2,
	}
	return it
}
