package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/internal/progress"
)

// Runner runs plans. All fields are required.
type Runner struct {
	// Run names this run in its events.
	Run string
	// Sink receives the events.
	Sink progress.Sink
	// Save keeps the facts after each stage, so that a run that is killed leaves what it learned.
	Save func(Facts) error
	// Now is the clock.
	Now func() time.Time
}

// StepError is the failure of one step.
type StepError struct {
	Step string
	Err  error
}

// Error names the step and its failure.
func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }

// Unwrap returns the failure.
func (e *StepError) Unwrap() error { return e.Err }

// Up looks at each step and applies those that are not ready, stage by stage. It returns the facts and the number of
// steps that were applied. On failure the facts learned so far are returned and kept.
func (r Runner) Up(ctx context.Context, plan Plan, facts Facts) (Facts, int, error) {
	began := r.Now()
	r.emit(progress.Event{Kind: progress.Plan, Text: strings.Join(plan.Names(), "\n")})
	timing := TimingFacts{Steps: map[string]time.Duration{}}
	applied := 0
	for _, stage := range plan {
		if len(stage) == 0 { // a plan may have nothing to do there
			continue
		}
		outcomes := r.stage(ctx, stage, facts)
		var changed []Facts
		var failures []error
		timing.Critical = append(timing.Critical, slowest(outcomes))
		for _, o := range outcomes {
			timing.Steps[o.step] = o.took
			changed = append(changed, o.facts)
			if o.applied {
				applied++
			}
			if o.err != nil && !errors.Is(o.err, errOtherFailed) {
				failures = append(failures, &StepError{Step: o.step, Err: o.err})
			}
		}
		facts = merge(facts, changed...)
		if err := errors.Join(errors.Join(failures...), r.Save(facts)); err != nil {
			r.end(began, "failed")
			return facts, applied, err
		}
	}
	timing.Total = r.Now().Sub(began)
	if applied > 0 {
		facts.Timing = timing
	}
	if err := r.Save(facts); err != nil {
		r.end(began, "failed")
		return facts, applied, err
	}
	r.end(began, "")
	return facts, applied, nil
}

// Down removes what the steps of the plan made, backwards.
func (r Runner) Down(ctx context.Context, plan Plan, facts Facts) error {
	return r.backwards(plan, "removed", func(step Step) func(Reporter) error {
		remover, ok := step.(Remover)
		if !ok {
			return nil
		}
		return func(report Reporter) error { return remover.Remove(ctx, facts, report) }
	})
}

// Stop ends what the steps of the plan let run, backwards, and keeps what they store.
func (r Runner) Stop(ctx context.Context, plan Plan, facts Facts) error {
	return r.backwards(plan, "stopped", func(step Step) func(Reporter) error {
		stopper, ok := step.(Stopper)
		if !ok {
			return nil
		}
		return func(report Reporter) error { return stopper.Stop(ctx, facts, report) }
	})
}

// backwards does one thing to every step for which there is something to do, last step first.
func (r Runner) backwards(plan Plan, done string, what func(Step) func(Reporter) error) error {
	began := r.Now()
	for _, stage := range slices.Backward(plan) {
		for _, step := range slices.Backward(stage) {
			do := what(step)
			if do == nil {
				continue
			}
			start := r.Now()
			r.emit(progress.Event{Kind: progress.Started, Step: step.Name()})
			if err := do(reporter{r, step.Name()}); err != nil {
				r.failed(step.Name(), start, err)
				r.end(began, "failed")
				return &StepError{Step: step.Name(), Err: err}
			}
			r.emit(progress.Event{Kind: progress.Done, Step: step.Name(), Text: done, Took: r.Now().Sub(start)})
		}
	}
	r.end(began, "")
	return nil
}

type outcome struct {
	step    string
	facts   Facts
	applied bool
	took    time.Duration
	err     error
}

// slowest names the step that the others of its stage were waited with for.
func slowest(outcomes []outcome) string {
	return slices.MaxFunc(outcomes, func(a, b outcome) int { return cmp.Compare(a.took, b.took) }).step
}

// errOtherFailed ends the steps beside one that failed. It is no failure of theirs.
var errOtherFailed = errors.New("another step failed")

// stage runs the steps of one stage side by side and returns their outcomes in the stage's order. When one fails the
// others are told to end, and are waited for.
func (r Runner) stage(ctx context.Context, stage Stage, facts Facts) []outcome {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outcomes := make([]outcome, len(stage))
	var all sync.WaitGroup
	for i, step := range stage {
		all.Go(func() {
			outcomes[i] = r.step(ctx, step, facts)
			if outcomes[i].err != nil {
				cancel(errOtherFailed)
			}
		})
	}
	all.Wait()
	return outcomes
}

func (r Runner) step(ctx context.Context, step Step, facts Facts) outcome {
	start := r.Now()
	o := outcome{step: step.Name(), facts: facts}
	done := func(kind progress.Kind, text string) outcome {
		o.took = r.Now().Sub(start)
		r.emit(progress.Event{Kind: kind, Step: o.step, Text: text, Took: o.took})
		return o
	}
	if o.err = context.Cause(ctx); o.err != nil {
		return done(progress.Skipped, o.err.Error())
	}
	failed := func(err error) outcome {
		if o.err = err; errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errOtherFailed) {
			o.err = errOtherFailed
			return done(progress.Skipped, o.err.Error())
		}
		o.took = r.failed(o.step, start, err)
		return o
	}
	r.emit(progress.Event{Kind: progress.Started, Step: o.step})
	seen, err := step.Observe(ctx, facts)
	if err != nil {
		return failed(fmt.Errorf("look: %w", err))
	}
	o.facts = seen.Facts
	if seen.State == Ready {
		return done(progress.Done, seen.Detail)
	}
	o.applied = true
	report := &lastNote{Reporter: reporter{r, o.step}}
	after, err := step.Apply(ctx, seen.Facts, report)
	o.facts = after
	if err != nil {
		return failed(err)
	}
	return done(progress.Done, report.last())
}

func (r Runner) failed(step string, start time.Time, err error) time.Duration {
	took := r.Now().Sub(start)
	r.emit(progress.Event{Kind: progress.Failed, Step: step, Took: took, Failure: err.Error()})
	return took
}

func (r Runner) end(began time.Time, why string) {
	r.emit(progress.Event{Kind: progress.End, Text: why, Took: r.Now().Sub(began)})
}

func (r Runner) emit(e progress.Event) {
	e.V, e.At, e.Run = progress.Version, r.Now(), r.Run
	r.Sink.Emit(e)
}

// reporter turns what a step says into events.
type reporter struct {
	runner Runner
	step   string
}

func (p reporter) Note(format string, args ...any) {
	p.say(progress.Note, fmt.Sprintf(format, args...))
}
func (p reporter) Warn(format string, args ...any) {
	p.say(progress.Warning, fmt.Sprintf(format, args...))
}
func (p reporter) Output(line string) { p.say(progress.Output, line) }

func (p reporter) say(kind progress.Kind, text string) {
	p.runner.emit(progress.Event{Kind: kind, Step: p.step, Text: text})
}

// lastNote remembers the newest note: when a step is done it says what came of it.
type lastNote struct {
	Reporter
	mu   sync.Mutex
	text string
}

func (l *lastNote) Note(format string, args ...any) {
	l.mu.Lock()
	l.text = fmt.Sprintf(format, args...)
	l.mu.Unlock()
	l.Reporter.Note(format, args...)
}

func (l *lastNote) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}
