package queue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/tui/record"
)

// withJournal runs do at a desk whose decisions are written down.
func withJournal(t *testing.T, do func(*desk, *journal.Journal)) {
	t.Helper()
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aip.journal")
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, 120, 20, Options{})
		j := journal.At(path, time.Now)
		d.queue.Desk.Journal, d.queue.Desk.Environment, d.queue.Desk.Via = j, "aip", "tui"
		do(d, j)
	})
}

func (d *desk) records(j *journal.Journal) []journal.Record {
	d.Helper()
	all, err := j.Records()
	if err != nil {
		d.Fatal(err)
	}
	if r, err := j.Verify(""); err != nil || len(r.Faults) > 0 {
		d.Errorf("%+v, %v", r, err)
	}
	return all
}

// The journal tells of every decision: who, what, why, what had been seen, and what became of it.
func TestDecisionsAreWrittenDown(t *testing.T) {
	withJournal(t, func(d *desk, j *journal.Journal) {
		d.put(withEndpoints(), item(1), item(2), inPhase(3, v1alpha1.PhaseAwaitingVerdict))
		d.Wait(restTime)
		shown := d.snapshot.Items[0].AgentRequest
		d.wantOff("a", "not read to the end, J reads on")
		d.Press("ctrl+a")
		d.Type("drained")
		d.Press("enter")
		d.Wait(restTime)

		d.Press("J", "J", "J", "J") // to the end
		d.gateway.Settle(uid(1), "bob", "mine", true)
		d.Press("d", "2", "enter") // the queue does not know yet that bob was first
		d.refresh()
		d.Wait(restTime)

		d.Press("3")
		d.Wait(restTime)
		d.Press("e", "1")
		d.Type("fine")
		d.Press("enter")

		got := d.records(j)
		if len(got) != 3 {
			d.Fatalf("%d decisions: %+v", len(got), got)
		}
		if r := got[0]; r.By != "aip-reviewer-1" || r.Verb != journal.Approve || r.Reason != "drained" || r.Seen != journal.SeenPartial ||
			r.Result != journal.Confirmed || r.Shown != record.Digest(shown) || r.Version != shown.ResourceVersion || !r.LiveEndpoints || r.Via != "tui" {
			d.Errorf("approved unread: %+v", r)
		}
		if r := got[1]; r.Verb != journal.Deny || r.Seen != journal.SeenFull || r.Result != journal.Lost || r.Winner != "bob" {
			d.Errorf("lost: %+v", r)
		}
		if r := got[2]; r.Verb != journal.Grade || r.Verdict != v1alpha1.VerdictCorrect || r.Reason != "fine" || r.Result != journal.Confirmed {
			d.Errorf("graded: %+v", r)
		}
	})
}

// What is copied as JSON is what the digest is of.
func TestDigestIsOfWhatIsCopied(t *testing.T) {
	t.Parallel()
	text, err := record.JSON(item(0).AgentRequest)
	if err != nil {
		t.Fatal(err)
	}
	other := item(0)
	other.Spec.Reason += "."
	if record.Digest(item(0).AgentRequest) == record.Digest(other.AgentRequest) || !strings.Contains(text, `"kind": "AgentRequest"`) {
		t.Errorf("one digest for two requests, or no kind in %s", text)
	}
}

// Where nothing can be written down, nothing is sent, and the line below says why.
func TestNothingIsSentUnwritten(t *testing.T) {
	withJournal(t, func(d *desk, j *journal.Journal) {
		if err := os.Mkdir(j.Path(), 0o700); err != nil {
			d.Fatal(err)
		}
		d.put(item(0))
		d.Wait(restTime)
		d.Press("d", "2", "enter")
		if d.gateway.Calls() != 0 || !strings.Contains(d.lastNotice(), "nothing was sent: the journal of decisions cannot be used") {
			d.Errorf("%d calls, notice %q", d.gateway.Calls(), d.lastNotice())
		}
		if !d.queue.undecided(d.snapshot.Items[0]) {
			d.Error("it did not come back")
		}
	})
}
