package bootstrap

import (
	"context"
	"sync"
)

// Looked is what one step of a plan found when it was asked.
type Looked struct {
	Step string
	// Asked is false when the step was not asked, as it builds on steps that are not ready.
	Asked bool
	Observation
	// Err is why the step could not look.
	Err error
}

// Ready reports whether the step was asked and has nothing to do.
func (l Looked) Ready() bool { return l.Asked && l.Err == nil && l.State == Ready }

// Look asks every step of the plan how its part is, stage by stage, and changes nothing. Stages after one that is not
// ready are not asked: what they would find follows from it.
func Look(ctx context.Context, plan Plan, facts Facts) []Looked {
	var all []Looked
	sound := true
	for _, stage := range plan {
		found := make([]Looked, len(stage))
		var asked sync.WaitGroup
		for i, step := range stage {
			found[i] = Looked{Step: step.Name(), Asked: sound}
			if sound {
				asked.Go(func() { found[i].Observation, found[i].Err = step.Observe(ctx, facts) })
			}
		}
		asked.Wait()
		var learned []Facts
		for _, l := range found {
			sound = sound && l.Ready()
			learned = append(learned, l.Facts)
		}
		if sound {
			facts = merge(facts, learned...)
		}
		all = append(all, found...)
	}
	return all
}
