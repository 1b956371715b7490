package plain

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
)

// several reads one number or more from the beginning of rest, for example 1,3-5.
func (d *desk) several(rest string) (chosen []*v1alpha1.AgentRequest, more string, ok bool) {
	word, more, _ := strings.Cut(rest, " ")
	for _, part := range strings.Split(word, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.Atoi(first)
		to, errTo := strconv.Atoi(last)
		if errFrom != nil || errTo != nil || from < 1 || to < from || to > len(d.rows) {
			d.say("Say a number of the last list, from 1 to %d, or several as 1,3-5.", len(d.rows))
			return nil, "", false
		}
		for n := from; n <= to; n++ {
			if r := &d.rows[n-1]; !slices.Contains(chosen, r) {
				chosen = append(chosen, r)
			}
		}
	}
	return chosen, strings.TrimSpace(more), true
}

// like says which requests of the last list ask for the same as one of them, by the same agent.
func (d *desk) like(_ context.Context, rest string) {
	r, _, ok := d.take(rest)
	if !ok {
		return
	}
	var numbers []string
	for i := range d.rows {
		if o := &d.rows[i]; o.Spec.AgentIdentity == r.Spec.AgentIdentity && o.Spec.Action == r.Spec.Action && d.decidable(o) == "" {
			numbers = append(numbers, strconv.Itoa(i+1))
		}
	}
	d.say("%s asks to %s in %s.", safetext.ID(r.Spec.AgentIdentity), safetext.ID(r.Spec.Action), strings.Join(numbers, ","))
}

// decideEach decides one request after the other, each checked again when it is its turn. Of several approvals about one
// target only the first is sent: the others would wait for its lock.
func (d *desk) decideEach(ctx context.Context, rest string, approve, unread bool) {
	chosen, reason, ok := d.several(rest)
	if !ok {
		return
	}
	taken := map[string]bool{}
	for _, r := range chosen {
		if len(chosen) > 1 {
			d.print(strconv.Itoa(1+slices.IndexFunc(d.rows, func(o v1alpha1.AgentRequest) bool { return o.UID == r.UID })) + ". ")
		}
		if approve && taken[r.Spec.Target.URI] {
			d.say("Not sent: another of its target was just approved, decide it when that is done.")
			continue
		}
		taken[r.Spec.Target.URI] = d.decide(ctx, r, reason, approve, unread) || taken[r.Spec.Target.URI]
	}
}
