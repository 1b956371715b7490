package bootstrap

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/aip-dev/aip-dev/internal/progress"
)

func TestUpMakesAllInOrderAndMergesTheSections(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), newRecord()
	facts, applied, err := r.runner.Up(t.Context(), sample(w), Facts{Name: "aip"})
	if err != nil || applied != 4 {
		t.Fatalf("%d applied, %v", applied, err)
	}
	if facts.Name != "aip" || facts.Cluster.Version != "v1" || facts.Identity.Realm != "aip" || facts.Gateway.URL == "" || facts.Proof.Of != "all" {
		t.Errorf("a section is lost: %+v", facts)
	}
	if w.log[0] != "apply cluster" || w.log[3] != "apply proof" {
		t.Errorf("order: %v", w.log)
	}
	said := r.said()
	if said[0] != "plan cluster identity gateway proof" || said[len(said)-1] != "end" {
		t.Errorf("first and last event: %q, %q", said[0], said[len(said)-1])
	}
	equal(t, "events of the first step", said[1:4], []string{"started cluster", "note cluster cluster made", "done cluster cluster made"})
	for i, e := range r.events {
		if e.V != progress.Version || e.Run != "r1" || e.At.IsZero() {
			t.Errorf("event %d lacks its version, run or time: %+v", i, e)
		}
		if (e.Kind == progress.Done || e.Kind == progress.End) && e.Took <= 0 {
			t.Errorf("event %d has no duration: %+v", i, e)
		}
	}
	if len(facts.Timing.Steps) != 4 || facts.Timing.Total <= 0 {
		t.Errorf("timing: %+v", facts.Timing)
	}
	waited := "identity" // of the two side by side, the slower one
	if facts.Timing.Steps["gateway"] > facts.Timing.Steps[waited] {
		waited = "gateway"
	}
	equal(t, "critical path", facts.Timing.Critical, []string{"cluster", waited, "proof"})
	if last := r.saved[len(r.saved)-1]; last.Timing.Total != facts.Timing.Total || last.Proof.Of != "all" {
		t.Errorf("what was kept is not what was returned: %+v", last)
	}
}

// The facts are kept after each stage, so that a run that is killed has left what it learned.
func TestUpKeepsFactsAfterEachStage(t *testing.T) {
	t.Parallel()
	r := newRecord()
	if _, _, err := r.runner.Up(t.Context(), sample(newWorld()), Facts{}); err != nil {
		t.Fatal(err)
	}
	if len(r.saved) != 4 {
		t.Fatalf("kept %d times, expected after 3 stages and at the end", len(r.saved))
	}
	if f := r.saved[0]; f.Cluster.Version != "v1" || f.Identity.Realm != "" {
		t.Errorf("after the first stage: %+v", f)
	}
	if f := r.saved[1]; f.Identity.Realm != "aip" || f.Gateway.URL == "" || f.Proof.Of != "" {
		t.Errorf("after the second stage: %+v", f)
	}
}

func TestSecondUpAppliesNothingAndLearnsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld()
	first, _, err := newRecord().runner.Up(t.Context(), sample(w), Facts{})
	if err != nil {
		t.Fatal(err)
	}
	w.log = nil
	r := newRecord()
	lost := Facts{Timing: first.Timing} // a lost state file costs nothing
	second, applied, err := r.runner.Up(t.Context(), sample(w), lost)
	if err != nil || applied != 0 || len(w.log) != 0 {
		t.Errorf("%d applied, %v, %v", applied, w.log, err)
	}
	if second.Cluster != first.Cluster || second.Gateway != first.Gateway || second.Proof != first.Proof {
		t.Errorf("learned %+v, expected %+v", second, first)
	}
	if second.Timing.Total != first.Timing.Total {
		t.Error("a run that made nothing replaced the timing of the one that did")
	}
	equal(t, "done", r.said(progress.Done, progress.Note)[:1], []string{"done cluster cluster is there"})
}

func TestFailureKeepsFactsAndStops(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), newRecord()
	broken := errors.New("404 Not Found")
	plan := sample(w)
	plan[1] = Then(part{name: "gateway", world: w, learn: func(f *Facts) { f.Gateway.Release = "aip-k8s" },
		apply: func(context.Context, Reporter) error { return broken }})
	facts, applied, err := r.runner.Up(t.Context(), plan, Facts{})
	var step *StepError
	if !errors.As(err, &step) || step.Step != "gateway" || !errors.Is(err, broken) || err.Error() != "gateway: 404 Not Found" {
		t.Errorf("error: %v", err)
	}
	if applied != 2 || facts.Cluster.Version != "v1" || facts.Gateway.Release != "aip-k8s" {
		t.Errorf("%d applied, facts %+v", applied, facts)
	}
	if last := r.saved[len(r.saved)-1]; last.Gateway.Release != "aip-k8s" || last.Timing.Total != 0 {
		t.Errorf("kept: %+v", last)
	}
	equal(t, "applied", w.log, []string{"apply cluster", "apply gateway"})
	equal(t, "said", r.said(progress.Failed, progress.End), []string{"failed gateway 404 Not Found", "end failed"})

	// The next run goes on from there.
	plan[1] = sample(w)[1]
	w.log = nil
	if _, applied, err = newRecord().runner.Up(t.Context(), plan, facts); err != nil || applied != 3 {
		t.Errorf("next run: %d applied, %v, %v", applied, w.log, err)
	}
}

