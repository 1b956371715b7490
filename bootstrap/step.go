package bootstrap

import "context"

// State is what a step found when it looked.
type State int

// What a step can find. The zero value is Unknown, which counts as not there.
const (
	Unknown State = iota
	// Absent means that nothing of the step is there yet.
	Absent
	// Differs means that something is there that is not as described; Detail says what.
	Differs
	// Ready means that nothing has to be done.
	Ready
)

// Observation is what a step found, with the facts that it learned by looking.
type Observation struct {
	State State
	// Detail says what differs, or what is ready, in a few words.
	Detail string
	Facts  Facts
}

// Reporter is how a step tells what it is doing. It is safe for use by several goroutines.
type Reporter interface {
	// Note says what the step works on or waits for right now.
	Note(format string, args ...any)
	// Warn says something that people should read and that fails nothing.
	Warn(format string, args ...any)
	// Output passes on a line of a library's chatter.
	Output(line string)
}

// Step is one part of an environment. Observe only reads. Apply brings the part about and may be run again at any
// time: after a kill -9 in the middle, the next Apply finishes the job.
type Step interface {
	Name() string
	Observe(ctx context.Context, facts Facts) (Observation, error)
	Apply(ctx context.Context, facts Facts, report Reporter) (Facts, error)
}

// Remover is a Step that has something to take away when the environment goes down. Steps whose things end with the
// cluster are not Removers.
type Remover interface {
	Step
	Remove(ctx context.Context, facts Facts, report Reporter) error
}

// Stopper is a Step that can end what runs and keep what is stored.
type Stopper interface {
	Step
	Stop(ctx context.Context, facts Facts, report Reporter) error
}

// Stage is a set of steps that may run side by side.
type Stage []Step

// Then returns a stage of one step.
func Then(s Step) Stage { return Stage{s} }

// Together returns a stage of steps that run side by side. Each sees the facts from before the stage and may change
// only its own section.
func Together(steps ...Step) Stage { return steps }

// Plan is the stages of an environment, in order.
type Plan []Stage

// Names returns the names of all steps, in order.
func (p Plan) Names() []string {
	var names []string
	for _, stage := range p {
		for _, s := range stage {
			names = append(names, s.Name())
		}
	}
	return names
}
