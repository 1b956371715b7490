package check

import (
	"context"
	"fmt"
	"time"
)

// Verdict is the outcome of a check. The zero value is none and counts as Fail.
type Verdict string

// The verdicts.
const (
	// Pass means that all is well.
	Pass Verdict = "pass"
	// Warn means that it works and deserves a look; it fails nothing.
	Warn Verdict = "warn"
	// Fail means that something does not work.
	Fail Verdict = "fail"
	// Skip means that the question was not asked, or means nothing here.
	Skip Verdict = "skip"
)

// Repair is what a program may do by itself about a failure. Every repair adds or restarts; none deletes.
type Repair string

// The repairs. The zero value is none: a person has to act.
const (
	// RepairUp runs the steps of `up` again.
	RepairUp Repair = "up"
	// RepairStart starts what was stopped.
	RepairStart Repair = "start"
	// RepairTokens drops tokens that are kept and will not be taken any more.
	RepairTokens Repair = "tokens"
)

// Fix is one command that mends what a check found.
type Fix struct {
	// Command is what to type; a remark may follow after two spaces and a #.
	Command string `json:"command,omitempty"`
	// Repair is what `doctor --fix` does in its place; empty when only a person should.
	Repair Repair `json:"repair,omitempty"`
}

// Answer is what a check says. None of its texts holds a secret or a token.
type Answer struct {
	Verdict Verdict `json:"verdict"`
	// Reason says in one line what was found.
	Reason string `json:"reason,omitempty"`
	// Expected and Found are the two sides of a comparison that failed.
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	Fix      Fix    `json:"fix,omitzero"`
}

// OK returns a Pass.
func OK(format string, args ...any) Answer {
	return Answer{Verdict: Pass, Reason: fmt.Sprintf(format, args...)}
}

// Warned returns a Warn with the command that helps.
func Warned(fix Fix, format string, args ...any) Answer {
	return Answer{Verdict: Warn, Reason: fmt.Sprintf(format, args...), Fix: fix}
}

// Failed returns a Fail with the command that helps.
func Failed(fix Fix, format string, args ...any) Answer {
	return Answer{Verdict: Fail, Reason: fmt.Sprintf(format, args...), Fix: fix}
}

// Skipped returns a Skip of a question that means nothing here.
func Skipped(format string, args ...any) Answer {
	return Answer{Verdict: Skip, Reason: fmt.Sprintf(format, args...)}
}

// Differ returns a Fail that compares two values.
func Differ(fix Fix, expected, found, format string, args ...any) Answer {
	a := Failed(fix, format, args...)
	a.Expected, a.Found = expected, found
	return a
}

// Check is one question.
type Check struct {
	// ID is stable and unique, in lower-case words such as audience-mapper, or a row such as T09.
	ID string
	// Group is a heading for people.
	Group string
	// Question is what is asked, in words.
	Question string
	// Limit is how long the answer may take; 0 means DefaultLimit.
	Limit time.Duration
	// Silence is what helps when there is no answer within Limit.
	Silence Fix
	// Needs are the ids of checks whose failure explains a failure of this one. They stand before it.
	Needs []string
	// Ask answers. It changes nothing, downloads nothing, and ends when its context does.
	Ask func(ctx context.Context) Answer
}

// DefaultLimit is how long an answer may take when its check does not say.
const DefaultLimit = 3 * time.Second

// Result is the answer to one check.
type Result struct {
	ID       string `json:"id"`
	Group    string `json:"group,omitempty"`
	Question string `json:"question"`
	Answer
	// Because are the ids of the failed checks that explain why this one was not asked.
	Because []string `json:"because,omitempty"`
	// Took is how long the answer took.
	Took time.Duration `json:"-"`
	// Millis is Took for programs.
	Millis int64 `json:"ms"`
}

// Bad reports whether the check failed. A Warn is no failure, nor is a Skip.
func (r Result) Bad() bool { return r.Verdict != Pass && r.Verdict != Warn && r.Verdict != Skip }
