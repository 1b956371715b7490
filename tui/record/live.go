package record

import (
	"fmt"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/tui/part/when"
)

// Live is the target of a request as the gateway saw it when it was asked again.
type Live struct {
	Target wire.Target
	// At is when that was; Failed says why it could not be found out.
	At     time.Time
	Failed string
}

// LiveChanges returns what of the target is not as the request has it.
func LiveChanges(r *v1alpha1.AgentRequest, t wire.Target) []Change {
	if t.Changed == "" {
		return nil
	}
	var changes []Change
	if was, is := r.Status.ControlPlaneVerification, t.Current; was != nil && is != nil {
		for _, c := range []Change{
			{"target exists", fmt.Sprint(was.TargetExists), fmt.Sprint(is.TargetExists)},
			{"live endpoints", fmt.Sprint(was.ActiveEndpointCount), fmt.Sprint(is.ActiveEndpointCount)},
			{"ready replicas", fmt.Sprint(was.ReadyReplicas), fmt.Sprint(is.ReadyReplicas)},
			{"wanted replicas", fmt.Sprint(was.SpecReplicas), fmt.Sprint(is.SpecReplicas)},
			{"used by", strings.Join(was.DownstreamServices, ", "), strings.Join(is.DownstreamServices, ", ")},
		} {
			if c.Old != c.New {
				changes = append(changes, c)
			}
		}
	}
	now := r.DeepCopy()
	now.Status.ProviderContext = t.CurrentContext
	changes = append(changes, Changes(r, now)...)
	if len(changes) == 0 {
		return []Change{{What: "target", New: t.Changed}}
	}
	return changes
}

// live says what became of the target since it was verified.
func (w *writer) live(r *v1alpha1.AgentRequest, l *Live) {
	if l == nil {
		return
	}
	remark := l.At.In(w.zone).Format(time.TimeOnly)
	if v := r.Status.ControlPlaneVerification; v != nil {
		if ago, _ := when.Ago(v.FetchedAt.Time, l.At); ago != "" {
			remark += ", verified " + ago + " before"
		}
	}
	w.heading("LOOKED AGAIN", remark)
	changes := LiveChanges(r, l.Target)
	switch {
	case l.Failed != "":
		w.put("  ", line(l.Failed), w.look.Soon.Render)
	case l.Target.Current == nil:
		w.put("  ", ours("the gateway looks nothing up about such a target"), nil)
	case len(changes) == 0:
		w.put("  ", ours("the target is as it was verified"), nil)
	}
	for _, c := range changes {
		w.change(c)
	}
}
