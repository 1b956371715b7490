// Package decide sends the decisions of reviewers to the gateway, one at a time, and keeps the journal of them: the
// terminal queue, its lines and the command line all decide through it.
package decide

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/journal"
)

// Gateway takes decisions. *client.Client satisfies it.
type Gateway interface {
	Approve(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error)
	Deny(ctx context.Context, namespace, name string, r wire.Review) (wire.Reviewed, error)
	// Grade says how right a request was that was observed and not executed.
	Grade(ctx context.Context, namespace, name string, v wire.Verdict) (wire.Reported, error)
	// Get tells who decided a request that could not be decided any more.
	Get(ctx context.Context, namespace, name string) (wire.RequestState, error)
}

// Desk is where decisions go out.
type Desk struct {
	Gateway Gateway
	// Journal is written before and after each decision; nil keeps none.
	Journal *journal.Journal
	// Environment and Via are written into it: which environment, and which part of the program.
	Environment, Via string
}

// Order is one decision about one version of one request.
type Order struct {
	// Verb is journal.Approve, Deny or Grade.
	Verb string
	// By is the reviewer, as the gateway knows them.
	By string
	// Request is the version that was shown. Only its name and namespace are needed.
	Request *v1alpha1.AgentRequest
	// Review is sent with an approval or a denial, Verdict is a grade.
	Review  wire.Review
	Verdict wire.Verdict
	// Seen is how much of the request was shown, Shown the digest of that.
	Seen, Shown string
	// Changed is what of the target the reviewer saw not to be as it had been verified.
	Changed string
	// Grant names what decides in the reviewer's name.
	Grant string
}

// Answer is what became of an Order.
type Answer struct {
	// Phase is that of the request after the decision took effect; empty after an error.
	Phase v1alpha1.Phase
	// Message and Warnings are those of the gateway.
	Message  string
	Warnings []string
	// State is what the request is in after a conflict, or when the decision was stored and led to something else, as far as
	// that could be asked.
	State wire.RequestState
	// Err says why the decision did not take effect. It wraps journal.ErrUnusable when nothing was sent because it could
	// not be written down.
	Err error
	// Unkept says why the journal does not tell what became of the decision; the decision itself is in it.
	Unkept error
}

// Send writes an order down, sends it, and writes down what became of it.
func (d Desk) Send(ctx context.Context, o Order) Answer {
	entry := 0
	if d.Journal != nil {
		var err error
		if entry, err = d.Journal.Begin(d.written(o)); err != nil {
			return Answer{Err: fmt.Errorf("nothing was sent: %w", err)}
		}
	}
	a := d.send(ctx, o)
	if errors.Is(a.Err, client.ErrConflict) || a.Err == nil && !took(o.Verb, a.Phase) {
		if state, err := d.Gateway.Get(ctx, o.Request.Namespace, o.Request.Name); err == nil {
			a.State = state
		}
	}
	if d.Journal != nil {
		a.Unkept = d.Journal.End(entry, a.outcome(o))
	}
	return a
}

func (d Desk) send(ctx context.Context, o Order) Answer {
	namespace, name := o.Request.Namespace, o.Request.Name
	if o.Verb == journal.Grade {
		done, err := d.Gateway.Grade(ctx, namespace, name, o.Verdict)
		return Answer{Phase: done.Phase, Message: done.Message, Warnings: done.Warnings, Err: err}
	}
	call := d.Gateway.Deny
	if o.Verb == journal.Approve {
		call = d.Gateway.Approve
	}
	done, err := call(ctx, namespace, name, o.Review)
	return Answer{Phase: done.Phase, Warnings: done.Warnings, Err: err}
}

// written is an order as the journal has it.
func (d Desk) written(o Order) journal.Decision {
	r := o.Request
	w := journal.Decision{
		By: o.By, Via: d.Via, Environment: d.Environment, Verb: o.Verb, Namespace: r.Namespace, Name: r.Name, UID: string(r.UID),
		Version: r.ResourceVersion, Agent: r.Spec.AgentIdentity, Action: r.Spec.Action, Target: r.Spec.Target.URI,
		Reason: o.Review.Reason, Seen: o.Seen, Shown: o.Shown, Changed: o.Changed, Grant: o.Grant,
	}
	if o.Verb == journal.Grade {
		w.Verdict, w.ReasonCode, w.Reason = o.Verdict.Verdict, o.Verdict.ReasonCode, o.Verdict.Note
	}
	if v := r.Status.ControlPlaneVerification; v != nil {
		w.LiveEndpoints = v.HasActiveEndpoints
	}
	if at := r.CreationTimestamp.Time.UTC(); !at.IsZero() {
		w.Asked = &at
	}
	return w
}

// took reports whether a phase is one that a decision leads to.
func took(verb string, phase v1alpha1.Phase) bool {
	switch verb {
	case journal.Approve:
		return phase == v1alpha1.PhaseApproved || phase == v1alpha1.PhaseExecuting || phase == v1alpha1.PhaseCompleted
	case journal.Deny:
		return phase == v1alpha1.PhaseDenied
	default:
		return phase != v1alpha1.PhaseAwaitingVerdict
	}
}

// Instead says why a decision that was stored led to something else, in the gateway's words; it is empty when it did not, or
// when that is not known.
func (a Answer) Instead() string {
	if a.Err != nil || a.State.Denial == nil {
		return ""
	}
	return a.State.Denial.Message
}

// outcome is an answer as the journal has it.
func (a Answer) outcome(o Order) journal.Outcome {
	out := journal.Outcome{Result: journal.Refused, Phase: string(a.Phase)}
	winner := a.State.HumanApproval
	switch {
	case a.Err == nil && !took(o.Verb, a.Phase):
		out.Result = journal.Stored
	case a.Err == nil:
		out.Result = journal.Confirmed
	case winner != nil && winner.ApprovedBy != o.By:
		out.Result, out.Winner, out.Phase = journal.Lost, winner.ApprovedBy, string(a.State.Phase)
	case errors.Is(a.Err, client.ErrUnavailable), errors.Is(a.Err, context.DeadlineExceeded), errors.Is(a.Err, context.Canceled):
		out.Result = journal.Unknown // the gateway may have got it before the connection broke
	}
	if a.Err != nil {
		out.Cause = a.Err.Error()
		out.Phase = cmp.Or(out.Phase, string(a.State.Phase))
	}
	return out
}
