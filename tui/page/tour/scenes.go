// Package tour is the guided tour: an agent on one side, its reviewer on the other, and four scenes that show what the
// gateway is for. It runs as a page, one key a step, or plays by itself as lines of text; both do the same against a
// real gateway.
package tour

import (
	"context"
	"errors"
	"fmt"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/journal"
)

// Agent is the gateway as the agent sees it. *client.Client satisfies it.
type Agent interface {
	Submit(ctx context.Context, s wire.Submission) (wire.RequestState, error)
	Get(ctx context.Context, namespace, name string) (wire.RequestState, error)
	Approve(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error)
}

// Cast is who takes part, and the names under which they do.
type Cast struct {
	Agent                   Agent
	Reviewer                decide.Desk
	AgentName, ReviewerName string
}

// act is what is done about the request of a scene.
type act int

const (
	// allowed needs nobody: no policy asks for a decision.
	allowed act = iota
	approve
	deny
	// approveSelf is the agent's try to approve what it asked for.
	approveSelf
)

// scene is one request and what becomes of it.
type scene struct {
	title, tells string
	asks         wire.Submission
	act          act
	reason       string
	// learn is what the scene shows, said at its end.
	learn string
}

// scenes is the whole tour. Targets carry a mark, so that a second tour is not taken for a repetition of the first.
func scenes(mark string) []scene {
	target := func(name string) string { return "k8s://tour/" + mark + "/deployment/" + name }
	return []scene{
		{
			title: "An agent asks for something harmless",
			tells: "No policy speaks against it, so nobody is asked. The answer comes at once.",
			asks:  wire.Submission{Action: "scale-up", TargetURI: target("web"), Reason: "p95 latency is over its goal"},
			act:   allowed, learn: "The agent got its answer in the same call: phase Approved.",
		},
		{
			title: "It asks for something that can destroy",
			tells: "A policy holds it for a person. You are that person: read it, then approve.",
			asks:  wire.Submission{Action: "delete", TargetURI: target("old-report"), Reason: "not read for 90 days, a backup is there"},
			act:   approve, reason: "backup checked", learn: "The decision carries your name. The agent may act now, and only on this target.",
		},
		{
			title: "It asks for something that is wrong",
			tells: "Deny it. The agent reads your reason, so it can do better next time.",
			asks:  wire.Submission{Action: "delete", TargetURI: target("payment-api"), Reason: "idle: 0 req/min for 6 hours"},
			act:   deny, reason: "still serves checkout: refresh your metrics", learn: "The agent has your reason word for word.",
		},
		{
			title: "It tries to approve its own request",
			tells: "The agent has a valid token. It calls approve on what it asked for itself.",
			asks:  wire.Submission{Action: "drain", TargetURI: target("worker-3"), Reason: "kernel patch"},
			act:   approveSelf, learn: "Refused. An agent is no reviewer, and no reviewer may decide what they asked for themselves. The request still waits.",
		},
	}
}

// settled is what became of a request, as its agent sees it.
type settled struct {
	state wire.RequestState
	// refused is the gateway's answer to a call that was not let through.
	refused string
}

// submit is the agent's call.
func (c Cast) submit(ctx context.Context, s scene) (wire.RequestState, error) {
	state, err := c.Agent.Submit(ctx, s.asks)
	if err != nil {
		return state, fmt.Errorf("the agent asks: %w", err)
	}
	switch {
	case s.act == allowed && state.Phase != v1alpha1.PhaseApproved:
		return state, fmt.Errorf("%w: phase %s, expected Approved: does a policy speak against %s?", errPlot, state.Phase, s.asks.Action)
	case s.act != allowed && state.Phase != v1alpha1.PhasePending:
		return state, fmt.Errorf("%w: phase %s, expected Pending: does policy guard-destructive hold %s?", errPlot, state.Phase, s.asks.Action)
	default:
		return state, nil
	}
}

// errPlot says that the environment is not as the tour needs it.
var errPlot = errors.New("this environment decides otherwise")

// decide does what a scene is about, and returns what its agent sees then.
func (c Cast) decide(ctx context.Context, s scene, name string) (settled, error) {
	var out settled
	var err error
	switch s.act {
	case approve:
		err = c.review(ctx, s, name, journal.Approve, s.reason)
	case deny:
		err = c.review(ctx, s, name, journal.Deny, s.reason)
	case approveSelf:
		_, err = c.Agent.Approve(ctx, "", name, wire.Review{Reason: "looks fine to me"})
		if err == nil {
			return out, fmt.Errorf("%w: an agent approved its own request", errPlot)
		}
		var refused *client.StatusError
		if errors.As(err, &refused) {
			out.refused, err = fmt.Sprintf("%d %s", refused.StatusCode, refused.Message), nil
		}
	}
	if err != nil {
		return out, fmt.Errorf("decide %s: %w", name, err)
	}
	if out.state, err = c.Agent.Get(ctx, "", name); err != nil {
		return out, fmt.Errorf("the agent looks: %w", err)
	}
	return out, nil
}

// review decides in the reviewer's name.
func (c Cast) review(ctx context.Context, s scene, name, verb, reason string) error {
	r := &v1alpha1.AgentRequest{}
	r.Name, r.Namespace = name, s.asks.Namespace
	r.Spec.AgentIdentity, r.Spec.Action, r.Spec.Target.URI = c.AgentName, s.asks.Action, s.asks.TargetURI
	a := c.Reviewer.Send(ctx, decide.Order{Verb: verb, By: c.ReviewerName, Request: r, Review: wire.Review{Reason: reason}, Seen: journal.SeenPartial})
	return a.Err
}

// clear denies what the tour left waiting, so that it does not stay in anybody's queue.
func (c Cast) clear(ctx context.Context, s scene, name string) error {
	if err := c.review(ctx, s, name, journal.Deny, "the tour is over"); err != nil {
		return fmt.Errorf("clear up: %w", err)
	}
	return nil
}

// asked is the agent's call in lines.
func (s scene) asked() []string {
	return []string{
		"POST /agent-requests", "  action     " + s.asks.Action, "  target     " + s.asks.TargetURI, "  reason     " + s.asks.Reason,
	}
}

// answered is what the agent sees of a request, in lines.
func answered(state wire.RequestState) []string {
	lines := []string{"  phase      " + string(state.Phase)}
	if h := state.HumanApproval; h != nil {
		lines = append(lines, "  "+h.Decision+" by "+h.ApprovedBy)
		if h.Reason != "" {
			lines = append(lines, "  reason     "+h.Reason)
		}
	}
	return lines
}

// called is what was called in a scene, in one line, and by whom.
func (s scene) called(c Cast, name string) (who, line string) {
	switch s.act {
	case approve:
		return c.ReviewerName, "POST /agent-requests/" + name + "/approve"
	case deny:
		return c.ReviewerName, "POST /agent-requests/" + name + "/deny"
	case approveSelf:
		return c.AgentName, "POST /agent-requests/" + name + "/approve"
	default:
		return "", ""
	}
}

// Ending is what stands at the end of the tour: commands, and what each is for.
func Ending(command func(string) string) []string {
	next := [][2]string{
		{command("tui"), "the review queue"},
		{command("simulate all"), "agents that misbehave, to see what happens"},
		{command("request submit --help"), "ask as an agent does"},
		{command("token why TOKEN"), "why the gateway refuses a token"},
	}
	column := 0
	for _, n := range next {
		column = max(column, len(n[0]))
	}
	lines := make([]string, len(next))
	for i, n := range next {
		lines[i] = fmt.Sprintf("%-*s   %s", column, n[0], n[1])
	}
	return lines
}
