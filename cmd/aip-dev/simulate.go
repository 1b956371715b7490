package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/simulate"
)

func newSimulate(a *app) *cobra.Command {
	var as string
	var count int
	names := []string{"all"}
	var list strings.Builder
	for _, s := range simulate.Scenarios() {
		names = append(names, s.Name)
		fmt.Fprintf(&list, "  %-16s %s\n", s.Name, s.Does)
	}
	c := &cobra.Command{
		Use:       "simulate SCENARIO|all",
		Short:     "Play agents, well-behaved and hostile, and say whether the gateway answers as it should",
		Long:      "Play agents against the environment and say whether the gateway answered as it should. What waits for a decision\nstays in the queue: look at it in aip-dev tui.\n\nScenarios:\n" + list.String(),
		Example:   "  aip-dev simulate everyday\n  aip-dev simulate flood --count 200\n  aip-dev simulate all -o json",
		Args:      cobra.MatchAll(cobra.MinimumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().StringVar(&as, "as", "", "agent to play (default: the first agent)")
	c.Flags().IntVar(&count, "count", 50, "how many requests a flood has")
	c.RunE = func(c *cobra.Command, args []string) error {
		if count < 1 {
			return failure.New(failure.Usage, nil, "--count is %d, expected 1 or more", count)
		}
		w, err := a.world(c.Context(), as, count)
		if err != nil {
			return err
		}
		chosen := slices.DeleteFunc(simulate.Scenarios(), func(s simulate.Scenario) bool {
			return !slices.Contains(args, "all") && !slices.Contains(args, s.Name)
		})
		return a.simulate(c.Context(), w, chosen, *format)
	}
	return c
}

// simulate plays scenarios and tells each result when it is there.
func (a *app) simulate(ctx context.Context, w simulate.World, chosen []simulate.Scenario, format string) error {
	var results []simulate.Result
	var bad []string
	var printing error
	err := simulate.Run(ctx, w, chosen, func(r simulate.Result) {
		results = append(results, r)
		sign, text := "✓", r.Seen
		if r.Unexpected != "" {
			bad = append(bad, r.Scenario)
			sign, text = "✗", strings.Trim(r.Seen+"; "+r.Unexpected, "; ")
		}
		if format == formatTable && printing == nil {
			printing = a.print(fmt.Sprintf("  %s %-16s %s\n", sign, r.Scenario, safetext.Line(text)))
		}
	})
	if err != nil || printing != nil {
		return failure.Wrap(firstOf(err, printing), failure.Failed, []string{a.command("status")}, "simulate")
	}
	if format == formatJSON {
		if err := a.printJSON(results); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return failure.New(failure.Failed, []string{a.command("logs gateway"), a.command("doctor")}, "not as it should be: %s", strings.Join(bad, ", "))
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// world finds who takes part.
func (a *app) world(ctx context.Context, as string, count int) (simulate.World, error) {
	s, err := a.open(ctx)
	if err != nil {
		return simulate.World{}, err
	}
	if as == "" {
		as = s.First(bootstrap.RoleAgent)
	}
	reviewer := s.First(bootstrap.RoleReviewer)
	if as == "" || reviewer == "" {
		return simulate.World{}, failure.New(failure.NotFound, []string{a.command("status")}, "an agent and a reviewer are needed, found agent %q and reviewer %q", as, reviewer)
	}
	w := simulate.World{AgentName: as, Mark: strconv.FormatInt(a.now().UnixMilli(), 36), N: count}
	if err := a.connect(s, &w, reviewer); err != nil {
		return w, err
	}
	return w, nil
}

// connect makes the clients of a world.
func (a *app) connect(s *session.Session, w *simulate.World, reviewer string) error {
	var err error
	if w.Agent, err = s.Gateway(w.AgentName); err != nil {
		return fmt.Errorf("speak as %s: %w", w.AgentName, err)
	}
	if w.Reviewer, err = s.Gateway(reviewer); err != nil {
		return fmt.Errorf("speak as %s: %w", reviewer, err)
	}
	unsigned := func(context.Context) (string, error) {
		return "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJhenAiOiJhaXAtYWdlbnQtMSIsImF1ZCI6ImFpcC1nYXRld2F5In0.", nil
	}
	if w.Stranger, err = client.New(s.Facts.Gateway.URL, unsigned, nil); err != nil {
		return fmt.Errorf("speak as a stranger: %w", err)
	}
	return nil
}
