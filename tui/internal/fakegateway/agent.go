package fakegateway

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Agent is a gateway as one of its agents sees it.
type Agent struct {
	*Gateway
	name string
}

// As returns the gateway for an agent.
func (g *Gateway) As(name string) *Agent { return &Agent{Gateway: g, name: name} }

// Submit answers POST /agent-requests: what can destroy waits for a reviewer, all else is approved.
func (a *Agent) Submit(_ context.Context, s wire.Submission) (wire.RequestState, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.answering(); err != nil {
		return wire.RequestState{}, err
	}
	name := fmt.Sprintf("%s-%05d", a.name, len(a.requests))
	r := Pending(name, a.name, s.Action, s.TargetURI, s.Reason, a.now())
	r.UID = types.UID("uid-" + name)
	if !slices.Contains([]string{"delete", "drain"}, s.Action) {
		r.Status.Phase, r.Status.Conditions, r.Status.PolicyResults = v1alpha1.PhaseApproved, r.Status.Conditions[:2], nil
	}
	a.put(r)
	return wire.StateOf(r), nil
}

// Approve is refused: an agent is no reviewer.
func (a *Agent) Approve(context.Context, string, string, wire.Review) (wire.Reviewed, error) {
	return wire.Reviewed{}, refuse(403, "reviewer role required")
}
