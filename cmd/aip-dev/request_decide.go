package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/internal/safetext"
)

func (r *request) decide(verb string) *cobra.Command {
	var in wire.Review
	short := map[string]string{
		journal.Approve: "Approve a request, as a reviewer", journal.Deny: "Deny a request, as a reviewer; the agent reads the reason",
	}
	c := &cobra.Command{Use: verb + " NAME", Short: short[verb], Args: cobra.ExactArgs(1)}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().StringVar(&in.Reason, "reason", "", "why; the agent reads it")
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := r.send(c.Context(), args[0], decide.Order{Verb: verb, Review: in})
		if err != nil {
			return err
		}
		if *format == formatJSON {
			return r.printJSON(wire.Reviewed{Name: args[0], Phase: a.Phase, Warnings: a.Warnings})
		}
		line := args[0] + "   " + string(a.Phase)
		if why := a.Instead(); why != "" {
			line += "   " + safetext.Line(why)
		}
		return r.print(line + "\n")
	}
	return c
}

func (r *request) grade() *cobra.Command {
	var in wire.Verdict
	c := &cobra.Command{
		Use: "grade NAME", Short: "Grade a request that was not executed, as a reviewer", Args: cobra.ExactArgs(1),
		Example: "  aip-dev request grade NAME --verdict correct\n  aip-dev request grade NAME --verdict incorrect --reason-code bad_timing",
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().StringVar(&in.Verdict, "verdict", "", "correct, partial or incorrect")
	c.Flags().StringVar(&in.ReasonCode, "reason-code", "", "what was wrong: wrong_diagnosis, bad_timing, scope_too_broad, precautionary or policy_block")
	c.Flags().StringVar(&in.Note, "note", "", "for people")
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := r.send(c.Context(), args[0], decide.Order{Verb: journal.Grade, Verdict: in})
		if err != nil {
			return err
		}
		return r.showReported(*format, args[0], wire.Reported{Message: a.Message, Phase: a.Phase, Warnings: a.Warnings})
	}
	return c
}

// send decides about the request with this name, of which nothing was shown.
func (r *request) send(ctx context.Context, name string, o decide.Order) (answer decide.Answer, err error) {
	decisions, err := r.journal()
	if err != nil {
		return answer, err
	}
	o.Seen = journal.SeenNone
	err = r.call(ctx, []string{bootstrap.RoleReviewer}, func(ctx context.Context, g *client.Client) error {
		who, err := g.Whoami(ctx)
		if err != nil {
			return err
		}
		o.By = who.Identity
		if o.Request, err = r.named(ctx, g, name, o.Verb); err != nil {
			return err
		}
		answer = decide.Desk{Gateway: g, Journal: decisions, Environment: r.name, Via: "request"}.Send(ctx, o)
		if answer.Err == nil && answer.Unkept != nil {
			return fmt.Errorf("%s is %s, but what became of it is not in the journal: %w", name, answer.Phase, answer.Unkept)
		}
		return answer.Err
	})
	return answer, err
}

// named returns the request with this name as far as it waits for what is decided, for the journal; of any other it
// knows the name alone.
func (r *request) named(ctx context.Context, g *client.Client, name, verb string) (*v1alpha1.AgentRequest, error) {
	phase := v1alpha1.PhasePending
	if verb == journal.Grade {
		phase = v1alpha1.PhaseAwaitingVerdict
	}
	waiting, err := g.List(ctx, client.ListOptions{Namespace: r.namespace, Phases: []v1alpha1.Phase{phase}})
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(waiting, func(q v1alpha1.AgentRequest) bool { return q.Name == name }); i >= 0 {
		return &waiting[i], nil
	}
	q := &v1alpha1.AgentRequest{}
	q.Namespace, q.Name = r.namespace, name
	return q, nil
}
