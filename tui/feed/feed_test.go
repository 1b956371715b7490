package feed_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
)

// bench is a feed that follows a fake gateway inside a bubble of virtual time.
type bench struct {
	*testing.T
	*fakegateway.Gateway
	feed *feed.Feed
}

// inBubble runs do with a gateway of n waiting requests and a feed that follows it.
func inBubble(t *testing.T, n int, prepare func(*fakegateway.Gateway), do func(bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
		for i := range n {
			g.Put(pending(i))
		}
		if prepare != nil {
			prepare(g)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := feed.New(g, time.Now)
		go f.Run(ctx)
		do(bench{t, g, f})
	})
}

func pending(i int) *v1alpha1.AgentRequest {
	return fakegateway.Pending(fmt.Sprintf("r-%04d", i), "aip-agent-1", "delete", "k8s://prod/x", "because",
		time.Unix(1_700_000_000+int64(i), 0))
}

// until returns the first snapshot that is as wanted, and how long that took. It fails after limit.
func (b bench) until(limit time.Duration, what string, wanted func(feed.Snapshot) bool) (feed.Snapshot, time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	start := time.Now()
	var last feed.Snapshot
	for {
		s, ok := b.feed.Next(ctx)
		if !ok {
			b.Fatalf("not %s within %s; last: mode %d, %d items, cause %q", what, limit, last.Mode, len(last.Items), last.Cause)
		}
		if wanted(s) {
			return s, time.Since(start)
		}
		last = s
	}
}

func mode(m feed.Mode) func(feed.Snapshot) bool {
	return func(s feed.Snapshot) bool { return s.Mode == m }
}

func has(n int) func(feed.Snapshot) bool {
	return func(s feed.Snapshot) bool { return s.Current() && len(s.Items) == n }
}

func names(s feed.Snapshot) []string {
	out := make([]string, len(s.Items))
	for i, item := range s.Items {
		out[i] = item.Name
	}
	return out
}

func TestLive(t *testing.T) {
	inBubble(t, 3, nil, func(b bench) {
		s, _ := b.until(time.Second, "live", mode(feed.Live))
		if got := names(s); !slices.Equal(got, []string{"r-0000", "r-0001", "r-0002"}) || s.Who.Identity != "aip-reviewer-1" {
			b.Fatalf("first snapshot: %v, who %+v", got, s.Who)
		}
		b.Put(pending(4))
		b.Put(pending(3))
		s, took := b.until(time.Second, "five requests", has(5))
		if got := names(s); !slices.Equal(got, []string{"r-0000", "r-0001", "r-0002", "r-0003", "r-0004"}) {
			b.Errorf("order: %v", got)
		}
		if took > 100*time.Millisecond {
			b.Errorf("took %s to show", took)
		}
		if s.Items[0].Arrival != 0 || s.Items[4].Arrival != 1 || s.Items[3].Arrival != 2 {
			b.Errorf("arrivals: %d, %d, %d", s.Items[0].Arrival, s.Items[4].Arrival, s.Items[3].Arrival)
		}
		b.Remove("uid-r-0001")
		b.Settle("uid-r-0002", "bob", "no", false)
		s, _ = b.until(time.Second, "four requests", func(s feed.Snapshot) bool {
			return len(s.Items) == 4 && s.Items[1].Status.Phase == v1alpha1.PhaseDenied
		})
		if s.Items[1].Name != "r-0002" {
			b.Errorf("items: %v", names(s))
		}
	})
}

// unhurried is a gateway whose streams take their time.
type unhurried struct{ *fakegateway.Gateway }

func (u unhurried) Watch(ctx context.Context, o client.ListOptions, each func(wire.Event) error) error {
	return u.Gateway.Watch(ctx, o, func(e wire.Event) error {
		time.Sleep(time.Millisecond)
		return each(e)
	})
}

// What was read is shown before everything was, a few times, and nothing can be decided by it.
func TestFirstAnswerIsShownWhileItComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const all = 3000
		g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
		for i := range all {
			g.Put(pending(i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := feed.New(unhurried{g}, time.Now)
		go f.Run(ctx)
		b := bench{t, g, f}
		revisions := map[uint64]bool{}
		s, took := b.until(time.Second, "something to read", func(s feed.Snapshot) bool { return len(s.Items) > 0 })
		if took > 200*time.Millisecond || s.Complete || s.Current() || len(s.Items) >= all {
			t.Errorf("first after %s: %d items, complete %t, current %t", took, len(s.Items), s.Complete, s.Current())
		}
		s, _ = b.until(time.Minute, "everything", func(s feed.Snapshot) bool {
			revisions[s.Revision] = true
			return s.Complete
		})
		if len(s.Items) != all || !s.Current() || s.Items[all-1].Arrival != 0 {
			t.Errorf("at the end: %d items, current %t, arrival %d", len(s.Items), s.Current(), s.Items[all-1].Arrival)
		}
		if len(revisions) > 10 {
			t.Errorf("the list was made %d times for one answer", len(revisions))
		}
	})
}

func TestSnapshotsDoNotChange(t *testing.T) {
	inBubble(t, 2, nil, func(b bench) {
		before, _ := b.until(time.Second, "live", mode(feed.Live))
		b.Settle("uid-r-0000", "bob", "no", false)
		b.Put(pending(2))
		b.until(time.Second, "three requests", has(3))
		if len(before.Items) != 2 || before.Items[0].Status.Phase != v1alpha1.PhasePending {
			b.Errorf("an old snapshot changed: %v, %s", names(before), before.Items[0].Status.Phase)
		}
	})
}

