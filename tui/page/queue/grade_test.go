package queue

import (
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

func TestGrade(t *testing.T) {
	atDesk(t, 120, 50, 0, func(d *desk) {
		d.put(inPhase(0, v1alpha1.PhaseAwaitingVerdict), inPhase(1, v1alpha1.PhaseAwaitingVerdict))
		d.Press("3")
		d.Wait(restTime)
		d.wantHighlighted(0)
		d.wantOff("e", "")
		d.Press("e", "2", "3")
		d.Type("too much at once")
		d.Press("enter")
		if got := d.lastNotice(); got != "✓ graded partial scope_too_broad: x00000 prod/t" {
			d.Errorf("notice %q", got)
		}
		d.wantHighlighted(1)
		d.wantOff("e", "just came up, one moment")
		d.Wait(restTime)
		d.Press("e", "9", "x", "1", "enter")
		if got := d.lastNotice(); got != "✓ graded correct: x00001 prod/t" {
			d.Errorf("notice %q", got)
		}
		d.refresh()
		if r := d.snapshot.Items[0]; r.Status.Verdict != "partial" || r.Status.VerdictNote != "too much at once" {
			d.Errorf("stored %+v", r.Status)
		}
	})
}

// What is to be graded cannot be decided, and the other way round.
func TestGradeHasItsOwnKey(t *testing.T) {
	atDesk(t, 120, 50, 1, func(d *desk) {
		d.Press("e")
		if d.queue.Prompt() != nil {
			d.Error("a request that waits for a decision was graded")
		}
		d.put(inPhase(0, v1alpha1.PhaseAwaitingVerdict))
		d.Wait(restTime)
		d.Press("a", "d", "ctrl+a")
		if d.queue.Prompt() != nil {
			d.Error("a request that waits for a grade was decided")
		}
	})
}
