package journal_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aip-dev/aip-dev/internal/journal"
)

// What is counted is what one counts by hand.
func TestStatistics(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	made := func(by, verb string, after time.Duration, result string, change func(*journal.Record)) journal.Record {
		r := journal.Record{
			At: asked.Add(after), Decision: journal.Decision{By: by, Verb: verb, Asked: &asked, Seen: journal.SeenFull}, Outcome: journal.Outcome{Result: result},
		}
		if change != nil {
			change(&r)
		}
		return r
	}
	got := journal.StatisticsOf([]journal.Record{
		made("bob", journal.Deny, 10*time.Second, journal.Confirmed, nil),
		made("alice", journal.Approve, 4*time.Second, journal.Confirmed, nil),
		made("alice", journal.Approve, 6*time.Second, journal.Stored, func(r *journal.Record) { r.Seen = journal.SeenPartial }),
		made("alice", journal.Deny, 60*time.Second, journal.Confirmed, func(r *journal.Record) { r.Seen = journal.SeenNone }),
		made("alice", journal.Approve, 2*time.Second, journal.Confirmed, func(r *journal.Record) { r.LiveEndpoints, r.Seen = true, journal.SeenNone }),
		made("alice", journal.Approve, time.Hour, journal.Lost, func(r *journal.Record) { r.Phase, r.Winner = "Denied", "bob" }),
		made("alice", journal.Approve, time.Hour, journal.Refused, func(r *journal.Record) { r.Phase = "Expired" }),
		made("alice", journal.Approve, time.Hour, journal.Refused, func(r *journal.Record) { r.Phase = "Pending" }),
		made("alice", journal.Approve, time.Hour, journal.Unknown, nil),
		made("alice", journal.Grade, time.Hour, journal.Confirmed, nil),
		made("alice", journal.Approve, time.Second, journal.Confirmed, func(r *journal.Record) { r.Grant, r.Seen = "until 15:04:05", journal.SeenNone }),
	})
	want := []journal.Statistics{
		{Reviewer: "alice", Decisions: 9, Approved: 3, Denied: 1, Graded: 1, Lost: 1, Late: 1, Unread: 2, InUse: 1, ByGrant: 1, Median: 4, Slow: 60},
		{Reviewer: "bob", Decisions: 1, Denied: 1, Median: 10, Slow: 10},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(journal.Statistics{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := journal.StatisticsOf(nil); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}
