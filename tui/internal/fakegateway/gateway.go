package fakegateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// errDown is what a caller meets while the gateway is away.
var errDown = errors.New("connect: connection refused")

// Decision is one review that the gateway received and let pass.
type Decision struct {
	UID      types.UID
	Name     string
	Approved bool
	Review   wire.Review
}

// Gateway is the fake. All methods are safe for use by several goroutines.
type Gateway struct {
	now func() time.Time

	mu        sync.Mutex
	who       wire.Whoami
	requests  map[types.UID]*v1alpha1.AgentRequest
	targets   map[string]wire.Target
	version   int
	decisions []Decision
	calls     int
	down      bool
	refused   bool
	mute      bool
	watchers  map[*watcher]struct{}
}

// watcher is one open stream. Its queue has no bound, so that nobody waits for a slow reader.
type watcher struct {
	queue []wire.Event
	wake  chan struct{}
	ended bool
}

// New returns a gateway without requests that answers to the identity name with the roles given, highest first.
func New(now func() time.Time, name string, roles ...string) *Gateway {
	who := wire.Whoami{Identity: name, Role: "unknown", Roles: roles}
	if len(roles) > 0 {
		who.Role = roles[0]
	}
	return &Gateway{
		now: now, who: who, requests: map[types.UID]*v1alpha1.AgentRequest{}, targets: map[string]wire.Target{}, watchers: map[*watcher]struct{}{},
	}
}

// Put stores r as it is, under a new resource version, and tells the watchers.
func (g *Gateway) Put(r *v1alpha1.AgentRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(r.DeepCopy())
}

func (g *Gateway) put(r *v1alpha1.AgentRequest) {
	event := wire.EventModified
	if _, known := g.requests[r.UID]; !known {
		event = wire.EventAdded
	}
	g.version++
	r.ResourceVersion = strconv.Itoa(g.version)
	g.requests[r.UID] = r
	g.tell(wire.Event{Type: event, Object: r})
}

// Remove deletes the request with this UID and tells the watchers.
func (g *Gateway) Remove(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, ok := g.requests[uid]; ok {
		delete(g.requests, uid)
		g.tell(wire.Event{Type: wire.EventDeleted, Object: r})
	}
}

// SetDown makes the gateway unreachable, or reachable again. Going down ends all streams.
func (g *Gateway) SetDown(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
	if down {
		g.endStreams()
	}
}

// SetRefused makes the gateway refuse the token with 401, or accept it again.
func (g *Gateway) SetRefused(refused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = refused
}

// SetMute makes new streams say nothing, as behind a proxy that holds streams back.
func (g *Gateway) SetMute(mute bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mute = mute
	g.endStreams()
}

// EndStreams ends all streams, as a gateway that restarts does.
func (g *Gateway) EndStreams() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.endStreams()
}

func (g *Gateway) endStreams() {
	for w := range g.watchers {
		w.ended = true
		w.signal()
	}
}

// Decisions returns the reviews that passed, in order.
func (g *Gateway) Decisions() []Decision {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.decisions)
}

// Calls returns how many approvals and denials were sent, passed or not.
func (g *Gateway) Calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

func (g *Gateway) tell(e wire.Event) {
	for w := range g.watchers {
		w.queue = append(w.queue, e)
		w.signal()
	}
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// answering returns the error that every call meets at present.
func (g *Gateway) answering() error {
	switch {
	case g.down:
		return fmt.Errorf("%w: %w", client.ErrUnavailable, errDown)
	case g.refused:
		return refuse(http.StatusUnauthorized, "invalid token")
	default:
		return nil
	}
}

func refuse(status int, format string, args ...any) error {
	return &client.StatusError{StatusCode: status, Message: fmt.Sprintf(format, args...)}
}

// Whoami answers GET /whoami.
func (g *Gateway) Whoami(context.Context) (wire.Whoami, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.who, g.answering()
}

// List answers GET /agent-requests with everything, in no order.
func (g *Gateway) List(context.Context, client.ListOptions) ([]v1alpha1.AgentRequest, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.answering(); err != nil {
		return nil, err
	}
	all := make([]v1alpha1.AgentRequest, 0, len(g.requests))
	for _, r := range g.requests {
		all = append(all, *r)
	}
	return all, nil
}

// Watch answers GET /agent-requests?watch=true.
func (g *Gateway) Watch(ctx context.Context, _ client.ListOptions, each func(wire.Event) error) error {
	w, err := g.open()
	if err != nil {
		return err
	}
	defer g.close(w)
	for {
		events, ended := g.take(w)
		for _, e := range events {
			if err := each(e); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		}
	}
}

func (g *Gateway) open() (*watcher, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.answering(); err != nil {
		return nil, err
	}
	w := &watcher{wake: make(chan struct{}, 1)}
	if g.mute {
		return w, nil
	}
	for _, r := range slices.SortedFunc(maps.Values(g.requests), byName) {
		w.queue = append(w.queue, wire.Event{Type: wire.EventAdded, Object: r})
	}
	w.queue = append(w.queue, wire.Event{Type: wire.EventSynced})
	g.watchers[w] = struct{}{}
	return w, nil
}

func byName(a, b *v1alpha1.AgentRequest) int { return strings.Compare(a.Name, b.Name) }

func (g *Gateway) take(w *watcher) ([]wire.Event, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	events := w.queue
	w.queue = nil
	return events, w.ended
}

func (g *Gateway) close(w *watcher) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.watchers, w)
}

