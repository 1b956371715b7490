package tui

import (
	"context"
	"time"

	"github.com/charmbracelet/bubbles/key"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/agents"
	"github.com/aip-dev/aip-dev/tui/page/audit"
	"github.com/aip-dev/aip-dev/tui/page/environment"
	"github.com/aip-dev/aip-dev/tui/page/policies"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// entries are the pages that can be opened from everywhere. Adding a page is a line here.
func entries(o Options, look theme.Theme, do page.Do) []page.Entry {
	changes := o.Commands != nil
	bind := func(name, title string) key.Binding {
		return key.NewBinding(key.WithKeys(name), key.WithHelp(name, title))
	}
	zone := func() *time.Location { return o.Now().Location() }
	all := []page.Entry{
		{Key: bind("A", "audit trail"), New: func() page.Page { return audit.New(look, o.Gateway, do, zone()) }},
		{Key: bind("I", "agents and reviewers"), New: func() page.Page {
			return agents.New(agents.Options{
				Look: look, Source: o.Gateway, Known: o.Identities, Do: do, Zone: zone(), Changes: changes, ReadOnly: o.ReadOnly, Command: o.Command,
			})
		}},
	}
	if o.Policies != nil {
		all = append(all, page.Entry{Key: bind("P", "policies"), New: func() page.Page {
			return policies.New(policies.Options{Look: look, Source: o.Policies, Do: do, Identity: o.Identity, Changes: changes, ReadOnly: o.ReadOnly})
		}})
	}
	if o.Tokens != nil {
		all = append(all, page.Entry{Key: bind("T", "token"), New: func() page.Page { return tokens.New(look, o.Tokens, o.Identity, do) }})
	}
	if o.Environs != nil {
		all = append(all, page.Entry{Key: bind("E", "environment"), New: func() page.Page { return environment.New(look, o.Environs, do) }})
	}
	return all
}

// readPolicies reads the policies of all namespaces, which all apply; nil when nobody may.
func (o Options) readPolicies() func(context.Context) ([]v1alpha1.SafetyPolicy, error) {
	if o.Policies == nil {
		return nil
	}
	return func(ctx context.Context) ([]v1alpha1.SafetyPolicy, error) {
		return o.Policies.AllSafetyPolicies(ctx) //nolint:wrapcheck // the reader drops it
	}
}
