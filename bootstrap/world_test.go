package bootstrap

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/progress"
)

// world is what the steps of a test have brought about; it outlives a run as a cluster does.
type world struct {
	mu    sync.Mutex
	there map[string]bool
	log   []string
}

func (w *world) did(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, what)
}

func (w *world) set(name string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there[name] = there
}

func (w *world) has(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.there[name]
}

// part is a step that makes one thing of the world. The functions are optional.
type part struct {
	name  string
	world *world
	learn func(*Facts)
	look  func(context.Context) error
	apply func(context.Context, Reporter) error
}

func (p part) Name() string { return p.name }

func (p part) Observe(ctx context.Context, facts Facts) (Observation, error) {
	if p.look != nil {
		if err := p.look(ctx); err != nil {
			return Observation{}, err
		}
	}
	if !p.world.has(p.name) {
		return Observation{State: Absent, Facts: facts}, nil
	}
	if p.learn != nil {
		p.learn(&facts)
	}
	return Observation{State: Ready, Detail: p.name + " is there", Facts: facts}, nil
}

func (p part) Apply(ctx context.Context, facts Facts, report Reporter) (Facts, error) {
	p.world.did("apply " + p.name)
	if p.learn != nil {
		p.learn(&facts)
	}
	if p.apply != nil {
		if err := p.apply(ctx, report); err != nil {
			return facts, err
		}
	}
	report.Note("%s made", p.name)
	p.world.set(p.name, true)
	return facts, nil
}

// removable is a part that is taken away again.
type removable struct {
	part
	fail error
}

func (r removable) Remove(_ context.Context, _ Facts, report Reporter) error {
	r.world.did("remove " + r.name)
	report.Note("removing %s", r.name)
	if r.fail != nil {
		return r.fail
	}
	r.world.set(r.name, false)
	return nil
}

// record is a run of a test with everything that it said and saved.
type record struct {
	runner Runner
	mu     sync.Mutex
	events []progress.Event
	saved  []Facts
	clock  time.Time
}

func newRecord() *record {
	r := &record{clock: time.Unix(1000, 0)}
	r.runner = Runner{
		Run: "r1",
		Sink: progress.SinkFunc(func(e progress.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		}),
		Save: func(f Facts) error {
			r.saved = append(r.saved, f)
			return nil
		},
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.clock = r.clock.Add(time.Second)
			return r.clock
		},
	}
	return r
}

// said returns "kind step text" of the events of the given kinds, in order; all kinds when none is given.
func (r *record) said(kinds ...progress.Kind) []string {
	var out []string
	for _, e := range r.events {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			out = append(out, strings.Join(strings.Fields(string(e.Kind)+" "+e.Step+" "+e.Text+e.Failure), " "))
		}
	}
	return out
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot      %s\nexpected %s", what, strings.Join(got, " | "), strings.Join(want, " | "))
	}
}

func newWorld() *world { return &world{there: map[string]bool{}} }

// sample is a plan whose middle runs side by side, each part with a section of its own.
func sample(w *world) Plan {
	return Plan{
		Then(removable{part: part{name: "cluster", world: w, learn: func(f *Facts) { f.Cluster.Version = "v1" }}}),
		Together(
			part{name: "identity", world: w, learn: func(f *Facts) { f.Identity.Realm = "aip" }},
			removable{part: part{name: "gateway", world: w, learn: func(f *Facts) { f.Gateway.URL = "http://localhost:1" }}},
		),
		Together(), // a stage that has nothing to do here
		Then(part{name: "proof", world: w, learn: func(f *Facts) { f.Proof.Of = "all" }}),
	}
}