// A step that is told to end because its neighbour failed has not failed: one error is reported, once.
func TestFailureEndsTheStepBeside(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), newRecord()
	broken := errors.New("refused")
	waiting := make(chan struct{})
	plan := Plan{
		Together(
			part{name: "slow", world: w, learn: func(f *Facts) { f.Identity.Realm = "half" }, apply: func(ctx context.Context, _ Reporter) error {
				close(waiting)
				<-ctx.Done()
				return ctx.Err()
			}},
			part{name: "bad", world: w, look: func(context.Context) error {
				<-waiting
				return broken
			}},
		),
		Then(part{name: "never", world: w}),
	}
	facts, _, err := r.runner.Up(t.Context(), plan, Facts{})
	if !errors.Is(err, broken) || errors.Is(err, context.Canceled) || err.Error() != "bad: look: refused" {
		t.Errorf("error: %v", err)
	}
	if facts.Identity.Realm != "half" {
		t.Errorf("what the step beside learned is lost: %+v", facts)
	}
	equal(t, "said", r.said(progress.Failed, progress.Skipped), []string{"failed bad look: refused", "skipped slow another step failed"})
	equal(t, "applied", w.log, []string{"apply slow"})
}

func TestBothFailuresOfAStageAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld()
	first, second := errors.New("first"), errors.New("second")
	var both sync.WaitGroup
	both.Add(2)
	fail := func(err error) func(context.Context, Reporter) error {
		return func(context.Context, Reporter) error {
			both.Done()
			both.Wait()
			return err
		}
	}
	_, _, err := newRecord().runner.Up(t.Context(), Plan{Together(
		part{name: "a", world: w, apply: fail(first)}, part{name: "b", world: w, apply: fail(second)},
	)}, Facts{})
	if !errors.Is(err, first) || !errors.Is(err, second) {
		t.Errorf("error: %v", err)
	}
}

func TestInterruption(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), newRecord()
	ctx, cancel := context.WithCancel(t.Context())
	plan := sample(w)
	plan[1] = Then(part{name: "gateway", world: w, apply: func(ctx context.Context, _ Reporter) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}})
	facts, _, err := r.runner.Up(ctx, plan, Facts{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if facts.Cluster.Version != "v1" || r.saved[len(r.saved)-1].Cluster.Version != "v1" {
		t.Errorf("facts are lost: %+v", facts)
	}
	equal(t, "applied", w.log, []string{"apply cluster", "apply gateway"})
	equal(t, "said", r.said(progress.Failed, progress.Skipped, progress.End), []string{"failed gateway context canceled", "end failed"})

	before := newRecord()
	if _, applied, err := before.runner.Up(ctx, sample(newWorld()), Facts{}); !errors.Is(err, context.Canceled) || applied != 0 {
		t.Errorf("interrupted before it began: %d applied, %v", applied, err)
	}
}

func TestFactsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for _, failsAt := range []int{1, 4} {
		r := newRecord()
		saves := 0
		r.runner.Save = func(Facts) error {
			if saves++; saves == failsAt {
				return full
			}
			return nil
		}
		facts, _, err := r.runner.Up(t.Context(), sample(newWorld()), Facts{})
		if !errors.Is(err, full) || facts.Cluster.Version != "v1" {
			t.Errorf("save %d: %v, %+v", failsAt, err, facts)
		}
		equal(t, "end", r.said(progress.End), []string{"end failed"})
	}
}

func TestDownRemovesBackwards(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), newRecord()
	facts, _, err := r.runner.Up(t.Context(), sample(w), Facts{})
	if err != nil {
		t.Fatal(err)
	}
	w.log, r.events = nil, nil
	if err := r.runner.Down(t.Context(), sample(w), facts); err != nil {
		t.Fatal(err)
	}
	equal(t, "removed", w.log, []string{"remove gateway", "remove cluster"})
	equal(t, "said", r.said(), []string{
		"started gateway", "note gateway removing gateway", "done gateway removed",
		"started cluster", "note cluster removing cluster", "done cluster removed", "end",
	})
}

func TestDownStopsAtAFailure(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), newRecord()
	stuck := errors.New("stuck")
	plan := Plan{Then(removable{part: part{name: "cluster", world: w}}), Then(removable{part: part{name: "gateway", world: w}, fail: stuck})}
	err := r.runner.Down(t.Context(), plan, Facts{})
	var step *StepError
	if !errors.Is(err, stuck) || !errors.As(err, &step) || step.Step != "gateway" {
		t.Errorf("error: %v", err)
	}
	equal(t, "removed", w.log, []string{"remove gateway"})
	equal(t, "said", r.said(progress.Failed, progress.End), []string{"failed gateway stuck", "end failed"})
}

func TestReporter(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), newRecord()
	_, _, err := r.runner.Up(t.Context(), Plan{Then(part{name: "a", world: w, apply: func(_ context.Context, report Reporter) error {
		report.Note("image %d%%", 40)
		report.Warn("port %d", 8080)
		report.Output("100% raw %s")
		return nil
	}})}, Facts{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "said", r.said(progress.Note, progress.Warning, progress.Output, progress.Done),
		[]string{"note a image 40%", "warning a port 8080", "output a 100% raw %s", "note a a made", "done a a made"})
}
