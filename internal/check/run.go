package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Run asks the checks side by side, each as soon as those it needs have answered, and returns the results in the order of
// checks. A check that does not answer within its limit has failed, and Run does not wait for it any longer. The error
// says what is wrong with the list itself. When ctx ends, those that have not answered fail with its cause.
func Run(ctx context.Context, checks []Check, now func() time.Time) ([]Result, error) {
	if err := validate(checks); err != nil {
		return nil, err
	}
	results := make([]Result, len(checks))
	done := map[string]chan struct{}{}
	at := map[string]int{}
	for i, c := range checks {
		done[c.ID], at[c.ID] = make(chan struct{}), i
	}
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			defer close(done[c.ID])
			for _, need := range c.Needs {
				<-done[need]
			}
			began := now()
			r := Result{ID: c.ID, Group: c.Group, Question: c.Question}
			if r.Because = causes(c, results, at); len(r.Because) > 0 {
				r.Answer = Skipped("not asked (because of %s)", strings.Join(r.Because, ", "))
			} else {
				r.Answer = ask(ctx, c)
			}
			r.Took = now().Sub(began)
			r.Millis = r.Took.Milliseconds()
			results[i] = r
		})
	}
	all.Wait()
	return results, nil
}

// validate finds every fault of a list of checks.
func validate(checks []Check) error {
	var faults []error
	seen := map[string]bool{}
	for _, c := range checks {
		if seen[c.ID] || c.ID == "" {
			faults = append(faults, fmt.Errorf("check %q: expected an id that no other has", c.ID))
		}
		if c.Ask == nil || c.Question == "" {
			faults = append(faults, fmt.Errorf("check %q: expected a question and what answers it", c.ID))
		}
		for _, need := range c.Needs {
			if !seen[need] {
				faults = append(faults, fmt.Errorf("check %q needs %q, expected one that stands before it", c.ID, need))
			}
		}
		seen[c.ID] = true
	}
	return errors.Join(faults...)
}

// causes returns the failed checks that explain what c would find: those it needs, and those because of which these
// were not asked.
func causes(c Check, results []Result, at map[string]int) []string {
	var ids []string
	add := func(id string) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, need := range c.Needs {
		r := results[at[need]]
		if r.Bad() {
			add(need)
		}
		for _, id := range r.Because {
			add(id)
		}
	}
	return ids
}

// ask bounds one answer in time. An answer without a verdict is a failure.
func ask(ctx context.Context, c Check) Answer {
	limit := c.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answered := make(chan Answer, 1)
	go func() { answered <- c.Ask(limited) }()
	select {
	case a := <-answered:
		return honest(a)
	case <-limited.Done():
	}
	select { // both may have come true at once
	case a := <-answered:
		return honest(a)
	default:
	}
	if ctx.Err() != nil {
		return Failed(Fix{}, "no answer: %v", context.Cause(ctx))
	}
	return Failed(c.Silence, "no answer within %s", limit)
}

func honest(a Answer) Answer {
	switch a.Verdict {
	case Pass, Warn, Fail, Skip:
		return a
	default:
		return Failed(a.Fix, "the check gave no verdict: %s", a.Reason)
	}
}
