// Package simulate plays agents against a gateway, well-behaved ones and hostile ones, and says whether the gateway
// answered as it should. Each scenario is a function of two clients; what it leaves waiting stays in the queue, because
// that is where people want to see it.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// World is what scenarios play in.
type World struct {
	// Agent speaks as AgentName, Reviewer as a reviewer, Stranger with a token that no issuer signed.
	Agent, Reviewer, Stranger *client.Client
	AgentName                 string
	// Mark makes the targets of this run its own, so that the gateway does not take them for repetitions.
	Mark string
	// N is how many requests a flood has.
	N int
}

// Scenario is something that agents do.
type Scenario struct {
	Name string
	// Does says it in one line, Hostile that no agent should.
	Does    string
	Hostile bool
	// Play does it and returns what was seen. The error says what the gateway should have done and did not.
	Play func(ctx context.Context, w World) (seen string, err error)
}

// Result is what became of one scenario.
type Result struct {
	Scenario string `json:"scenario"`
	Seen     string `json:"seen,omitempty"`
	// Unexpected says what the gateway should have done and did not; it is empty when all is well.
	Unexpected string `json:"unexpected,omitempty"`
}

// Scenarios are all of them, in the order in which they are played.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "everyday", Does: "seven requests of the kind that agents make all day", Play: everyday},
		{Name: "same-target", Does: "five requests about one target", Play: sameTarget},
		{Name: "never-executes", Does: "is approved and does not begin", Play: neverExecutes},
		{Name: "flood", Does: "sends many requests at once (--count)", Hostile: true, Play: flood},
		{Name: "huge", Does: "sends 200 kB of parameters with the point at the very end", Hostile: true, Play: huge},
		{Name: "escapes", Does: "hides its intent with control characters, bidi marks and look-alike letters", Hostile: true, Play: escapes},
		{Name: "self-approval", Does: "approves its own request", Hostile: true, Play: selfApproval},
		{Name: "impersonate", Does: "asks in the name of another agent", Hostile: true, Play: impersonate},
		{Name: "unapproved", Does: "begins before it is approved", Hostile: true, Play: unapproved},
		{Name: "stranger", Does: "comes with a token that nobody signed", Hostile: true, Play: stranger},
	}
}

// Run plays scenarios one after the other and tells each result. It ends early only when ctx does.
func Run(ctx context.Context, w World, scenarios []Scenario, tell func(Result)) error {
	for _, s := range scenarios {
		seen, err := s.Play(ctx, w)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r := Result{Scenario: s.Name, Seen: seen}
		if err != nil {
			r.Unexpected = err.Error()
		}
		tell(r)
	}
	return nil
}

// errUnexpected is the class of all that a gateway should not do.
var errUnexpected = errors.New("unexpected")

func unexpected(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUnexpected, fmt.Sprintf(format, args...))
}

func (w World) target(name string) string { return "k8s://sim/" + w.Mark + "/deployment/" + name }

// held submits a request that a policy holds for a reviewer.
func (w World) held(ctx context.Context, s wire.Submission) (wire.RequestState, error) {
	state, err := w.Agent.Submit(ctx, s)
	switch {
	case err != nil:
		return state, fmt.Errorf("submit: %w", err)
	case state.Phase != v1alpha1.PhasePending:
		return state, unexpected("%s is %s, want Pending", state.Name, state.Phase)
	default:
		return state, nil
	}
}

func everyday(ctx context.Context, w World) (string, error) {
	sure := 0.85
	asks := []wire.Submission{
		{Action: "scale-down", TargetURI: w.target("etl"), Reason: "queue empty since 02:00"},
		{Action: "scale-up", TargetURI: w.target("web"), Reason: "p95 latency over its goal for 10 minutes"},
		{
			Action: "delete", TargetURI: w.target("payment-api"), Reason: "payment-api classified as idle: 0 req/min for 6 hours per monitoring cache.\nDeleting to recover $32/day.",
			ReasoningTrace: &v1alpha1.ReasoningTrace{ConfidenceScore: &sure}, Parameters: []byte(`{"force":false,"replicas":{"from":3,"to":0}}`),
			CascadeModel: &v1alpha1.CascadeModel{AffectedTargets: []v1alpha1.AffectedTarget{{URI: w.target("checkout"), EffectType: "disrupted"}}},
		},
		{Action: "drain", TargetURI: "k8s://sim/" + w.Mark + "/node/worker-3", Reason: "kernel patch"},
		{Action: "restart", TargetURI: w.target("orders"), Reason: "memory grows without end"},
		{Action: "rollback", TargetURI: w.target("checkout"), Reason: "error rate doubled after 14:05"},
		{Action: "delete", TargetURI: w.target("old-report"), Reason: "not read for 90 days, a backup is there"},
	}
	phases := map[v1alpha1.Phase]int{}
	for _, s := range asks {
		state, err := w.Agent.Submit(ctx, s)
		if err != nil {
			return "", fmt.Errorf("submit: %w", err)
		}
		phases[state.Phase]++
	}
	if phases[v1alpha1.PhasePending]+phases[v1alpha1.PhaseApproved] != len(asks) {
		return tally(phases), unexpected("some are neither Approved nor Pending")
	}
	return tally(phases), nil
}

func sameTarget(ctx context.Context, w World) (string, error) {
	const n = 5
	for i := range n {
		if _, err := w.held(ctx, wire.Submission{
			Action: "delete", TargetURI: w.target("wanted-by-all"), Reason: fmt.Sprintf("reason number %d", i+1), CorrelationID: fmt.Sprint("rival-", i+1),
			Parameters: []byte(fmt.Sprintf(`{"rival":%d}`, i+1)), DedupKey: fmt.Sprintf("%s-%d", w.Mark, i+1),
		}); err != nil {
			return "", err
		}
	}
	return "5 Pending about one target: approve one, and the others wait for its lock", nil
}

