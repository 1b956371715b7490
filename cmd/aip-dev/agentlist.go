package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/internal/session"
)

// listed is one line of `agent list`. What is null is unknown.
type listed struct {
	Name string `json:"name"`
	// Roles are those of the lists that name it in the chart's values.
	Roles []string `json:"roles"`
	// Described says that the description of the environment lists it; others were made by hand.
	Described bool `json:"described"`
	// Realm, Mapper and Secret say whether the client, its audience mapper and its Secret are there.
	Realm  *bool `json:"realm"`
	Mapper *bool `json:"mapper"`
	Secret bool  `json:"secret"`
	// Pending is how many of its requests wait for a decision.
	Pending *int `json:"pending"`
	// TrustLevel is how far the agent is trusted in namespace default; empty where it has no profile there.
	TrustLevel string `json:"trustLevel,omitempty"`
}

func newAgentList(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List who is in the environment, and what there is of each", Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON, formatName)
	c.RunE = func(c *cobra.Command, _ []string) error {
		found, err := a.listMembers(c.Context())
		if err != nil {
			return err
		}
		return a.printMembers(*format, found)
	}
	return c
}

func (a *app) listMembers(ctx context.Context) ([]listed, error) {
	e, deps, facts, err := a.opened(ctx)
	if err != nil {
		return nil, err
	}
	members, unknown, err := steps.Members(ctx, e, deps, facts)
	if err != nil {
		return nil, err
	}
	warn := func(what string, cause error) error {
		if _, err := fmt.Fprintf(a.errOut, "warning: %s: %v\n", what, cause); err != nil {
			return fmt.Errorf("write to the standard error: %w", err)
		}
		return nil
	}
	if unknown != nil {
		if err := warn("what the realm has is unknown", unknown); err != nil {
			return nil, err
		}
	}
	asked, cause := a.askGateway(ctx, facts)
	if cause != nil {
		if err := warn("the number of pending requests and the trust in each are unknown", cause); err != nil {
			return nil, err
		}
	}
	found := make([]listed, 0, len(members))
	for _, m := range members {
		line := listed{Name: m.ID, Roles: m.Roles, Described: m.Described, Realm: m.Realm, Mapper: m.Mapper, Secret: m.Secret}
		if line.Roles == nil {
			line.Roles = []string{}
		}
		if asked.pending != nil {
			count := asked.pending[m.ID]
			line.Pending = &count
		}
		line.TrustLevel = asked.trust[m.ID]
		found = append(found, line)
	}
	return found, nil
}

// asked is what the gateway says of each agent.
type asked struct {
	// pending is how many of its requests wait for a decision; nil when that is unknown.
	pending map[string]int
	// trust is the level of its profile.
	trust map[string]string
}

// askGateway asks as a reviewer or an admin.
func (a *app) askGateway(ctx context.Context, facts bootstrap.Facts) (asked, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	folder, err := a.folder()
	if err != nil {
		return asked{}, err
	}
	s := session.New(session.Options{Facts: facts, Tokens: folder.Tokens(), Now: a.now})
	reader := s.First(bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	if reader == "" {
		return asked{}, errors.New("no reviewer and no admin is there to ask for them")
	}
	out := asked{pending: map[string]int{}, trust: map[string]string{}}
	err = s.Do(ctx, reader, func(ctx context.Context, g *client.Client) error {
		requests, err := g.List(ctx, client.ListOptions{AllNamespaces: true, Phases: []v1alpha1.Phase{v1alpha1.PhasePending}})
		if err != nil {
			return err
		}
		for i := range requests {
			out.pending[requests[i].Spec.AgentIdentity]++
		}
		profiles, err := g.TrustProfiles(ctx, "")
		for i := range profiles {
			out.trust[profiles[i].Spec.AgentIdentity] = profiles[i].Status.TrustLevel
		}
		return err
	})
	if err != nil {
		return asked{}, err
	}
	return out, nil
}

func (a *app) printMembers(format string, found []listed) error {
	head := []string{"NAME", "ROLE", "REALM", "MAPPER", "SECRET", "PENDING"}
	trusts := slices.ContainsFunc(found, func(m listed) bool { return m.TrustLevel != "" })
	if trusts {
		head = append(head, "TRUST")
	}
	name := func(m *listed) string { return safetext.Line(m.Name) }
	return listing[listed]{"nobody is in this environment", name, head, func(m *listed) []string {
		pending := "?"
		if m.Pending != nil {
			pending = strconv.Itoa(*m.Pending)
		}
		cells := []string{name(m), cmp.Or(strings.Join(m.Roles, ","), "none"), yes(m.Realm), yes(m.Mapper), yes(&m.Secret), pending}
		if trusts {
			cells = append(cells, cmp.Or(m.TrustLevel, "-"))
		}
		return cells
	}}.print(a, format, found)
}

func yes(is *bool) string {
	switch {
	case is == nil:
		return "?"
	case *is:
		return "yes"
	default:
		return "no"
	}
}
