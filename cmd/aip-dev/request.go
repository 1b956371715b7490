package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/failure"
)

// request is what the subcommands of `request` share.
type request struct {
	*app
	as        string
	namespace string
}

func newRequest(a *app) *cobra.Command {
	r := &request{app: a}
	c := &cobra.Command{
		Use: "request", Aliases: []string{"requests", "req"}, Short: "Submit, read and decide AgentRequests", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&r.as, "as", "", "client to speak as (default: the first agent to submit, else the first reviewer)")
	c.PersistentFlags().StringVarP(&r.namespace, "namespace", "n", "default", "namespace of the request")
	c.AddCommand(r.submit(), r.get(), r.list(), r.wait(), r.decide("approve"), r.decide("deny"))
	c.AddCommand(r.reports()...)
	return c
}

// call opens the environment and calls the gateway as --as, or as the first client with one of roles.
func (r *request) call(ctx context.Context, roles []string, do func(context.Context, *client.Client) error) error {
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	id := r.as
	if id == "" {
		id = s.First(roles...)
	}
	if id == "" {
		return failure.New(failure.NotFound, []string{r.command("status")}, "no client has the role %s", strings.Join(roles, " or "))
	}
	return s.Do(ctx, id, do)
}

func reviewersFirst() []string {
	return []string{bootstrap.RoleReviewer, bootstrap.RoleAdmin, bootstrap.RoleAgent}
}

func (r *request) submit() *cobra.Command {
	var in wire.Submission
	var file, parameters string
	c := &cobra.Command{
		Use:   "submit",
		Short: "Ask for an action, as an agent does",
		Example: "  aip-dev request submit --action delete --target k8s://prod/default/deployment/payment-api --reason 'idle for 6 h'\n" +
			"  aip-dev request submit -f request.json --as aip-agent-1",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	f := c.Flags()
	f.StringVar(&in.Action, "action", "", "what the agent wants to do, for example delete")
	f.StringVar(&in.TargetURI, "target", "", "URI of what it wants to do it to")
	f.StringVar(&in.Reason, "reason", "", "why")
	f.StringVar(&in.CorrelationID, "correlation-id", "", "groups requests that belong together")
	f.StringVar(&in.Mode, "mode", "", "govern asks for a decision, observe only records the intent (default govern)")
	f.StringVar(&parameters, "parameters", "", "JSON object with the details of the action")
	f.StringVarP(&file, "file", "f", "", "file with the whole body as JSON; - reads the standard input")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := r.complete(&in, file, parameters); err != nil {
			return err
		}
		return r.call(c.Context(), []string{bootstrap.RoleAgent}, func(ctx context.Context, g *client.Client) error {
			state, err := g.Submit(ctx, in)
			if err != nil {
				return err
			}
			return r.show(*format, state)
		})
	}
	return c
}

// complete fills in what the flags leave out and refuses what the gateway would refuse without a look at the rest.
func (r *request) complete(in *wire.Submission, file, parameters string) error {
	next := []string{"aip-dev request submit --help"}
	if file != "" {
		if err := r.readBody(in, file); err != nil {
			return failure.Wrap(err, failure.Usage, next, "--file %s", file)
		}
	}
	if in.Namespace == "" {
		in.Namespace = r.namespace
	}
	if parameters != "" {
		if !json.Valid([]byte(parameters)) {
			return failure.New(failure.Usage, next, "--parameters is not JSON, expected an object such as '{\"replicas\": 1}'")
		}
		in.Parameters = json.RawMessage(parameters)
	}
	for _, needed := range []struct{ flag, value string }{
		{"action", in.Action}, {"target", in.TargetURI}, {"reason", in.Reason},
	} {
		if needed.value == "" {
			return failure.New(failure.Usage, next, "--%s is empty; action, target and reason are needed", needed.flag)
		}
	}
	return nil
}

// readBody decodes a file over in. Flags that were given were decoded before and lose: a file says everything.
func (r *request) readBody(in *wire.Submission, path string) error {
	source := r.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // nothing was written
		source = file
	}
	data, err := io.ReadAll(io.LimitReader(source, wire.MaxBodyBytes+1))
	if err != nil {
		return err
	}
	if len(data) > wire.MaxBodyBytes {
		return fmt.Errorf("more than %d bytes, which is what the gateway takes", wire.MaxBodyBytes)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(in)
}

func (r *request) get() *cobra.Command {
	c := &cobra.Command{Use: "get NAME", Short: "Show one request", Args: cobra.ExactArgs(1)}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(c.Context(), reviewersFirst(), func(ctx context.Context, g *client.Client) error {
			state, err := g.Get(ctx, r.namespace, args[0])
			if err != nil {
				return err
			}
			return r.show(*format, state)
		})
	}
	return c
}

func (r *request) wait() *cobra.Command {
	var limit time.Duration
	c := &cobra.Command{Use: "wait NAME", Short: "Wait until a request is decided", Args: cobra.ExactArgs(1)}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	c.Flags().DurationVar(&limit, "timeout", 0, "for how long; 0 waits for ever")
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(c.Context(), reviewersFirst(), func(ctx context.Context, g *client.Client) error {
			if limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, limit)
				defer cancel()
			}
			state, err := g.WaitDecided(ctx, r.namespace, args[0])
			if errors.Is(err, context.DeadlineExceeded) {
				return failure.New(failure.Failed, []string{r.command("request approve " + args[0])},
					"%s is %s after %s, expected a decision", args[0], state.Phase, limit)
			}
			if err != nil {
				return err
			}
			if err := r.show(*format, state); err != nil {
				return err
			}
			if state.Phase == v1alpha1.PhaseDenied {
				return failure.New(failure.Refused, nil, "%s was denied", args[0])
			}
			return nil
		})
	}
	return c
}

func (r *request) list() *cobra.Command {
	var all bool
	var o client.ListOptions
	var phases []string
	c := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List requests, newest first", Args: cobra.NoArgs}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "of all namespaces")
	c.Flags().StringSliceVar(&phases, "phase", nil, "only requests in these phases, for example Pending")
	c.Flags().StringVar(&o.Agent, "agent", "", "only requests of this agent")
	c.RunE = func(c *cobra.Command, _ []string) error {
		o.AllNamespaces, o.Namespace = all, r.namespace
		for _, p := range phases {
			o.Phases = append(o.Phases, v1alpha1.Phase(p))
		}
		return r.call(c.Context(), reviewersFirst(), func(ctx context.Context, g *client.Client) error {
			requests, err := g.List(ctx, o)
			if err != nil {
				return err
			}
			return r.showList(*format, requests)
		})
	}
	return c
}