// Approve answers POST /agent-requests/{name}/approve.
func (g *Gateway) Approve(_ context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error) {
	return g.decide(namespace, name, r, true)
}

// Deny answers POST /agent-requests/{name}/deny.
func (g *Gateway) Deny(_ context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error) {
	return g.decide(namespace, name, r, false)
}

// Get answers GET /agent-requests/{name}.
func (g *Gateway) Get(_ context.Context, namespace, name string) (wire.RequestState, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.answering(); err != nil {
		return wire.RequestState{}, err
	}
	for _, r := range g.requests {
		if r.Name == name && r.Namespace == cmp.Or(namespace, "default") {
			return wire.StateOf(r), nil
		}
	}
	return wire.RequestState{}, refuse(http.StatusNotFound, "AgentRequest not found")
}

func (g *Gateway) decide(namespace, name string, review wire.Review, approve bool) (wire.Reviewed, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if err := g.answering(); err != nil {
		return wire.Reviewed{}, err
	}
	r, err := g.decidable(namespace, name, review)
	if err != nil {
		return wire.Reviewed{}, err
	}
	r = r.DeepCopy()
	g.decisions = append(g.decisions, Decision{UID: r.UID, Name: name, Approved: approve, Review: review})
	g.settle(r, g.who.Identity, review.Reason, approve)
	if t := g.targets[name]; approve && t.Changed != "" {
		g.drift(r, t.Changed)
	}
	return wire.Reviewed{Name: name, Phase: r.Status.Phase}, nil
}

// drift denies what was approved, because the target is not what the reviewer saw.
func (g *Gateway) drift(r *v1alpha1.AgentRequest, changed string) {
	r.Status.Phase = v1alpha1.PhaseDenied
	r.Status.Denial = &v1alpha1.Denial{
		Code: v1alpha1.DenialStateDrifted, Message: "The approval does not count: " + changed + ". Submit the request again",
	}
	g.put(r)
}

// decidable returns the request, or the refusal of the real gateway in its order (contract: approve, deny).
func (g *Gateway) decidable(namespace, name string, review wire.Review) (*v1alpha1.AgentRequest, error) {
	if !slices.Contains(g.who.Roles, "reviewer") {
		return nil, refuse(http.StatusForbidden, "reviewer role required")
	}
	for _, r := range g.requests {
		if r.Name != name || r.Namespace != cmp.Or(namespace, "default") {
			continue
		}
		switch {
		case r.Spec.AgentIdentity == g.who.Identity:
			return nil, refuse(http.StatusForbidden, "forbidden: self-approval not permitted")
		case r.Status.Phase != v1alpha1.PhasePending && r.Spec.HumanApproval != nil:
			return nil, refuse(http.StatusConflict, "already %s by %s", r.Spec.HumanApproval.Decision,
				r.Spec.HumanApproval.ApprovedBy)
		case r.Status.Phase != v1alpha1.PhasePending:
			return nil, refuse(http.StatusConflict, "request is in phase %q — can only approve/deny when Pending",
				r.Status.Phase)
		case review.ResourceVersion != "" && review.ResourceVersion != r.ResourceVersion:
			return nil, refuse(http.StatusConflict, "the request changed since it was read")
		default:
			return r, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "AgentRequest not found")
}

// Settle decides a request as somebody else, past all rules.
func (g *Gateway) Settle(uid types.UID, by, reason string, approve bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r, ok := g.requests[uid]; ok {
		g.settle(r.DeepCopy(), by, reason, approve)
	}
}

func (g *Gateway) settle(r *v1alpha1.AgentRequest, by, reason string, approve bool) {
	at := metav1.NewTime(g.now())
	meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionRequiresApproval, Status: metav1.ConditionFalse, Reason: "Decided", LastTransitionTime: at,
	})
	r.Spec.HumanApproval = &v1alpha1.HumanApproval{Decision: v1alpha1.DecisionDenied, Reason: reason, ApprovedBy: by}
	r.Status.Phase = v1alpha1.PhaseDenied
	if approve {
		r.Spec.HumanApproval.Decision = v1alpha1.DecisionApproved
		r.Status.Phase = v1alpha1.PhaseApproved
		meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionApproved, Status: metav1.ConditionTrue, Reason: "Approved",
			Message: "Approved by " + by, LastTransitionTime: at,
		})
	} else {
		r.Status.Denial = &v1alpha1.Denial{Code: v1alpha1.DenialPolicyViolation, Message: "Denied by " + by + ": " + reason}
	}
	g.put(r)
}
