package steps

import (
	"context"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/check/machine"
)

// RoomError says that the machine lacks something that an environment needs.
type RoomError struct {
	// Failures are the checks that failed, each with what was found, what was expected and what helps.
	Failures []check.Result
}

// Error lists the failures, one a line.
func (e *RoomError) Error() string {
	var lines []string
	for _, f := range e.Failures {
		line := f.ID + ": " + f.Reason
		if f.Expected != "" {
			line += ": found " + f.Found + ", expected " + f.Expected
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// ask runs checks as a step looks: a failure is a RoomError, a warning makes the step one that has something to say.
func ask(ctx context.Context, facts bootstrap.Facts, checks ...check.Check) (bootstrap.Observation, error) {
	results, err := check.Run(ctx, checks, time.Now)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	seen := bootstrap.Observation{State: bootstrap.Ready, Facts: facts}
	report := check.Report{Checks: results}
	if bad := report.Failures(); len(bad) > 0 {
		return bootstrap.Observation{}, &RoomError{Failures: bad}
	}
	var warnings, fine []string
	for _, r := range results {
		switch r.Verdict {
		case check.Warn:
			warnings = append(warnings, r.ID+": "+r.Reason)
		case check.Pass:
			fine = append(fine, r.Reason)
		case check.Fail, check.Skip:
		}
	}
	seen.Detail = strings.Join(fine, ", ")
	if len(warnings) > 0 {
		seen.State, seen.Detail = bootstrap.Differs, strings.Join(warnings, "; ")
	}
	return seen, nil
}

// preflight looks whether the machine has room. It makes nothing.
type preflight struct{ dir string }

func (preflight) Name() string { return "preflight" }

func (p preflight) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	memory, room := machine.Embedded()
	return ask(ctx, facts, machine.Memory(memory), machine.Disk(p.dir, room))
}

// Apply can only say what is short; the cluster may still fit.
func (p preflight) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	seen, err := p.Observe(ctx, facts)
	if err != nil {
		return facts, err
	}
	if seen.State == bootstrap.Differs {
		report.Warn("%s", seen.Detail)
	}
	return facts, nil
}
