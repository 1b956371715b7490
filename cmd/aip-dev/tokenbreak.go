package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/token"
)

// breakRole and breakAzp are broken tokens that the issuer itself signs, for a client that is made for them and removed again.
const (
	breakRole = "role"
	breakAzp  = "azp"
)

// breakages are all kinds of broken tokens.
func breakages() []token.Breakage {
	return append(token.Breakages(),
		token.Breakage{Kind: breakAzp, Does: "is real, and its azp is in no list", Row: "T12"},
		token.Breakage{Kind: breakRole, Does: "is real, and its client has no role", Row: "T12"},
	)
}

func newTokenBreak(a *app) *cobra.Command {
	var text strings.Builder
	kinds := []string{}
	for _, b := range breakages() {
		kinds = append(kinds, b.Kind)
		fmt.Fprintf(&text, "  %-5s %s (%s)\n", b.Kind, b.Does, b.Row)
	}
	c := &cobra.Command{
		Use:   "break KIND [CLIENT]",
		Short: "Print a token that is wrong in one way, for tests of what refuses it",
		Long: "Print a token that is wrong in one way and otherwise like one of the client, for tests of what refuses it. No key of\n" +
			"the issuer is touched. The kinds, with the rows of `token why`:\n\n" + text.String(),
		Example: "  aip-dev token break aud | aip-dev token why",
		Args:    cobra.RangeArgs(1, 2),
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return [][]string{kinds, a.clients(c), nil}[min(len(args), 2)], cobra.ShellCompDirectiveNoFileComp
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if !slices.Contains(kinds, args[0]) {
			return failure.New(failure.Usage, []string{c.CommandPath() + " --help"}, "kind %s is not known, expected one of %s", safeName(args[0]), strings.Join(kinds, ", "))
		}
		broken, err := a.brokenToken(c, args[0], args[1:])
		if err != nil {
			return err
		}
		return a.print(broken + "\n")
	}
	return c
}

// brokenToken returns a token of a kind, for the first client of the environment or the one that rest names.
func (a *app) brokenToken(c *cobra.Command, kind string, rest []string) (string, error) {
	if kind == breakRole || kind == breakAzp {
		t, err := a.strangersToken(c.Context())
		return t.Raw, err
	}
	s, err := a.open(c.Context())
	if err != nil {
		return "", err
	}
	id := s.First(bootstrap.RoleAgent, bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	if len(rest) > 0 {
		id = rest[0]
	}
	t, err := a.mint(c, s, id, "", false)
	if err != nil {
		return "", err
	}
	return token.Break(t.Raw, kind, a.now())
}

// strangersToken returns a real token of a client that no list of the gateway names.
func (a *app) strangersToken(ctx context.Context) (t token.Token, err error) {
	s, err := a.open(ctx)
	if err != nil {
		return t, err
	}
	e, deps, facts, err := a.opened(ctx)
	if err != nil {
		return t, err
	}
	id, secret := "stranger-"+strings.ToLower(rand.Text()[:8]), rand.Text()
	err = steps.Stranger(ctx, e, deps, facts, id, secret, e.Audience, func() (err error) {
		t, err = s.MintWith(ctx, id, secret)
		return err
	})
	return t, err
}
