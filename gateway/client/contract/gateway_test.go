// Package contract_test holds the client against a real gateway and a real API server. It is apart from the client's
// other tests because it links both.
package contract_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kube "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is a real gateway with an issuer and a namespace of its own.
type world struct {
	*testkit.Issuer

	address, ns string
	live        kube.Client
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Issuer: testkit.NewIssuer(t), live: testkit.Client(t)}
	w.ns = testkit.Namespace(t, w.live)
	return w
}

// run starts a gateway, at the address of the last one if there was one, and returns what stops it.
func (w *world) run(t *testing.T) (stop func()) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", strings.TrimPrefix(w.address, "http://"))
	if w.address == "" {
		listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	}
	check(t, err)
	w.address = "http://" + listener.Addr().String()
	server, err := gateway.New(gateway.Options{
		Kube: testkit.Kube(t), OIDC: authn.Options{IssuerURL: w.URL, Audience: "aip-gateway"}, Log: slog.New(slog.DiscardHandler),
		Roles:  authz.Config{AgentSubjects: []string{"agent", "other", "newcomer"}, ReviewerSubjects: []string{"reviewer", "rival"}, AdminSubjects: []string{"admin"}},
		Listen: func(string, string) (net.Listener, error) { return listener, nil },
	})
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("gateway: %v", err)
		}
	})
	t.Cleanup(stop)
	as := w.as(t, "agent")
	eventually(t, func() bool { _, err := as.Whoami(t.Context()); return err == nil })
	return stop
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not happen within 20 s")
		}
	}
}

// as returns a client that speaks as subject.
func (w *world) as(t *testing.T, subject string) *client.Client {
	t.Helper()
	return w.observed(t, subject, func(*http.Request) {})
}

// observed returns a client that speaks as subject and tells see of every request before it sends it.
func (w *world) observed(t *testing.T, subject string, see func(*http.Request)) *client.Client {
	t.Helper()
	return w.client(t, see, func(context.Context) (string, error) {
		return w.Token(t, subject), nil
	})
}

func (w *world) client(t *testing.T, see func(*http.Request), source client.TokenSource) *client.Client {
	t.Helper()
	c, err := client.New(w.address, source, &http.Client{Transport: observer(see)})
	check(t, err)
	return c
}

type observer func(*http.Request)

func (see observer) RoundTrip(r *http.Request) (*http.Response, error) {
	see(r)
	return http.DefaultTransport.RoundTrip(r)
}

// hold makes requests for the action wait for a reviewer.
func (w *world) hold(t *testing.T, action string) {
	t.Helper()
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "policy-"},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{{
			Name: "rule", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionRequireApproval,
			Expression: `request.spec.action == "` + action + `"`,
		}}},
	}
	check(t, w.live.Create(t.Context(), p))
	eventually(t, func() bool {
		check(t, w.live.Get(t.Context(), kube.ObjectKeyFromObject(p), p))
		return meta.IsStatusConditionTrue(p.Status.Conditions, "Valid")
	})
}

func (w *world) submit(t *testing.T, action, target string) wire.RequestState {
	t.Helper()
	state, err := w.as(t, "agent").Submit(t.Context(), wire.Submission{Namespace: w.ns, Action: action, TargetURI: target, Reason: "because"})
	check(t, err)
	return state
}

// TestGateway speaks with a real gateway. Its parts share one, which the last of them stops.
func TestGateway(t *testing.T) { // two gateways would drive the same requests
	w := newWorld(t)
	stop := w.run(t)
	w.hold(t, "delete")
	t.Run("with", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *world){
			"every call": everyCall, "every report": everyReport, "every refusal": everyRefusal, "wait": waitDecided, "policies": everyPolicy, "watch": watchAll,
			"registrations": everyRegistration,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, w)
			})
		}
	})
	waitOverRestart(t, w, stop)
}