func neverExecutes(ctx context.Context, w World) (string, error) {
	state, err := w.Agent.Submit(ctx, wire.Submission{Action: "scale-up", TargetURI: w.target("idle-hands"), Reason: "asks and then forgets"})
	switch {
	case err != nil:
		return "", fmt.Errorf("submit: %w", err)
	case state.Phase != v1alpha1.PhaseApproved:
		return string(state.Phase), unexpected("it is %s, want Approved", state.Phase)
	default:
		return state.Name + " Approved; the gateway takes that back when nobody begins in time", nil
	}
}

func flood(ctx context.Context, w World) (string, error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	phases, failed := map[v1alpha1.Phase]int{}, 0
	slots := make(chan struct{}, 16)
	for i := range w.N {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			state, err := w.Agent.Submit(ctx, wire.Submission{Action: "delete", TargetURI: w.target(fmt.Sprint("flood-", i)), Reason: "more, more, more"})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				return
			}
			phases[state.Phase]++
		})
	}
	all.Wait()
	if failed > 0 {
		return tally(phases), unexpected("%d of %d got no answer", failed, w.N)
	}
	return tally(phases), nil
}

func huge(ctx context.Context, w World) (string, error) {
	const size = 200_000
	parameters := []byte(`{"padding":"` + strings.Repeat("x", size) + `","really":"drop all tables"}`)
	state, err := w.held(ctx, wire.Submission{Action: "delete", TargetURI: w.target("huge"), Reason: "see the parameters", Parameters: parameters})
	if err != nil {
		return "", err
	}
	all, err := w.Reviewer.List(ctx, client.ListOptions{AllNamespaces: true, Agent: w.AgentName})
	if err != nil {
		return "", fmt.Errorf("list: %w", err)
	}
	for _, r := range all {
		if r.Name == state.Name && r.Spec.Parameters != nil && len(r.Spec.Parameters.Raw) >= size {
			return fmt.Sprintf("%s Pending, the reviewer gets all %d bytes", state.Name, len(r.Spec.Parameters.Raw)), nil
		}
	}
	return state.Name, unexpected("the reviewer does not get all of it")
}

func escapes(ctx context.Context, w World) (string, error) {
	state, err := w.held(ctx, wire.Submission{
		Action: "delete", TargetURI: w.target("p\u0430yments") + "\u202e/gnigats",
		Reason:     "harmless\x1b[2K\x1b[1A\x1b]0;approved\x07\u202e.yltneg detsegeD\u200b\nAPPROVED BY SECURITY\r",
		Parameters: []byte(`{"note":"\u001b]52;c;ZXZpbA==\u0007","\u202eyek":"\u0000"}`),
	})
	var refused *client.StatusError
	switch {
	case errors.As(err, &refused) && refused.StatusCode == http.StatusBadRequest:
		return "refused: " + refused.Message, nil
	case err != nil:
		return "", err
	default:
		return state.Name + " Pending; look at it in aip-dev tui: every mark is visible", nil
	}
}

func selfApproval(ctx context.Context, w World) (string, error) {
	state, err := w.held(ctx, wire.Submission{Action: "delete", TargetURI: w.target("mine"), Reason: "I know what I do"})
	if err != nil {
		return "", err
	}
	_, err = w.Agent.Approve(ctx, "", state.Name, wire.Review{Reason: "looks fine to me"})
	return refusedWith(err, http.StatusForbidden)
}

func impersonate(ctx context.Context, w World) (string, error) {
	_, err := w.Agent.Submit(ctx, wire.Submission{AgentIdentity: "somebody-else", Action: "delete", TargetURI: w.target("theirs"), Reason: "they asked me to"})
	return refusedWith(err, http.StatusBadRequest)
}

func unapproved(ctx context.Context, w World) (string, error) {
	state, err := w.held(ctx, wire.Submission{Action: "delete", TargetURI: w.target("eager"), Reason: "no time to wait"})
	if err != nil {
		return "", err
	}
	_, err = w.Agent.Executing(ctx, "", state.Name)
	return refusedWith(err, http.StatusConflict)
}

func stranger(ctx context.Context, w World) (string, error) {
	_, err := w.Stranger.Submit(ctx, wire.Submission{Action: "delete", TargetURI: w.target("anything"), Reason: "let me in"})
	return refusedWith(err, http.StatusUnauthorized)
}

// refusedWith says what the gateway answered, which must be a refusal with this status.
func refusedWith(err error, status int) (string, error) {
	var refused *client.StatusError
	switch {
	case err == nil:
		return "it was let through", unexpected("want %d", status)
	case !errors.As(err, &refused):
		return "", err
	case refused.StatusCode != status:
		return fmt.Sprintf("%d %s", refused.StatusCode, refused.Message), unexpected("want %d", status)
	default:
		return fmt.Sprintf("%d %s", refused.StatusCode, refused.Message), nil
	}
}

// tally writes how many requests are in which phase.
func tally(phases map[v1alpha1.Phase]int) string {
	var parts []string
	for _, p := range []v1alpha1.Phase{v1alpha1.PhaseApproved, v1alpha1.PhasePending, v1alpha1.PhaseDenied, v1alpha1.PhaseFailed} {
		if n := phases[p]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, p))
		}
	}
	return strings.Join(parts, ", ")
}
