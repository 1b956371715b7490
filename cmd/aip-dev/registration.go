package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/safetext"
)

// registration is what the subcommands of `registration` share; they call the gateway as those of `request` do.
type registration struct{ request }

func newRegistration(a *app) *cobra.Command {
	r := &registration{request{app: a}}
	c := &cobra.Command{
		Use: "registration", Aliases: []string{"registrations", "areg"}, Short: "Ask for AgentRegistrations, read and decide them", Args: cobra.NoArgs,
		Long: "Ask for AgentRegistrations, read and decide them. A registration says which tokens may act as an agent, and what\n" +
			"services it gets tokens for. `agent add` makes one for each new agent; an agent can ask for its own.",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&r.as, "as", "", "client to speak as (default: the first with the role that is needed)")
	c.PersistentFlags().StringVarP(&r.namespace, "namespace", "n", "default", "namespace of the registration")
	c.AddCommand(r.submit(), r.list(), r.decide("approve"), r.decide("deny"), r.remove())
	return c
}

// deciders are the roles that may read and decide registrations.
func deciders() []string { return []string{bootstrap.RoleReviewer, bootstrap.RoleAdmin} }

func (r *registration) submit() *cobra.Command {
	var in wire.RegistrationWish
	c := &cobra.Command{
		Use: "submit", Short: "Ask for a registration, as the agent that it is for", Args: cobra.NoArgs,
		Example: "  aip-dev registration submit --as aip-agent-1 --service ci",
	}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	c.Flags().StringSliceVar(&in.RequestedServices, "service", nil, "what the agent wants tokens for; more than once for several")
	c.Flags().StringVar(&in.Mode, "mode", "", "Standing or Governed (default Standing)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return r.call(c.Context(), []string{bootstrap.RoleAgent}, func(ctx context.Context, g *client.Client) error {
			made, err := g.Register(ctx, in)
			if err != nil {
				return err
			}
			return r.show(*format, made)
		})
	}
	return c
}

func (r *registration) list() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List registrations, as a reviewer", Args: cobra.NoArgs}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "of all namespaces")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return r.call(c.Context(), deciders(), func(ctx context.Context, g *client.Client) error {
			found, err := g.Registrations(ctx, client.ListOptions{Namespace: r.namespace, AllNamespaces: all})
			if err != nil {
				return err
			}
			return r.showAll(*format, found)
		})
	}
	return c
}

func (r *registration) decide(verb string) *cobra.Command {
	var in wire.RegistrationReview
	c := &cobra.Command{Use: verb + " NAME", Short: "Let a registration count no more, as a reviewer", Args: cobra.ExactArgs(1)}
	send := (*client.Client).DenyRegistration
	if verb == "approve" {
		c.Short, send = "Let a registration count, as a reviewer, and grant its services", (*client.Client).ApproveRegistration
		c.Flags().StringSliceVar(&in.Services, "service", nil, "grant this service alone; more than once for several (default: all that it names)")
	}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	c.Flags().StringVar(&in.Reason, "reason", "", "why")
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(c.Context(), deciders(), func(ctx context.Context, g *client.Client) error {
			decided, err := send(g, ctx, r.namespace, args[0], in)
			if err != nil {
				return r.refused(err, args[0])
			}
			return r.show(*format, decided)
		})
	}
	return c
}

func (r *registration) remove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Aliases: []string{"rm"}, Short: "Remove a registration, as an admin; its agent may ask for another", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return r.call(c.Context(), []string{bootstrap.RoleAdmin}, func(ctx context.Context, g *client.Client) error {
				if err := g.RemoveRegistration(ctx, r.namespace, args[0]); err != nil {
					return r.refused(err, args[0])
				}
				return r.print(args[0] + "   removed\n")
			})
		},
	}
}

// refused says what helps where there is no such registration.
func (r *registration) refused(err error, name string) error {
	if errors.Is(err, client.ErrNotFound) {
		return failure.Wrap(err, failure.NotFound, []string{r.command("registration list --all-namespaces")}, "%s in namespace %s", name, r.namespace)
	}
	return err
}

// show prints what became of one registration.
func (r *registration) show(format string, one v1alpha1.AgentRegistration) error {
	switch format {
	case formatJSON:
		return r.printJSON(one)
	case formatName:
		return r.print(one.Name + "\n")
	}
	line := one.Name + "   " + phaseOf(&one)
	if services := one.Status.ApprovedServices; len(services) > 0 {
		line += "   tokens for " + safetext.Line(strings.Join(services, ", "))
	}
	return r.print(line + "\n")
}

// phaseOf says whether a registration counts: one that an administrator stored with kubectl has no phase and does.
func phaseOf(r *v1alpha1.AgentRegistration) string {
	switch {
	case r.Status.Phase != "":
		return string(r.Status.Phase)
	case r.Counts():
		return "in force"
	default:
		return string(v1alpha1.RegistrationPending)
	}
}

// showAll prints registrations; what agents wrote is made harmless.
func (r *registration) showAll(format string, found []v1alpha1.AgentRegistration) error {
	return listing[v1alpha1.AgentRegistration]{
		"no registrations", func(f *v1alpha1.AgentRegistration) string { return f.Name },
		[]string{"NAMESPACE", "NAME", "PHASE", "AGENT", "SERVICES", "GRANTED", "AGE"},
		func(f *v1alpha1.AgentRegistration) []string {
			return []string{
				f.Namespace, f.Name, phaseOf(f), safetext.Line(f.Spec.AgentIdentity), listOf(f.Services()), listOf(f.Status.ApprovedServices),
				r.age(f.CreationTimestamp.Time),
			}
		},
	}.print(r.app, format, found)
}

func listOf(services []string) string {
	if len(services) == 0 {
		return "-"
	}
	return safetext.Line(strings.Join(services, ","))
}