func everyCall(t *testing.T, w *world) {
	who, err := w.as(t, "reviewer").Whoami(t.Context())
	if err != nil || who.Identity != "reviewer" || who.Role != "reviewer" {
		t.Errorf("found %+v, %v", who, err)
	}
	if state := w.submit(t, "scale-down", "every-call"); state.Phase != v1alpha1.PhaseApproved {
		t.Errorf("found %+v", state)
	}
	first, second := w.submit(t, "delete", "every-call-1"), w.submit(t, "delete", "every-call-2")
	if first.Phase != v1alpha1.PhasePending {
		t.Fatalf("found %+v", first)
	}
	reviewer := w.as(t, "reviewer")
	if done, err := reviewer.Approve(t.Context(), w.ns, first.Name, wire.Review{Reason: "fine"}); err != nil || done.Phase != v1alpha1.PhaseApproved {
		t.Errorf("found %+v, %v", done, err)
	}
	if done, err := reviewer.Deny(t.Context(), w.ns, second.Name, wire.Review{Reason: "no"}); err != nil || done.Phase != v1alpha1.PhaseDenied {
		t.Errorf("found %+v, %v", done, err)
	}
	state, err := w.as(t, "agent").Get(t.Context(), w.ns, second.Name)
	if err != nil || state.HumanApproval == nil || state.HumanApproval.Reason != "no" || state.Denial == nil {
		t.Errorf("found %+v, %v", state, err)
	}
	list, err := reviewer.List(t.Context(), client.ListOptions{Namespace: w.ns, Agent: "agent", Phases: []v1alpha1.Phase{v1alpha1.PhaseDenied}})
	if err != nil || !slices.ContainsFunc(list, func(r v1alpha1.AgentRequest) bool { return r.Name == second.Name }) ||
		slices.ContainsFunc(list, func(r v1alpha1.AgentRequest) bool { return r.Name == first.Name }) {
		t.Errorf("found %d requests, %v", len(list), err)
	}
	if list, err := reviewer.List(t.Context(), client.ListOptions{}); err != nil || slices.ContainsFunc(list, func(r v1alpha1.AgentRequest) bool { return r.Namespace == w.ns }) {
		t.Errorf("namespace default: found %d requests, %v", len(list), err)
	}
}

func notAToken(context.Context) (string, error) { return "abc", nil }

func everyRefusal(t *testing.T, w *world) {
	held := w.submit(t, "delete", "every-refusal")
	approve := func(subject, name string, r wire.Review) error {
		_, err := w.as(t, subject).Approve(t.Context(), w.ns, name, r)
		return err
	}
	_, invalid := w.as(t, "agent").Submit(t.Context(), wire.Submission{Action: "x"})
	_, large := w.as(t, "agent").Submit(t.Context(), wire.Submission{Action: "x", TargetURI: "y", Reason: strings.Repeat("z", wire.MaxBodyBytes)})
	_, badPhase := w.as(t, "agent").List(t.Context(), client.ListOptions{Phases: []v1alpha1.Phase{"Nope"}})
	_, unauthorized := w.client(t, func(*http.Request) {}, notAToken).Whoami(t.Context())
	_, stranger := w.as(t, "other").Get(t.Context(), w.ns, held.Name)
	for name, c := range map[string]struct{ err, class error }{
		"no target":    {invalid, client.ErrInvalid},
		"large body":   {large, client.ErrInvalid},
		"unknown word": {badPhase, client.ErrInvalid},
		"bad token":    {unauthorized, client.ErrUnauthorized},
		"no role":      {approve("agent", held.Name, wire.Review{}), client.ErrForbidden},
		"stranger":     {stranger, client.ErrForbidden},
		"absent":       {approve("reviewer", "absent", wire.Review{}), client.ErrNotFound},
		"path in name": {approve("reviewer", "../agent-requests/"+held.Name, wire.Review{}), client.ErrNotFound},
		"old version":  {approve("reviewer", held.Name, wire.Review{ResourceVersion: "1"}), client.ErrConflict},
		"fine":         {approve("reviewer", held.Name, wire.Review{}), nil},
		"twice":        {approve("rival", held.Name, wire.Review{}), client.ErrConflict},
	} {
		var status *client.StatusError
		if !errors.Is(c.err, c.class) || c.class != nil && (!errors.As(c.err, &status) || status.RequestID == "" || strings.HasPrefix(status.Message, "4")) {
			t.Errorf("%s: found %v, expected %v", name, c.err, c.class)
		}
	}
}