func TestManyEventsMakeFewSnapshots(t *testing.T) {
	inBubble(t, 0, nil, func(b bench) {
		b.until(time.Second, "live", mode(feed.Live))
		var arrivals sync.WaitGroup
		defer arrivals.Wait()
		arrivals.Go(func() {
			for i := range 10_000 {
				b.Put(pending(i))
				time.Sleep(time.Millisecond)
			}
		})
		snapshots := 0
		_, took := b.until(time.Minute, "all there", func(s feed.Snapshot) bool { snapshots++; return len(s.Items) == 10_000 })
		if perSecond := float64(snapshots) / took.Seconds(); perSecond > 31 {
			b.Errorf("%.0f snapshots a second, want about 30", perSecond)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	inBubble(t, 2, nil, func(b bench) {
		b.until(time.Second, "live", mode(feed.Live))
		b.EndStreams()
		s, _ := b.until(time.Second, "connecting", mode(feed.Connecting))
		if len(s.Items) != 2 || !s.Complete || s.Current() {
			b.Errorf("while reconnecting: %d items, complete %t, current %t", len(s.Items), s.Complete, s.Current())
		}
		// What happened while nobody listened is found by comparing.
		b.Remove("uid-r-0000")
		b.Put(pending(7))
		s, took := b.until(time.Second, "live again", mode(feed.Live))
		if got := names(s); !slices.Equal(got, []string{"r-0001", "r-0007"}) || s.Items[1].Arrival == 0 {
			b.Errorf("after: %v, arrival %d", got, s.Items[1].Arrival)
		}
		if took > 500*time.Millisecond {
			b.Errorf("took %s to come back", took)
		}
	})
}

func TestAway(t *testing.T) {
	inBubble(t, 2, nil, func(b bench) {
		b.until(time.Second, "live", mode(feed.Live))
		b.SetDown(true)
		s, _ := b.until(2*time.Second, "away", mode(feed.Away))
		since := s.Since
		if s.Refused || s.Cause == "" || since.IsZero() || len(s.Items) != 2 {
			b.Errorf("away: %+v", s)
		}
		time.Sleep(10 * time.Minute)
		s, _ = b.until(5*time.Second, "still away", mode(feed.Away))
		if left := time.Until(s.RetryAt); left <= 0 || left > 5*time.Second || !s.Since.Equal(since) {
			b.Errorf("after ten minutes: retry in %s, away since %s, want %s", left, s.Since, since)
		}
		b.SetDown(false)
		if s, took := b.until(3*time.Second, "live again", mode(feed.Live)); s.Cause != "" || took > 3*time.Second {
			b.Errorf("after %s: cause %q", took, s.Cause)
		}
	})
}

func TestAwayFromTheStart(t *testing.T) {
	down := func(g *fakegateway.Gateway) { g.SetDown(true) }
	inBubble(t, 1, down, func(b bench) {
		if s, _ := b.until(time.Second, "away", mode(feed.Away)); s.Complete {
			b.Error("a gateway that never answered has given a complete answer")
		}
		b.SetDown(false)
		if s, _ := b.until(3*time.Second, "live", mode(feed.Live)); !s.Complete || s.Items[0].Arrival != 0 {
			b.Errorf("complete %t, arrival %d", s.Complete, s.Items[0].Arrival)
		}
	})
}

func TestRefused(t *testing.T) {
	refused := func(g *fakegateway.Gateway) { g.SetRefused(true) }
	inBubble(t, 1, refused, func(b bench) {
		if s, _ := b.until(time.Second, "away", mode(feed.Away)); !s.Refused {
			b.Error("a 401 does not count as refused")
		}
	})
}

func TestRefusedLater(t *testing.T) {
	inBubble(t, 1, nil, func(b bench) {
		b.until(time.Second, "live", mode(feed.Live))
		b.SetRefused(true)
		// The stream stays open; only the probe can tell.
		b.until(20*time.Second, "refused", func(s feed.Snapshot) bool { return s.Mode == feed.Away && s.Refused })
	})
}

func TestPolling(t *testing.T) {
	mute := func(g *fakegateway.Gateway) { g.SetMute(true) }
	inBubble(t, 1, mute, func(b bench) {
		if _, took := b.until(5*time.Second, "polling", mode(feed.Polling)); took > 3*time.Second {
			b.Errorf("took %s to find out that nothing is streamed", took)
		}
		b.Put(pending(1))
		if _, took := b.until(5*time.Second, "two requests", has(2)); took > 3*time.Second {
			b.Errorf("took %s to show a request", took)
		}
		b.Remove("uid-r-0000")
		if s, _ := b.until(5*time.Second, "one request", has(1)); s.Mode != feed.Polling || s.Items[0].Name != "r-0001" {
			b.Errorf("mode %d, items %v", s.Mode, names(s))
		}
		b.SetMute(false)
		b.until(time.Minute, "live after all", mode(feed.Live))
	})
}

func TestPollingThenAway(t *testing.T) {
	mute := func(g *fakegateway.Gateway) { g.SetMute(true) }
	inBubble(t, 1, mute, func(b bench) {
		b.until(5*time.Second, "polling", mode(feed.Polling))
		b.SetDown(true)
		b.until(5*time.Second, "away", mode(feed.Away))
		b.SetDown(false)
		b.until(6*time.Second, "polling again", mode(feed.Polling))
	})
}
