package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/safetext"
)

// reports are the commands with which an agent tells how its approved action goes.
func (r *request) reports() []*cobra.Command {
	return []*cobra.Command{
		r.verify(),
		r.report("executing", "Report that an approved action has begun, as the agent", (*client.Client).Executing),
		r.report("heartbeat", "Report that it is still going on, so that nobody else gets the target", (*client.Client).Heartbeat),
		r.succeed(), r.fail(), r.grade(), r.watch(),
	}
}

// verify asks whether an approved request is still what was decided about.
func (r *request) verify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify NAME", Short: "Ask whether what was approved is still as it was, before it is executed, as the agent", Args: cobra.ExactArgs(1),
	}
	format := outputFlag(c, formatTable, formatJSON)
	generation := c.Flags().Int64("generation", -1, "evaluationGeneration that the agent knows (default: the request's)")
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(c.Context(), []string{bootstrap.RoleAgent}, func(ctx context.Context, g *client.Client) error {
			if *generation < 0 {
				state, err := g.Get(ctx, r.namespace, args[0])
				if err != nil {
					return err
				}
				*generation = state.EvaluationGeneration
			}
			found, err := g.Verify(ctx, r.namespace, args[0], *generation)
			if err != nil {
				return err
			}
			if *format == formatJSON {
				err = r.printJSON(found)
			} else if found.Verified {
				err = r.print(args[0] + "   verified\n")
			}
			if err != nil || found.Verified {
				return err
			}
			return failure.New(failure.Refused, []string{"aip-dev request fail " + args[0] + "  # and submit it again"},
				"%s is not verified, do not begin: %s: %s", args[0], found.Code, safetext.Line(found.Message))
		})
	}
	return c
}

func (r *request) report(
	verb, short string, do func(*client.Client, context.Context, string, string) (wire.Reported, error),
) *cobra.Command {
	c := &cobra.Command{Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1)}
	format := outputFlag(c, formatTable, formatJSON)
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(c.Context(), []string{bootstrap.RoleAgent}, func(ctx context.Context, g *client.Client) error {
			done, err := do(g, ctx, r.namespace, args[0])
			if err != nil {
				return err
			}
			return r.showReported(*format, args[0], done)
		})
	}
	return c
}

func (r *request) showReported(format, name string, done wire.Reported) error {
	if format == formatJSON {
		return r.printJSON(done)
	}
	return r.print(name + "   " + string(done.Phase) + "\n")
}

// succeed reports success, with the evidence for it when there is some.
func (r *request) succeed() *cobra.Command {
	var result v1alpha1.Result
	c := &cobra.Command{
		Use: "complete NAME", Short: "Report that it succeeded, as the agent", Args: cobra.ExactArgs(1),
		Example: "  aip-dev request complete NAME --url https://ci.example.org/runs/7 --summary 'rolled out'",
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().StringVar(&result.URL, "url", "", "https URL that leads to the evidence")
	c.Flags().StringVar(&result.Summary, "summary", "", "what came out of it, with --url")
	c.RunE = func(c *cobra.Command, args []string) error {
		if result.Summary != "" && result.URL == "" {
			return failure.New(failure.Usage, []string{"aip-dev request complete --help"}, "--summary is given without --url, expected both")
		}
		return r.call(c.Context(), []string{bootstrap.RoleAgent}, func(ctx context.Context, g *client.Client) error {
			if result.URL != "" {
				if _, err := g.Result(ctx, r.namespace, args[0], result); err != nil {
					return err
				}
			}
			done, err := g.Completed(ctx, r.namespace, args[0])
			if err != nil {
				return err
			}
			return r.showReported(*format, args[0], done)
		})
	}
	return c
}

func (r *request) fail() *cobra.Command {
	var in wire.Failure
	c := &cobra.Command{Use: "fail NAME", Short: "Report that it failed, as the agent", Args: cobra.ExactArgs(1)}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().StringVar(&in.Reason, "reason", "", "what went wrong")
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(c.Context(), []string{bootstrap.RoleAgent}, func(ctx context.Context, g *client.Client) error {
			done, err := g.Failed(ctx, r.namespace, args[0], in)
			if err != nil {
				return err
			}
			return r.showReported(*format, args[0], done)
		})
	}
	return c
}

// watch prints every change until it is interrupted. When the gateway goes away it waits for its return.
func (r *request) watch() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "watch", Short: "Print requests and their changes as they come", Args: cobra.NoArgs}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "of all namespaces")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return r.call(c.Context(), reviewersFirst(), func(ctx context.Context, g *client.Client) error {
			return r.follow(ctx, g, client.ListOptions{Namespace: r.namespace, AllNamespaces: all}, *format)
		})
	}
	return c
}

// follow prints what the stream brings. A stream that breaks is opened again, and what was printed is not printed twice.
func (r *request) follow(ctx context.Context, g *client.Client, o client.ListOptions, format string) error {
	printed := map[string]string{}
	for began := false; ; began = true {
		err := g.Watch(ctx, o, func(e wire.Event) error {
			began = true
			if e.Object == nil || printed[string(e.Object.UID)] == e.Object.ResourceVersion {
				return nil
			}
			printed[string(e.Object.UID)] = e.Object.ResourceVersion
			return r.showEvent(format, e)
		})
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // an interrupt is how it ends
		case !began || !errors.Is(err, client.ErrUnavailable):
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func (r *request) showEvent(format string, e wire.Event) error {
	if format == formatJSON {
		line, err := json.Marshal(struct {
			Type   string                 `json:"type"`
			Object *v1alpha1.AgentRequest `json:"object"`
		}{e.Type, e.Object})
		if err != nil {
			return fmt.Errorf("encode the event: %w", err)
		}
		return r.print(string(line) + "\n")
	}
	q := e.Object
	return r.print(fmt.Sprintf("%s   %s/%s   %s   %s   %s   %s   %s\n", r.now().Format(time.TimeOnly), q.Namespace, q.Name, orNew(q.Status.Phase, e.Type),
		safetext.Line(q.Spec.AgentIdentity), safetext.Line(q.Spec.Action), safetext.Line(q.Spec.Target.URI), e.Type))
}

// orNew returns the phase as people read it: one that the reconciler has not seen is new.
func orNew(p v1alpha1.Phase, event string) string {
	switch {
	case event == wire.EventDeleted && p == "":
		return "gone"
	case p == "":
		return "Submitted"
	default:
		return string(p)
	}
}
