package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/journal"
)

// journal is the record of the decisions that are made from here in the environment that the flags name.
func (a *app) journal() (*journal.Journal, error) {
	folder, err := a.folder()
	if err != nil {
		return nil, err
	}
	return journal.At(folder.Journal(), a.now), nil
}

// decisions returns what the journal has.
func (a *app) decisions() ([]journal.Record, error) {
	j, err := a.journal()
	if err != nil {
		return nil, err
	}
	return j.Records()
}

func newJournal(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "journal",
		Short: "List what was decided from here: who, when, why, and what became of it",
		Long: "List what was decided from here, oldest first: who, when, why, what of the request had been seen, and what became of\n" +
			"it. Decisions of the queue, of its lines and of `request approve|deny|grade` are in it. The journal belongs to the\n" +
			"reviewer: it stays when the environment goes down, and so does what it says about requests that are gone.",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.RunE = func(*cobra.Command, []string) error {
		records, err := a.decisions()
		if err != nil {
			return err
		}
		if *format == formatJSON {
			return a.printJSON(records)
		}
		return a.showJournal(records)
	}
	c.AddCommand(a.journalVerify(), a.journalStatistics())
	return c
}

// showJournal prints decisions in a table.
func (a *app) showJournal(records []journal.Record) error {
	if len(records) == 0 {
		_, err := fmt.Fprintln(a.errOut, "no decisions")
		return err
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	row("TIME", "BY", "DECISION", "OUTCOME", "SEEN", "AGENT", "ACTION", "TARGET", "REASON")
	for _, r := range records {
		what := r.Verb
		if r.Verdict != "" {
			what = strings.TrimSpace(r.Verdict + " " + r.ReasonCode)
		}
		outcome := r.Result
		if r.Winner != "" {
			outcome += " to " + r.Winner
		}
		row(r.At.In(a.now().Location()).Format(time.DateTime), r.By, what, outcome, r.Seen, orDash(r.Agent), orDash(r.Action),
			orDash(r.Target), r.Reason)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	return a.print(b.String())
}

// orDash stands for what is not known.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) journalVerify() *cobra.Command {
	var noted string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that no line of the journal was changed, taken out or put in",
		Long: "Check that no line of the journal was changed, taken out or put in: each line names the hash of the one before. Whoever\n" +
			"may write the journal and all that is beside it can write all of it anew; against that, note the hash that verify\n" +
			"prints where they cannot write, and ask for it later with --noted.",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().StringVar(&noted, "noted", "", "hash that was printed earlier and has to be that of a line")
	c.RunE = func(*cobra.Command, []string) error {
		j, err := a.journal()
		if err != nil {
			return err
		}
		r, err := j.Verify(noted)
		if err != nil {
			return err
		}
		if *format == formatJSON {
			if err := a.printJSON(r); err != nil {
				return err
			}
		}
		if len(r.Faults) > 0 {
			lines := make([]string, len(r.Faults))
			for i, f := range r.Faults {
				lines[i] = fmt.Sprintf("line %d: %s", f.Line, f.Text)
			}
			return failure.New(failure.Failed, []string{"less " + r.Path}, "the journal is not as it was written:\n%s", strings.Join(lines, "\n"))
		}
		if *format == formatJSON {
			return nil
		}
		if r.Entries == 0 {
			return a.print(fmt.Sprintf("%s is empty\n", r.Path))
		}
		return a.print(fmt.Sprintf("%s is as it was written: %d decisions in %d lines\nlast hash %s\n", r.Path, r.Decisions, r.Entries, r.Last))
	}
	return c
}

func (a *app) journalStatistics() *cobra.Command {
	c := &cobra.Command{
		Use:   "statistics",
		Short: "Count what was decided from here, by reviewer: how long it took, what came too late, what was approved unread",
		Long: "Count what was decided from here, by reviewer. MEDIAN and P90 are the times from a request to its approval or denial.\n" +
			"LOST counts the decisions before which somebody else decided, LATE those whose request had ended by itself; UNREAD the\n" +
			"approvals without the whole request on the screen, IN USE those of targets with live endpoints. What grants decided is\n" +
			"counted in BY GRANT alone.",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.RunE = func(*cobra.Command, []string) error {
		records, err := a.decisions()
		if err != nil {
			return err
		}
		all := journal.StatisticsOf(records)
		if *format == formatJSON {
			return a.printJSON(all)
		}
		return a.showStatistics(all)
	}
	return c
}

// showStatistics prints what was counted in a table.
func (a *app) showStatistics(all []journal.Statistics) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.errOut, "no decisions")
		return err
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "REVIEWER\tDECISIONS\tAPPROVED\tDENIED\tGRADED\tMEDIAN\tP90\tLOST\tLATE\tUNREAD\tIN USE\tBY GRANT")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t%s\t%s\t%d\n", orDash(s.Reviewer), s.Decisions, s.Approved, s.Denied, s.Graded,
			inSeconds(s.Median), inSeconds(s.Slow), s.Lost, s.Late, share(s.Unread, s.Approved), share(s.InUse, s.Approved), s.ByGrant)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	return a.print(b.String())
}

// inSeconds writes a time to the second.
func inSeconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return (time.Duration(s * float64(time.Second))).Round(time.Second).String()
}

// share writes a count, and what part of all that is.
func share(n, of int) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%d%%)", n, (n*100+of/2)/of)
}
