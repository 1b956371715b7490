package decide_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/journal"
)

// gateway answers as it is told, and notes what the journal says when it is asked.
type gateway struct {
	phase   v1alpha1.Phase
	err     error
	state   wire.RequestState
	journal *journal.Journal
	// written is the journal at the moment of the call.
	written []journal.Record
	calls   []string
}

func (g *gateway) answer(verb, reason string) (wire.Reviewed, error) {
	g.calls = append(g.calls, verb+" "+reason)
	if g.journal != nil {
		var err error
		if g.written, err = g.journal.Records(); err != nil {
			return wire.Reviewed{}, err
		}
	}
	return wire.Reviewed{Phase: g.phase}, g.err
}

func (g *gateway) Approve(_ context.Context, _, _ string, r wire.Review) (wire.Reviewed, error) {
	return g.answer("approve", r.Reason)
}

func (g *gateway) Deny(_ context.Context, _, _ string, r wire.Review) (wire.Reviewed, error) {
	return g.answer("deny", r.Reason)
}

func (g *gateway) Grade(_ context.Context, _, _ string, v wire.Verdict) (wire.Reported, error) {
	done, err := g.answer("grade", v.Verdict)
	return wire.Reported{Phase: done.Phase, Message: "verdict submitted"}, err
}

func (g *gateway) Get(context.Context, string, string) (wire.RequestState, error) {
	return g.state, nil
}

// instead is why a decision that was stored led to something else.
func (g *gateway) instead() string {
	if g.state.Denial == nil {
		return ""
	}
	return g.state.Denial.Message
}

func request() *v1alpha1.AgentRequest {
	r := &v1alpha1.AgentRequest{}
	r.Namespace, r.Name, r.UID, r.ResourceVersion = "default", "r-1", "u-1", "7"
	r.Spec.AgentIdentity, r.Spec.Action, r.Spec.Target.URI = "bot", "delete", "k8s://prod/x"
	r.Status.ControlPlaneVerification = &v1alpha1.ControlPlaneVerification{HasActiveEndpoints: true}
	return r
}

// Each answer of the gateway becomes the outcome that it is.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	conflict := &client.StatusError{StatusCode: 409, Message: "already"}
	by := func(who string) wire.RequestState {
		return wire.RequestState{Phase: v1alpha1.PhaseDenied, HumanApproval: &v1alpha1.HumanApproval{Decision: v1alpha1.DecisionDenied, ApprovedBy: who}}
	}
	for name, c := range map[string]struct {
		verb          string
		gateway       gateway
		result, winer string
	}{
		"approved":           {journal.Approve, gateway{phase: v1alpha1.PhaseApproved}, journal.Confirmed, ""},
		"under way already":  {journal.Approve, gateway{phase: v1alpha1.PhaseExecuting}, journal.Confirmed, ""},
		"the lock was taken": {journal.Approve, gateway{phase: v1alpha1.PhaseDenied}, journal.Stored, ""},
		"it drifted": {journal.Approve, gateway{phase: v1alpha1.PhaseDenied, state: wire.RequestState{
			Denial: &v1alpha1.Denial{Message: "another target"}, HumanApproval: &v1alpha1.HumanApproval{ApprovedBy: "alice"},
		}}, journal.Stored, ""},
		"no effect yet":      {journal.Approve, gateway{phase: v1alpha1.PhasePending}, journal.Stored, ""},
		"denied":             {journal.Deny, gateway{phase: v1alpha1.PhaseDenied}, journal.Confirmed, ""},
		"graded":             {journal.Grade, gateway{phase: v1alpha1.PhaseCompleted}, journal.Confirmed, ""},
		"not graded yet":     {journal.Grade, gateway{phase: v1alpha1.PhaseAwaitingVerdict}, journal.Stored, ""},
		"somebody was first": {journal.Approve, gateway{err: conflict, state: by("bob")}, journal.Lost, "bob"},
		"we were first":      {journal.Approve, gateway{err: conflict, state: by("alice")}, journal.Refused, ""},
		"it changed":         {journal.Approve, gateway{err: conflict}, journal.Refused, ""},
		"not allowed":        {journal.Approve, gateway{err: &client.StatusError{StatusCode: 403, Message: "no"}}, journal.Refused, ""},
		"the line broke":     {journal.Approve, gateway{err: fmt.Errorf("%w: reset", client.ErrUnavailable)}, journal.Unknown, ""},
		"no answer in time":  {journal.Approve, gateway{err: fmt.Errorf("post: %w", context.DeadlineExceeded)}, journal.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := journal.At(filepath.Join(t.TempDir(), "j"), time.Now)
			g := c.gateway
			g.journal = j
			o := decide.Order{
				Verb: c.verb, By: "alice", Request: request(), Review: wire.Review{Reason: "why"}, Verdict: wire.Verdict{Verdict: "correct", Note: "why"},
				Seen: journal.SeenFull, Shown: "abc",
			}
			a := decide.Desk{Gateway: &g, Journal: j, Environment: "aip", Via: "test"}.Send(t.Context(), o)
			if got := a.Instead(); got != c.gateway.instead() {
				t.Errorf("instead %q", got)
			}
			if !errors.Is(a.Err, g.err) || a.Unkept != nil || len(g.calls) != 1 || !strings.HasPrefix(g.calls[0], c.verb) {
				t.Fatalf("%+v, calls %v", a, g.calls)
			}
			// It was in the journal before it was sent, as a decision of which nobody knows what became.
			if len(g.written) != 1 || g.written[0].Result != journal.Unknown || g.written[0].Ended != nil {
				t.Errorf("when it was sent the journal had %+v", g.written)
			}
			all, err := j.Records()
			if err != nil || len(all) != 1 {
				t.Fatalf("%+v, %v", all, err)
			}
			got := all[0]
			if got.Result != c.result || got.Winner != c.winer || (got.Cause == "") != (g.err == nil) {
				t.Errorf("outcome %+v", got.Outcome)
			}
			if got.By != "alice" || got.Verb != c.verb || got.Reason != "why" || got.UID != "u-1" || got.Version != "7" || got.Agent != "bot" ||
				got.Target != "k8s://prod/x" || got.Seen != journal.SeenFull || got.Shown != "abc" || !got.LiveEndpoints || got.Via != "test" {
				t.Errorf("decision %+v", got.Decision)
			}
		})
	}
}

// What cannot be written down is not sent.
func TestNothingIsSentWithoutAJournal(t *testing.T) {
	t.Parallel()
	g := gateway{phase: v1alpha1.PhaseApproved}
	o := decide.Order{Verb: journal.Approve, Request: request()}
	a := decide.Desk{Gateway: &g, Journal: journal.At(t.TempDir(), time.Now)}.Send(t.Context(), o)
	if !errors.Is(a.Err, journal.ErrUnusable) || len(g.calls) != 0 {
		t.Errorf("%v, calls %v", a.Err, g.calls)
	}
	if a = (decide.Desk{Gateway: &g}).Send(t.Context(), o); a.Err != nil || len(g.calls) != 1 {
		t.Errorf("with no journal at all: %v, calls %v", a.Err, g.calls)
	}
}
