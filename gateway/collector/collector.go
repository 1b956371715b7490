// Package collector removes what is over for long: AgentRequests that ended, and the audit records of requests that are gone. It
// is off unless it is asked for, and then tells what it would remove unless it is told to remove it.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// Defaults of the flags.
const (
	DefaultInterval  = time.Hour
	DefaultPageSize  = 500
	DefaultRate      = 100
	DefaultSafetyMin = 10
)

// Settings say what is removed, and how fast.
type Settings struct {
	// Enabled turns it on. DryRun only counts what would be removed.
	Enabled, DryRun bool
	// Interval is the time between two scans.
	Interval time.Duration
	// HardTTL is the age from which something is removed: of a request since its end, of a record since what it tells.
	// 0 removes nothing.
	HardTTL time.Duration
	// PageSize is how many objects are read at once, Rate how many are removed in a second.
	PageSize int64
	Rate     float64
	// SafetyMin is how many objects of a kind there must be, so that a mistake does not empty a small installation.
	SafetyMin int
}

// Faults reports what cannot be worked with.
func (s Settings) Faults() error {
	if !s.Enabled {
		return nil
	}
	var faults []error
	for _, f := range []struct {
		bad  bool
		text string
	}{
		{s.Interval <= 0, fmt.Sprintf("--gc-interval is %s, expected more than 0", s.Interval)},
		{s.HardTTL < 0, fmt.Sprintf("--gc-hard-ttl is %s, expected 0 or more", s.HardTTL)},
		{s.PageSize < 1, fmt.Sprintf("--gc-page-size is %d, expected 1 or more", s.PageSize)},
		{s.Rate <= 0, fmt.Sprintf("--gc-delete-rate-per-sec is %g, expected more than 0", s.Rate)},
		{s.SafetyMin < 0, fmt.Sprintf("--gc-safety-min-count is %d, expected 0 or more", s.SafetyMin)},
	} {
		if f.bad {
			faults = append(faults, errors.New(f.text))
		}
	}
	return errors.Join(faults...)
}

// Options are what a Collector works with.
type Options struct {
	Settings

	Store *store.Store
	// Measures gets the metrics.
	Measures prometheus.Registerer
	Log      *slog.Logger
	Now      func() time.Time
}

// Collector scans from time to time. Of several replicas the leader does.
type Collector struct {
	options  Options
	limiter  *rate.Limiter
	measures *measures
}

// New returns a Collector that works once the manager starts it.
func New(o Options) *Collector {
	return &Collector{options: o, limiter: rate.NewLimiter(rate.Limit(o.Rate), 1), measures: newMeasures(o.Measures)}
}

// Start scans now and then after each interval, until ctx ends.
func (c *Collector) Start(ctx context.Context) error {
	if c.options.HardTTL == 0 {
		c.options.Log.WarnContext(ctx, "garbage collection removes nothing: --gc-hard-ttl is 0")
	}
	tick := time.NewTicker(c.options.Interval)
	defer tick.Stop()
	for {
		if err := c.Scan(ctx); err != nil && ctx.Err() == nil {
			c.options.Log.WarnContext(ctx, "garbage collection goes on at its next turn", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Scan looks at everything once: at the requests first, so that the records of those that go can go with them.
func (c *Collector) Scan(ctx context.Context) error {
	return errors.Join(c.collect(ctx, resourceRequests, c.requests), c.collect(ctx, resourceRecords, c.records))
}

// find calls count for every object and remove for those that are to go.
type find func(ctx context.Context, count func(), remove func(store.Definition)) error

func (c *Collector) collect(ctx context.Context, resource string, find find) error {
	began := c.options.Now()
	defer func() { c.measures.took.WithLabelValues(resource).Observe(c.options.Now().Sub(began).Seconds()) }()
	total := 0
	var old []store.Definition
	err := find(ctx, func() { total++ }, func(d store.Definition) { old = append(old, d) })
	c.measures.evaluated.WithLabelValues(resource).Add(float64(total))
	switch {
	case err != nil:
		return fmt.Errorf("look for old %s: %w", resource, err)
	case len(old) == 0:
		return nil
	case total < c.options.SafetyMin:
		c.skipped(ctx, resource, reasonSafety, len(old), total)
		return nil
	case c.options.DryRun:
		c.skipped(ctx, resource, reasonDryRun, len(old), total)
		return nil
	}
	return c.remove(ctx, resource, old)
}

func (c *Collector) skipped(ctx context.Context, resource, reason string, old, total int) {
	c.measures.skipped.WithLabelValues(resource, reason).Add(float64(old))
	c.options.Log.InfoContext(ctx, "garbage collection removed nothing", "resource", resource, "why", reason, "old", old, "of", total)
}

// remove removes objects, unless they are others by now.
func (c *Collector) remove(ctx context.Context, resource string, old []store.Definition) error {
	removed := 0
	defer func() {
		c.options.Log.InfoContext(ctx, "garbage collection", "resource", resource, "removed", removed, "of", len(old), "older-than", c.options.HardTTL.String())
	}()
	for _, d := range old {
		if err := c.limiter.Wait(ctx); err != nil {
			return fmt.Errorf("remove old %s: %w", resource, err)
		}
		if err := c.options.Store.Remove(ctx, d); err != nil {
			return fmt.Errorf("remove old %s: %w", resource, err)
		}
		removed++
		c.measures.deleted.WithLabelValues(resource, reasonAge).Inc()
	}
	return nil
}

// before is the time before which things are old.
func (c *Collector) before() (time.Time, bool) {
	return c.options.Now().Add(-c.options.HardTTL), c.options.HardTTL > 0
}

// requests finds those that ended long ago.
func (c *Collector) requests(ctx context.Context, count func(), remove func(store.Definition)) error {
	before, some := c.before()
	return c.options.Store.EachRequest(ctx, c.options.PageSize, func(r *v1alpha1.AgentRequest) error { //nolint:wrapcheck // collect wraps it
		count()
		if some && r.Status.Phase.Terminal() && ended(r).Before(before) {
			remove(store.Reference(r))
		}
		return nil
	})
}

// ended is when the last thing happened to a request that is over.
func ended(r *v1alpha1.AgentRequest) time.Time {
	last := r.CreationTimestamp.Time
	for _, condition := range r.Status.Conditions {
		if condition.LastTransitionTime.After(last) {
			last = condition.LastTransitionTime.Time
		}
	}
	if at := r.Status.VerdictAt; at != nil && at.After(last) {
		last = at.Time
	}
	return last
}

// records finds those that tell of what is long ago, of requests that are gone. Verdicts and changes of trust stay: an agent does
// not lose its level, nor a bad grade, by time alone.
func (c *Collector) records(ctx context.Context, count func(), remove func(store.Definition)) error {
	before, some := c.before()
	gone := map[string]bool{}
	return c.options.Store.EachRecord(ctx, c.options.PageSize, func(r *v1alpha1.AuditRecord) error { //nolint:wrapcheck // collect wraps it
		count()
		stays := r.Spec.Event == v1alpha1.AuditVerdictSubmitted || r.Spec.Event == v1alpha1.AuditTrustProfileUpdated
		if !some || stays || !r.Spec.Timestamp.Time.Before(before) {
			return nil
		}
		uid := r.Labels[v1alpha1.LabelAgentRequestUID]
		over, known := gone[uid]
		if !known {
			found, err := c.options.Store.Get(ctx, r.Namespace, r.Spec.AgentRequestRef)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err //nolint:wrapcheck // as above
			}
			over = err != nil || string(found.UID) != uid
			gone[uid] = over
		}
		if over {
			remove(store.Reference(r))
		}
		return nil
	})
}
