package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/record"
)

// decided is the gateway's answer to a decision.
type decided struct {
	queue *Queue
	order *order
	item  feed.Item
	sent  time.Time
	decide.Answer
}

// decision sends one decision. It names the version that was on the screen, so that the gateway refuses if it is
// another one by now.
func (q *Queue) decision(o *order, item feed.Item) tea.Cmd {
	d := decided{queue: q, order: o, item: item, sent: q.now}
	out := q.outgoing(journal.Deny, item, o.unread)
	if o.approve {
		out.Verb = journal.Approve
	}
	out.Review = wire.Review{Reason: o.reason, ResourceVersion: item.ResourceVersion}
	if o.grant != nil {
		out.Seen, out.Grant = journal.SeenNone, o.grant.name()
	}
	return q.Do(func(ctx context.Context) tea.Msg {
		if d.Err = q.lookFor(ctx, o.grant, item); d.Err != nil {
			return d
		}
		if o.grant == nil {
			out.Shown = record.Digest(item.AgentRequest)
		}
		d.Answer = q.Desk.Send(ctx, out)
		return d
	})
}

// outgoing is a decision about the version of a request that was shown, whole unless it is among unread.
func (q *Queue) outgoing(verb string, item feed.Item, unread map[types.UID]struct{}) decide.Order {
	out := decide.Order{Verb: verb, Request: item.AgentRequest, Seen: journal.SeenFull}
	if _, partly := unread[item.Key()]; partly {
		out.Seen = journal.SeenPartial
	}
	if last, ok := q.sightOf(item); ok {
		out.Changed = last.Target.Changed
	}
	if q.snapshot.Who != nil {
		out.By = q.snapshot.Who.Identity
	}
	return out
}

// tookEffect reports whether the cluster is in the phase that was decided.
func (d decided) tookEffect() bool {
	if d.order.approve {
		return d.Phase == v1alpha1.PhaseApproved
	}
	return d.Phase == v1alpha1.PhaseDenied
}

// failure says what went wrong with a decision, in one line.
func (d decided) failure() string {
	did := d.order.participle()
	switch {
	case d.State.HumanApproval != nil:
		var at time.Time
		if c := meta.FindStatusCondition(d.State.Conditions, v1alpha1.ConditionApproved); c != nil {
			at = c.LastTransitionTime.Time
		}
		return "not " + did + ": " + lost(d.State.HumanApproval, at, d.sent)
	case errors.Is(d.Err, client.ErrUnavailable), errors.Is(d.Err, context.DeadlineExceeded):
		// The gateway may have got it before the connection broke.
		return fmt.Sprintf("not known whether %s: %s", did, safetext.Line(d.Err.Error()))
	default:
		return fmt.Sprintf("not %s: %s", did, safetext.Line(d.Err.Error()))
	}
}
