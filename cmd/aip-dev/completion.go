package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/client"
)

// completionLimit is for how long a person waits for what the shell could complete.
const completionLimit = 2 * time.Second

// completions lets the shell complete what flags and arguments may be: the values of a choice, the environments of this user, and
// the clients and requests of the environment that the command line names. What cannot be had completes nothing.
// Source: https://github.com/spf13/cobra/blob/main/site/content/completions/_index.md
func (a *app) completions(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.completions(sub)
	}
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { a.completeFlag(c, f) })
	c.PersistentFlags().VisitAll(func(f *pflag.Flag) { a.completeFlag(c, f) })
	if c.ValidArgs != nil || c.ValidArgsFunction != nil {
		return
	}
	_, argument, _ := strings.Cut(c.Use, " ")
	argument, _, _ = strings.Cut(argument, " ")
	switch {
	case strings.Trim(argument, "[]|-") == "CLIENT", c.CommandPath() == "aip-dev agent remove":
		c.ValidArgsFunction = first(a.clients)
	case strings.HasPrefix(c.CommandPath(), "aip-dev request ") && argument == "NAME":
		c.ValidArgsFunction = first(a.requests)
	}
}

// completeFlag lets the shell complete a flag of c.
func (a *app) completeFlag(c *cobra.Command, f *pflag.Flag) {
	var values cobra.CompletionFunc
	choice, chosen := f.Value.(*choice)
	switch {
	case chosen:
		values = fixed(func() []string { return choice.choices })
	case f.Name == "oidc-preset":
		values = fixed(authn.PresetNames)
	case f.Name == "verdict":
		values = fixed(func() []string {
			return []string{v1alpha1.VerdictCorrect, v1alpha1.VerdictPartial, v1alpha1.VerdictIncorrect}
		})
	case f.Name == "phase":
		values = fixed(phaseNames)
	case f.Name == "name":
		values = fixed(a.others)
	case f.Name == "as":
		values = func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.clients(c), cobra.ShellCompDirectiveNoFileComp
		}
	default:
		return
	}
	_ = c.RegisterFlagCompletionFunc(f.Name, values) // the flag is there
}

// fixed completes with the same values whatever else is on the command line.
func fixed(values func() []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	}
}

func phaseNames() []string {
	var names []string
	for _, p := range v1alpha1.Phases() {
		names = append(names, string(p))
	}
	return names
}

// first completes the first argument, and no other.
func first(values func(*cobra.Command) []string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return values(c), cobra.ShellCompDirectiveNoFileComp
	}
}

// clients returns those of the environment.
func (a *app) clients(c *cobra.Command) []string {
	s, err := a.open(c.Context())
	if err != nil {
		return nil
	}
	return s.Clients()
}

// requestPhases are those in which a request has to be for a command; none means any.
func requestPhases(command string) []v1alpha1.Phase {
	return map[string][]v1alpha1.Phase{
		"approve": {v1alpha1.PhasePending}, "deny": {v1alpha1.PhasePending}, "wait": {v1alpha1.PhasePending},
		"verify": {v1alpha1.PhaseApproved}, "executing": {v1alpha1.PhaseApproved}, "grade": {v1alpha1.PhaseAwaitingVerdict},
		"heartbeat": {v1alpha1.PhaseExecuting}, "complete": {v1alpha1.PhaseExecuting}, "fail": {v1alpha1.PhaseExecuting},
	}[command]
}

// requests returns the names of those that a command is for. What agents wrote is not among it.
func (a *app) requests(c *cobra.Command) []string {
	ctx, cancel := context.WithTimeout(c.Context(), completionLimit)
	defer cancel()
	s, err := a.open(ctx)
	if err != nil {
		return nil
	}
	var names []string
	_ = s.Do(ctx, s.First(reviewersFirst()...), func(ctx context.Context, g *client.Client) error { // nothing is completed then
		namespace, _ := c.Flags().GetString("namespace") // each of them has it
		found, err := g.List(ctx, client.ListOptions{Namespace: namespace, Phases: requestPhases(c.Name())})
		for i := range found {
			names = append(names, found[i].Name+"\t"+string(found[i].Status.Phase))
		}
		return err
	})
	return names
}
