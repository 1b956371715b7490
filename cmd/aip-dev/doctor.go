package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/doctor"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/progress"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/state/description"
)

func newDoctor(a *app) *cobra.Command {
	var fix, yes, strict bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with the environment or the machine, and make it right with --fix",
		Long: "Ask the machine and every part of the environment how they are. A part that builds on one that is not right is not\n" +
			"asked, so that one cause gives one red line; the last line is the failure that explains most, with the command that\n" +
			"mends it. Nothing is changed without --fix, nothing is downloaded, and nothing is ever deleted but tokens that are kept.\n\n" +
			"Exit status 0 means that nothing failed, 1 that something did, 2 that the question could not be asked.",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().BoolVar(&fix, "fix", false, "make right what is wrong, after showing it and asking")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask before --fix")
	c.Flags().BoolVar(&strict, "strict", false, "count warnings as failures")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if yes && !fix {
			return failure.New(failure.Usage, []string{a.command("doctor --fix --yes")}, "--yes answers the question of --fix, and that was not given")
		}
		r, err := a.examine(c.Context())
		if err != nil { // that is no verdict
			return failure.Wrap(err, failure.Usage, failure.Next(a.explain(err)), "")
		}
		if fix && len(r.Failures()) > 0 {
			if err := a.mend(c.Context(), r, yes); err != nil {
				return err
			}
			if r, err = a.examine(c.Context()); err != nil {
				return err
			}
		}
		show := a.printReport
		if *format == formatJSON {
			show = func(r check.Report) error { return a.printJSON(r) }
		}
		if err := show(r); err != nil {
			return err
		}
		return a.verdict(r, strict)
	}
	return c
}

// verdict returns the failure that explains most, with the one command that mends it.
func (a *app) verdict(r check.Report, strict bool) error {
	worst := r.Worst
	if i := slices.IndexFunc(r.Checks, func(c check.Result) bool { return c.Verdict == check.Warn }); worst == nil && strict && i >= 0 {
		worst = &r.Checks[i]
	}
	if worst == nil {
		return nil
	}
	command := worst.Fix.Command
	if command == "" {
		command = a.command("support-bundle") + "  # and ask for help"
	}
	return failure.New(failure.Failed, []string{command}, "%s: %s", worst.ID, worst.Reason)
}

// examine runs the checks of the environment that the flags name, which need not be there.
func (a *app) examine(ctx context.Context) (check.Report, error) {
	r := check.Report{Environment: a.name, Program: version, At: a.now().UTC()}
	folder, err := a.folder()
	if err != nil {
		return r, err
	}
	checks, cluster := doctor.Checks(doctor.Options{
		Folder: folder, Engine: a.engineOf(folder), Command: a.command, Getenv: a.getenv, Now: a.now,
		Deps: func(e bootstrap.Environment, kind string) (steps.Deps, error) { return a.deps(e, kind, folder, 0) },
	})
	began := a.now()
	if r.Checks, err = check.Run(ctx, checks, a.now); err != nil {
		return r, err
	}
	r.Cluster, r.Seconds = cluster, a.now().Sub(began).Seconds()
	r.Summarize()
	return r, ctx.Err()
}

// repairs returns what can be done about the failures without a person, in the order in which it has to be done.
func repairs(r check.Report) []check.Repair {
	var found []check.Repair
	for _, repair := range []check.Repair{check.RepairStart, check.RepairUp, check.RepairTokens} {
		if slices.ContainsFunc(r.Failures(), func(c check.Result) bool { return c.Fix.Repair == repair }) {
			found = append(found, repair)
		}
	}
	return found
}

// mend shows what it would do, asks, and does what is safe. What only a person should do is shown with its command.
func (a *app) mend(ctx context.Context, r check.Report, yes bool) error {
	doable := repairs(r)
	var b strings.Builder
	b.WriteString("To be made right:\n\n")
	for _, f := range r.Failures() {
		fmt.Fprintf(&b, "  %s: %s\n", f.ID, f.Reason)
		if f.Fix.Repair == "" {
			fmt.Fprintf(&b, "    only you can: %s\n", f.Fix.Command)
		}
	}
	b.WriteByte('\n')
	does := map[check.Repair]string{
		check.RepairStart:  "This starts the environment as `" + a.command("start") + "` does.",
		check.RepairUp:     "This runs the steps of `" + a.command("up") + "` from where they differ.",
		check.RepairTokens: "This drops the tokens that are kept; new ones are got when they are needed.",
	}
	for _, repair := range doable {
		b.WriteString(does[repair] + "\n")
	}
	if len(doable) > 0 {
		b.WriteString("Nothing else is deleted.\n\n")
	}
	if _, err := fmt.Fprint(a.errOut, b.String()); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if len(doable) == 0 {
		return nil
	}
	if !yes {
		if err := a.consent(ctx, "this changes the environment", a.command("doctor --fix --yes")); err != nil {
			return err
		}
	}
	return a.repair(ctx, doable)
}

// repair does what mend has shown. Starting and `up` are one: both run the steps that have something to do.
func (a *app) repair(ctx context.Context, doable []check.Repair) error {
	folder, err := a.folder()
	if err != nil {
		return err
	}
	if slices.Contains(doable, check.RepairStart) || slices.Contains(doable, check.RepairUp) {
		e, err := description.Read(folder)
		if err != nil {
			return err
		}
		e.Clients = nil // settle knows them
		if _, _, err := a.bringUp(ctx, e, bringing{command: "doctor --fix", yes: true}); err != nil {
			return err
		}
	}
	return dropTokens(folder)
}

// dropTokens forgets the tokens that are kept; the next command that needs one gets it.
func dropTokens(folder state.Folder) error {
	if err := os.RemoveAll(folder.Tokens()); err != nil {
		return fmt.Errorf("drop the kept tokens: %w", err)
	}
	return nil
}

func (a *app) printReport(r check.Report) error {
	where := r.Cluster
	if where == "" {
		where = "not there"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "environment %s · %s · %s\n\n", r.Environment, where, progress.Took(time.Duration(r.Seconds*float64(time.Second))))
	b.WriteString(check.Text(r.Checks))
	switch {
	case r.Worst != nil:
	case r.Cluster == "":
		fmt.Fprintf(&b, "\nNothing is wrong, and there is no environment yet: %s\n", a.command("up"))
	default:
		b.WriteString("\nNothing is wrong.\n")
	}
	return a.print(b.String())
}
