package main

import (
	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/internal/state"
)

// near returns those of the known names that name may stand for: they differ in a letter or two, or begin with it.
func near(name string, known []string) []string {
	if name == "" {
		return nil
	}
	const short = 5
	slips := 1
	if len(name) >= short {
		slips = 2
	}
	all := &cobra.Command{SuggestionsMinimumDistance: slips} // cobra compares names of commands, which these are not
	for _, each := range known {
		all.AddCommand(&cobra.Command{Use: each, Run: func(*cobra.Command, []string) {}})
	}
	return all.SuggestionsFor(name)
}

// subcommands returns the names of the commands below c.
func subcommands(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

// others returns the names of the environments of this user, nil when they cannot be told.
func (a *app) others() []string {
	root, err := state.Root(a.getenv)
	if err != nil {
		return nil
	}
	names, _ := state.List(root) // they are a help, and no more
	return names
}
