package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

func newPolicyApply(a *app) *cobra.Command {
	var as string
	c := &cobra.Command{
		Use: "apply FILE...", Short: "Compile SafetyPolicies, and have the gateway store them", Args: cobra.MinimumNArgs(1),
		Long: "Compile SafetyPolicies and have the gateway store them: a new one, or other rules for one that is there. Where one of\n" +
			"them does not compile, none is stored. Requests that wait are evaluated again. The file - is the standard input.",
		Example: "  aip-dev policy apply policies/*.yaml",
		RunE:    func(c *cobra.Command, files []string) error { return a.applyPolicies(c.Context(), files, as) },
	}
	c.Flags().StringVar(&as, "as", "", "admin to speak as (default: the first admin)")
	return c
}

func newPolicyRemove(a *app) *cobra.Command {
	var as, namespace string
	c := &cobra.Command{
		Use: "remove NAME", Aliases: []string{"rm"}, Short: "Remove a SafetyPolicy; requests that wait are evaluated again", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.asAdmin(c.Context(), as, func(ctx context.Context, g *client.Client) error {
				if err := g.RemovePolicy(ctx, namespace, args[0]); err != nil {
					return a.refusedPolicy(err, args[0])
				}
				return a.print(args[0] + "   removed\n")
			})
		},
	}
	c.Flags().StringVar(&as, "as", "", "admin to speak as (default: the first admin)")
	c.Flags().StringVarP(&namespace, "namespace", "n", "", "namespace of the policy (default: default)")
	return c
}

func (a *app) applyPolicies(ctx context.Context, files []string, as string) error {
	read, err := a.compiled(files, func(*v1alpha1.SafetyPolicy) error { return nil })
	if err != nil {
		return err
	}
	if len(read.Resources) > 0 {
		return failure.New(failure.Usage, []string{"kubectl apply -f FILE"},
			"GovernedResource %s is in the files, expected SafetyPolicies alone: it is stored by kubectl", read.Resources[0].Name)
	}
	policies := read.Policies
	return a.asAdmin(ctx, as, func(ctx context.Context, g *client.Client) error {
		for i := range policies {
			did, err := applyPolicy(ctx, g, policies[i])
			if err != nil {
				return a.refusedPolicy(err, policies[i].Name)
			}
			line := fmt.Sprintf("%s   %s   %s\n", policies[i].Name, text.Count(len(policies[i].Spec.Rules), "rule", "rules"), did)
			if err := a.print(line); err != nil {
				return err
			}
		}
		return nil
	})
}

// applyPolicy stores a policy and says what that changed. Rules that somebody else changed meanwhile are not overwritten.
func applyPolicy(ctx context.Context, g *client.Client, p v1alpha1.SafetyPolicy) (did string, err error) {
	p.Spec.FailureMode = cmp.Or(p.Spec.FailureMode, v1alpha1.FailClosed) // as the schema has it
	old, err := storedPolicy(ctx, g, p)
	switch {
	case err != nil:
		return "", err
	case old == nil:
		_, err = g.CreatePolicy(ctx, p)
		return "created", err
	case equality.Semantic.DeepEqual(old.Spec, p.Spec) && equality.Semantic.DeepEqual(old.Labels, p.Labels) &&
		equality.Semantic.DeepEqual(old.Annotations, p.Annotations):
		return "as before", nil
	}
	var fresh v1alpha1.SafetyPolicy
	for range readAgain {
		p.ResourceVersion = old.ResourceVersion
		if fresh, err = g.ReplacePolicy(ctx, p); !errors.Is(err, client.ErrConflict) {
			break
		}
		// The gateway itself makes a new version when it notes whether the rules compile.
		time.Sleep(readAgainAfter)
		now, failed := storedPolicy(ctx, g, p)
		if failed != nil || now == nil || now.UID != old.UID || now.Generation != old.Generation {
			break
		}
		old = now
	}
	return fmt.Sprintf("replaced, generation %d", fresh.Generation), err
}

// How often, and after what time, a policy is read again that has another version than the one that was read.
const (
	readAgain      = 10
	readAgainAfter = 100 * time.Millisecond
)

// storedPolicy returns the policy of the same name, nil when there is none.
func storedPolicy(ctx context.Context, g *client.Client, p v1alpha1.SafetyPolicy) (*v1alpha1.SafetyPolicy, error) {
	stored, err := g.SafetyPolicies(ctx, p.Namespace)
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	if at := slices.IndexFunc(stored, func(each v1alpha1.SafetyPolicy) bool { return each.Name == p.Name }); at >= 0 {
		return &stored[at], nil
	}
	return nil, nil //nolint:nilnil // there is none, and that is no failure
}

// asAdmin calls the gateway as an admin of the environment.
func (a *app) asAdmin(ctx context.Context, as string, call func(context.Context, *client.Client) error) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	if as == "" {
		as = s.First(bootstrap.RoleAdmin)
	}
	if as == "" {
		return failure.New(failure.NotFound, []string{a.command("agent add NAME --role admin")}, "the gateway takes policies of an admin, and nobody is one")
	}
	return s.Do(ctx, as, call)
}

// refusedPolicy says what helps where the gateway did not take a change to a policy.
func (a *app) refusedPolicy(err error, name string) error {
	switch {
	case errors.Is(err, client.ErrForbidden):
		return failure.Wrap(err, failure.Refused, []string{a.command("agent list"), a.command("agent add NAME --role admin")}, "SafetyPolicy %s", name)
	case errors.Is(err, client.ErrNotFound):
		return failure.Wrap(err, failure.NotFound, []string{"kubectl get safetypolicies --all-namespaces"}, "SafetyPolicy %s", name)
	default:
		return fmt.Errorf("SafetyPolicy %s: %w", name, err)
	}
}
