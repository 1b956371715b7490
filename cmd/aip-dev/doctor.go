package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/progress"
)

// Verdicts of doctor.
const (
	verdictPass = "pass"
	verdictFail = "fail"
	verdictSkip = "skip"
)

// diagnosis is what doctor tells of one part of an environment.
type diagnosis struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	// Because names the parts that failed, for one that was not asked.
	Because []string `json:"because,omitempty"`
}

// report is all that doctor tells.
type report struct {
	Version     int         `json:"v"`
	Environment string      `json:"environment"`
	Cluster     string      `json:"cluster"`
	Checks      []diagnosis `json:"checks"`

	took time.Duration
}

// reportVersion is the version of the format of report.
const reportVersion = 1

func newDoctor(a *app) *cobra.Command {
	var fix, yes bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with the environment, and make it right with --fix",
		Long: "Ask every part of the environment how it is, in the order in which they build on each other. A part that builds on\n" +
			"one that is not right is not asked, so that one cause gives one red line. Nothing is changed without --fix, and\n" +
			"nothing is ever deleted.",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().BoolVar(&fix, "fix", false, "make right what is wrong, after showing it and asking")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask before --fix")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if yes && !fix {
			return failure.New(failure.Usage, []string{a.command("doctor --fix --yes")}, "--yes answers the question of --fix, and that was not given")
		}
		r, err := a.examine(c.Context())
		if err != nil {
			return err
		}
		if fix && len(r.failed()) > 0 {
			if err := a.mend(c.Context(), r, yes); err != nil {
				return err
			}
			if r, err = a.examine(c.Context()); err != nil {
				return err
			}
		}
		show := a.printReport
		if *format == formatJSON {
			show = func(r report) error { return a.printJSON(r) }
		}
		if err := show(r); err != nil {
			return err
		}
		if bad := r.failed(); len(bad) > 0 {
			return failure.New(failure.Failed, []string{a.command("doctor --fix") + "  # nothing is deleted", a.command("logs " + logOf(bad[0].ID))},
				"%s: %s", bad[0].ID, bad[0].Reason)
		}
		return nil
	}
	return c
}

// logOf is the log that tells most about a part.
func logOf(part string) string {
	switch part {
	case "identity":
		return "issuer"
	case "gateway", "proof":
		return "gateway"
	default:
		return "up"
	}
}

// examine asks the steps of the environment's plan what they find.
func (a *app) examine(ctx context.Context) (report, error) {
	r := report{Version: reportVersion, Environment: a.name}
	folder, err := a.folder()
	if err != nil {
		return r, err
	}
	e, err := folder.Description()
	if err != nil {
		return r, err
	}
	facts, err := a.known(folder)
	if err != nil {
		return r, err
	}
	r.Cluster = placeOf(facts)
	plan, err := a.plan(e, r.Cluster, folder, 0)
	if err != nil {
		return r, err
	}
	began := a.now()
	var because []string
	for _, l := range bootstrap.Look(ctx, plan, facts) {
		d := diagnosis{ID: l.Step, Verdict: verdictPass, Reason: l.Detail}
		switch {
		case !l.Asked:
			d.Verdict, d.Because = verdictSkip, because
		case l.Err != nil:
			d.Verdict, d.Reason = verdictFail, l.Err.Error()
		case !l.Ready():
			d.Verdict = verdictFail
			if d.Reason == "" {
				d.Reason = "not there"
			}
		}
		if d.Verdict == verdictFail {
			because = append(because, d.ID)
		}
		r.Checks = append(r.Checks, d)
	}
	r.took = a.now().Sub(began)
	return r, ctx.Err()
}

func (r report) failed() []diagnosis {
	var out []diagnosis
	for _, d := range r.Checks {
		if d.Verdict == verdictFail {
			out = append(out, d)
		}
	}
	return out
}

// mend shows what is wrong, asks, and lets the plan bring it about again.
func (a *app) mend(ctx context.Context, r report, yes bool) error {
	var b strings.Builder
	b.WriteString("To be made right:\n\n")
	for _, d := range r.failed() {
		fmt.Fprintf(&b, "  %s: %s\n", d.ID, d.Reason)
	}
	b.WriteString("\nThis runs the steps of `" + a.command("up") + "` from there. Nothing is deleted.\n\n")
	if _, err := fmt.Fprint(a.errOut, b.String()); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if !yes {
		if err := a.consent(ctx, "this changes the environment", a.command("doctor --fix --yes")); err != nil {
			return err
		}
	}
	folder, err := a.folder()
	if err != nil {
		return err
	}
	e, err := folder.Description()
	if err != nil {
		return err
	}
	e.Clients = nil // settle knows them
	_, _, err = a.bringUp(ctx, e, bringing{command: "doctor --fix", yes: true})
	return err
}

func (a *app) printReport(r report) error {
	signs := map[string]string{verdictPass: "✓", verdictFail: "✗", verdictSkip: "·"}
	var b strings.Builder
	fmt.Fprintf(&b, "environment %s · %s · %s\n\n", r.Environment, r.Cluster, progress.Took(r.took))
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, d := range r.Checks {
		reason := d.Reason
		if d.Verdict == verdictSkip {
			reason = "not asked (because of " + strings.Join(d.Because, ", ") + ")"
		}
		fmt.Fprintf(w, "  %s %s\t%s\n", signs[d.Verdict], d.ID, reason)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	if len(r.failed()) == 0 {
		b.WriteString("\nNothing is wrong.\n")
	}
	return a.print(b.String())
}
