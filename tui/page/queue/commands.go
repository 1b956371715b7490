package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
)

// decided is the gateway's answer to a decision.
type decided struct {
	queue    *Queue
	order    *order
	item     feed.Item
	sent     time.Time
	reviewed wire.Reviewed
	err      error
	// state is what the request is in after all, when it was decided by somebody else.
	state wire.RequestState
}

// decision sends one decision. It names the version that was on the screen, so that the gateway refuses if it is
// another one by now. When it is refused for that, it asks who was first.
func (q *Queue) decision(o *order, item feed.Item) tea.Cmd {
	call := q.Reviewer.Deny
	if o.approve {
		call = q.Reviewer.Approve
	}
	d := decided{queue: q, order: o, item: item, sent: q.now}
	review := wire.Review{Reason: o.reason, ResourceVersion: item.ResourceVersion}
	return q.Do(func(ctx context.Context) tea.Msg {
		d.reviewed, d.err = call(ctx, item.Namespace, item.Name, review)
		if errors.Is(d.err, client.ErrConflict) {
			if state, err := q.Reviewer.Get(ctx, item.Namespace, item.Name); err == nil {
				d.state = state
			}
		}
		return d
	})
}

// tookEffect reports whether the cluster is in the phase that was decided.
func (d decided) tookEffect() bool {
	if d.order.approve {
		return d.reviewed.Phase == v1alpha1.PhaseApproved
	}
	return d.reviewed.Phase == v1alpha1.PhaseDenied
}

// failure says what went wrong with a decision, in one line.
func (d decided) failure() string {
	did := d.order.participle()
	switch {
	case d.state.HumanApproval != nil:
		var at time.Time
		if c := meta.FindStatusCondition(d.state.Conditions, v1alpha1.ConditionApproved); c != nil {
			at = c.LastTransitionTime.Time
		}
		return "not " + did + ": " + lost(d.state.HumanApproval, at, d.sent)
	case errors.Is(d.err, client.ErrUnavailable), errors.Is(d.err, context.DeadlineExceeded):
		// The gateway may have got it before the connection broke.
		return fmt.Sprintf("not known whether %s: %s", did, safetext.Line(d.err.Error()))
	default:
		return fmt.Sprintf("not %s: %s", did, safetext.Line(d.err.Error()))
	}
}
