package plain

import (
	"context"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/part/when"
	"github.com/aip-dev/aip-dev/tui/record"
)

// lookAfter is the age from which a verification is old: approving looks at the target again.
const lookAfter = time.Minute

func (d *desk) lookAgain(ctx context.Context, rest string) {
	if r, _, ok := d.take(rest); ok {
		d.lookAt(ctx, r)
	}
}

// lookAt says what changed of a target since it was verified, and reports whether it is in use.
func (d *desk) lookAt(ctx context.Context, r *v1alpha1.AgentRequest) (inUse bool) {
	t, err := d.Gateway.Target(ctx, r.Namespace, r.Name)
	if err != nil {
		d.failed("look at the target", err)
		return false
	}
	d.told[r.UID] = t.Changed
	ago := ""
	if v := r.Status.ControlPlaneVerification; v != nil {
		ago, _ = when.Ago(v.FetchedAt.Time, d.Now())
	}
	switch changes := record.LiveChanges(r, t); {
	case t.Current == nil:
		d.say("The gateway looks nothing up about such a target.")
	case len(changes) == 0:
		d.say("The target is as it was verified %s ago.", ago)
	default:
		d.say("The target is not as it was verified %s ago:", ago)
		for _, l := range record.ChangeLines(changes, d.look, lineWidth, 0) {
			d.print(strings.TrimRight(l, " ") + "\n")
		}
	}
	return t.Current != nil && t.Current.HasActiveEndpoints
}

// changedSince looks again at what was verified long ago, and reports whether the reviewer has to think again: when
// something changed that was not said before, or when what is in use by now asks for a reason.
func (d *desk) changedSince(ctx context.Context, r *v1alpha1.AgentRequest, reason string) bool {
	v := r.Status.ControlPlaneVerification
	if v == nil || d.Now().Sub(v.FetchedAt.Time) < lookAfter {
		return false
	}
	before := d.told[r.UID]
	inUse := d.lookAt(ctx, r)
	switch now := d.told[r.UID]; {
	case now != "" && now != before:
		d.say("Not sent: say it again if that is fine.")
		return true
	case now != "" && inUse && reason == "":
		d.say("Not sent: a reason is needed, it has live endpoints: %s.", safetext.Line(now))
		return true
	default:
		return false
	}
}
