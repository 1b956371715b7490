package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
)

// removed is what `agent remove` tells.
type removed struct {
	Name string `json:"name"`
	// Roles are those that it had.
	Roles []string `json:"roles"`
	// NobodyIs are the roles that nobody has any more.
	NobodyIs []string `json:"nobodyIs,omitempty"`
}

func newAgentRemove(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "remove NAME", Aliases: []string{"rm"},
		Short: "End the access of an agent, and take its client and secret away",
		Long: "End the access of an agent, and take its client and secret away. Its name leaves the lists of the chart's values\n" +
			"first, so that its access ends with the rollout even when the rest fails. Its requests stay.",
		Args: cobra.ExactArgs(1),
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.RunE = func(c *cobra.Command, args []string) error {
		done, err := a.removeClient(c.Context(), args[0])
		if err != nil {
			return err
		}
		if *format == formatJSON {
			return a.printJSON(done)
		}
		return a.printRemoved(done)
	}
	return c
}

// removeClient ends a client of an environment that is up.
func (a *app) removeClient(ctx context.Context, id string) (removed, error) {
	e, deps, facts, err := a.opened(ctx)
	if err != nil {
		return removed{}, err
	}
	members, unknown, err := steps.Members(ctx, e, deps, facts)
	if err != nil {
		return removed{}, err
	}
	var known []string
	for _, m := range members {
		known = append(known, m.ID)
	}
	i := slices.Index(known, id)
	switch {
	case i < 0 && unknown != nil:
		return removed{}, fmt.Errorf("%s is in no list, and the realm cannot be read: %w", id, unknown)
	case i < 0:
		return removed{}, a.notThere(id, known)
	}
	done := removed{Name: id, Roles: members[i].Roles}
	if done.Roles == nil {
		done.Roles = []string{}
	}
	facts, _, err = a.bringUp(ctx, e, bringing{
		command: "agent remove", again: "agent remove " + id,
		stays: "What was taken away stays away; until the gateway has rolled out, tokens that " + id + " holds may still work",
		settle: func(asked bootstrap.Environment, last *bootstrap.Environment) (bootstrap.Environment, error) {
			if last != nil {
				asked = *last
			}
			return asked.Without(id), nil
		},
		plan: func(e bootstrap.Environment, d steps.Deps, facts bootstrap.Facts) bootstrap.Plan {
			return steps.RemoveClient(e, d, facts, id)
		},
	})
	if err != nil {
		return done, err
	}
	folder, err := a.folder()
	if err != nil {
		return done, err
	}
	if err := session.New(session.Options{Facts: facts, Tokens: folder.Tokens(), Now: a.now}).Forget(id); err != nil {
		return done, failure.Wrap(err, failure.Failed, []string{"rm -r " + folder.Tokens()}, "%s is gone, but its kept token is not", id)
	}
	roles, err := steps.Subjects(ctx, deps, facts)
	if err != nil {
		return done, fmt.Errorf("read the lists of the chart's values: %w", err)
	}
	for _, role := range done.Roles {
		if len(roles[role]) == 0 {
			done.NobodyIs = append(done.NobodyIs, role)
		}
	}
	return done, nil
}

func (a *app) printRemoved(d removed) error {
	var b strings.Builder
	was := "had no role"
	if len(d.Roles) > 0 {
		was = "was " + strings.Join(d.Roles, " and ")
	}
	fmt.Fprintf(&b, "\n%s is gone from the gateway's lists, from the realm and from Kubernetes; it %s.\n", d.Name, was)
	var next []string
	for _, role := range d.NobodyIs {
		without := map[string]string{
			bootstrap.RoleAgent: "nobody can ask for anything", bootstrap.RoleReviewer: "nobody can approve or deny a request",
			bootstrap.RoleAdmin: "nobody has the rights of an admin",
		}[role]
		fmt.Fprintf(&b, "No %s is left: %s.\n", role, without)
		next = append(next, a.command("agent add NAME --role "+role))
	}
	if e, lists := a.listedHere(); lists {
		if _, listed := e.Find(d.Name); listed {
			fmt.Fprintf(&b, "%s in this folder lists %s: the next `aip-dev up` here makes it again, unless it is taken out there.\n", defaultDescription, d.Name)
		}
	}
	next = append(next, a.command("agent list"))
	fmt.Fprintf(&b, "\nNext:  %s\n", strings.Join(next, "\n       "))
	return a.print(b.String())
}