func waitDecided(t *testing.T, w *world) {
	agent, reviewer := w.as(t, "agent"), w.as(t, "reviewer")
	if _, err := agent.WaitDecided(t.Context(), w.ns, "absent"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("absent: found %v", err)
	}
	done := w.submit(t, "scale-down", "wait")
	if state, err := agent.WaitDecided(t.Context(), w.ns, done.Name); err != nil || state.Phase != v1alpha1.PhaseApproved {
		t.Errorf("decided already: found %+v, %v", state, err)
	}
	held := w.submit(t, "delete", "wait")
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if state, err := agent.WaitDecided(short, w.ns, held.Name); !errors.Is(err, context.DeadlineExceeded) || state.Phase != v1alpha1.PhasePending {
		t.Errorf("nobody decides: found %+v, %v", state, err)
	}
	state, err := whileWaiting(t, w, held.Name, func() {
		_, err := reviewer.Deny(t.Context(), w.ns, held.Name, wire.Review{Reason: "no"})
		check(t, err)
	})
	if err != nil || state.Phase != v1alpha1.PhaseDenied || state.HumanApproval.Reason != "no" {
		t.Errorf("denied meanwhile: found %+v, %v", state, err)
	}
	held = w.submit(t, "delete", "wait, then gone")
	_, err = whileWaiting(t, w, held.Name, func() {
		check(t, w.live.Delete(t.Context(), &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: held.Name}}))
	})
	if !errors.Is(err, client.ErrNotFound) {
		t.Errorf("deleted meanwhile: found %v", err)
	}
}

// whileWaiting calls act once an agent waits for the decision on a request, and returns what the agent gets.
func whileWaiting(t *testing.T, w *world, name string, act func()) (wire.RequestState, error) {
	t.Helper()
	waits := make(chan struct{})
	var once sync.Once
	agent := w.observed(t, "agent", func(r *http.Request) {
		if r.URL.Query().Has("watch") {
			once.Do(func() { close(waits) })
		}
	})
	var state wire.RequestState
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		state, err = agent.WaitDecided(t.Context(), w.ns, name)
	}()
	<-waits
	act()
	<-ended
	return state, err
}

func watchAll(t *testing.T, w *world) {
	var known string
	synced := false
	stop := errors.New("enough")
	err := w.as(t, "reviewer").Watch(t.Context(), client.ListOptions{Namespace: w.ns}, func(e wire.Event) error {
		switch {
		case e.Type == wire.EventSynced:
			synced = true
			known = w.submit(t, "scale-down", "watch").Name
		case synced && e.Object.Name == known && e.Object.Status.Phase == v1alpha1.PhaseApproved:
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("found %v", err)
	}
}

// waitOverRestart: a rollout of the gateway does not end a wait.
func waitOverRestart(t *testing.T, w *world, stop func()) {
	t.Helper()
	held := w.submit(t, "delete", "restart")
	state, err := whileWaiting(t, w, held.Name, func() {
		stop()
		if _, err := w.as(t, "agent").WaitDecided(t.Context(), w.ns, held.Name); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("a gateway that never answered: found %v", err)
		}
		w.run(t)
		_, err := w.as(t, "reviewer").Approve(t.Context(), w.ns, held.Name, wire.Review{})
		check(t, err)
	})
	if err != nil || state.Phase != v1alpha1.PhaseApproved {
		t.Errorf("found %+v, %v", state, err)
	}
}
