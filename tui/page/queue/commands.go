package queue

import (
	"context"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/tui/feed"
)

// decided is the gateway's answer to a decision.
type decided struct {
	queue    *Queue
	item     feed.Item
	approve  bool
	reviewed wire.Reviewed
	err      error
}

// decision sends what the form says. It names the version that was on the screen, so that the gateway refuses if it
// is another one by now.
func (q *Queue) decision(f *form) tea.Cmd {
	call := q.Reviewer.Deny
	if f.approve {
		call = q.Reviewer.Approve
	}
	d := decided{queue: q, item: f.item, approve: f.approve}
	review := wire.Review{Reason: strings.TrimSpace(f.reason.Value()), ResourceVersion: f.item.ResourceVersion}
	return q.Do(func(ctx context.Context) tea.Msg {
		d.reviewed, d.err = call(ctx, d.item.Namespace, d.item.Name, review)
		return d
	})
}

// tookEffect reports whether the cluster is in the phase that was decided.
func (d decided) tookEffect() bool {
	if d.approve {
		return d.reviewed.Phase == v1alpha1.PhaseApproved
	}
	return d.reviewed.Phase == v1alpha1.PhaseDenied
}

func (d decided) participle() string {
	if d.approve {
		return "approved"
	}
	return "denied"
}

func (d decided) noun() string {
	if d.approve {
		return "approval"
	}
	return "denial"
}
