package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/tui/page/tour"
)

func newTry(a *app) *cobra.Command {
	var o queueOptions
	var plain bool
	c := &cobra.Command{
		Use:   "try",
		Short: "A guided tour with an agent and a reviewer, in under three minutes",
		Long: "Play both sides once, against the environment: an agent asks for something harmless, for something that you approve,\n" +
			"for something that you deny, and tries to approve its own request. Without a terminal, or with --plain, the tour plays\n" +
			"by itself and prints what happens.",
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&plain, "plain", false, "play by itself and print lines, for screen readers and pipes")
	c.Flags().BoolVar(&o.ascii, "ascii", false, "draw with ASCII alone")
	c.Flags().BoolVar(&o.noColour, "no-color", false, "draw without colour")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := a.open(c.Context())
		if err != nil {
			return err
		}
		cast, err := a.cast(s)
		if err != nil {
			return err
		}
		mark := strconv.FormatInt(a.now().UnixMilli(), 36) // the tour in lines takes less than a second
		if plain || !isTerminal(a.in) || !isTerminal(a.out) || a.getenv("TERM") == "dumb" {
			return a.playTour(c.Context(), cast, mark)
		}
		o.as, o.tour = cast.ReviewerName, &tour.Options{Cast: cast, Mark: mark, Ending: tour.Ending(a.command)}
		return a.queue(c.Context(), o)
	}
	return c
}

func (a *app) playTour(ctx context.Context, cast tour.Cast, mark string) error {
	if err := tour.Play(ctx, a.out, cast, mark, tour.Ending(a.command)); err != nil {
		return failure.Wrap(err, failure.Failed, []string{a.command("doctor"), a.command("status")}, "the tour")
	}
	return nil
}

// cast finds an agent and a reviewer.
func (a *app) cast(s *session.Session) (tour.Cast, error) {
	cast := tour.Cast{AgentName: s.First(bootstrap.RoleAgent), ReviewerName: s.First(bootstrap.RoleReviewer)}
	if cast.AgentName == "" || cast.ReviewerName == "" {
		return cast, failure.New(failure.NotFound, []string{a.command("status"), a.command("agent add my-agent")},
			"the tour takes an agent and a reviewer, found agent %q and reviewer %q", cast.AgentName, cast.ReviewerName)
	}
	agent, err := s.Gateway(cast.AgentName)
	if err != nil {
		return cast, fmt.Errorf("speak as %s: %w", cast.AgentName, err)
	}
	reviewer, err := s.Gateway(cast.ReviewerName)
	if err != nil {
		return cast, fmt.Errorf("speak as %s: %w", cast.ReviewerName, err)
	}
	decisions, err := a.journal()
	if err != nil {
		return cast, err
	}
	cast.Agent, cast.Reviewer = agent, decide.Desk{Gateway: reviewer, Journal: decisions, Environment: a.name, Via: "tour"}
	return cast, nil
}
