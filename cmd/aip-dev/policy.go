package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

func newPolicy(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "policy", Short: "Check, test, apply and remove SafetyPolicies", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	check := &cobra.Command{
		Use: "check FILE...", Short: "Compile the rules of SafetyPolicies, as the gateway does", Args: cobra.MinimumNArgs(1),
		Long: `Compile the rules of SafetyPolicies, as the gateway does. The file - is the standard input.

The files may hold GovernedResources too: policies with a contextType are compiled against the contextSchema of those
with that context fetcher.`,
		Example: "  aip-dev policy check policies/*.yaml",
		RunE:    func(_ *cobra.Command, files []string) error { return a.checkPolicies(files) },
	}
	test := &cobra.Command{
		Use: "test FILE...", Short: "Ask SafetyPolicies about examples and compare with what is expected", Args: cobra.MinimumNArgs(1),
		Long: `Ask SafetyPolicies about examples and compare with what is expected.

A file holds a document of kind PolicyTest, and may hold the policies too:

  kind: PolicyTest
  policies: [guard.yaml]
  examples:
    - name: a deletion waits for a person
      request: {action: delete, target: {uri: "k8s://prod/default/deployment/web"}}
      state: {target: {exists: true, hasActiveEndpoints: true}}
      expect: {outcome: RequireApproval}

docs/policies.md has all fields.`,
		Example: "  aip-dev policy test policies/guard-test.yaml",
		RunE:    func(c *cobra.Command, files []string) error { return a.testPolicies(c.Context(), files) },
	}
	c.AddCommand(check, test, newPolicyApply(a), newPolicyRemove(a))
	return c
}

// readPolicies reads a file of policies and examples; - is the standard input.
func (a *app) readPolicies(file string) (policy.File, error) {
	read := os.ReadFile
	if file == "-" {
		read = func(string) ([]byte, error) { return io.ReadAll(a.in) }
	}
	look, help := []string{"ls -l " + shellescape.Quote(filepath.Dir(file))}, []string{"aip-dev policy test --help  # what a file may hold"}
	text, err := read(file)
	if errors.Is(err, os.ErrNotExist) {
		return policy.File{}, failure.Wrap(err, failure.NotFound, look, "read %s", file)
	}
	if err != nil {
		return policy.File{}, failure.Wrap(err, failure.Failed, look, "read %s", file)
	}
	out, err := policy.Read(text)
	if err != nil {
		return policy.File{}, failure.Wrap(err, failure.Failed, help, "%s", file)
	}
	return out, nil
}

func (a *app) checkPolicies(files []string) error {
	_, err := a.compiled(files, func(p *v1alpha1.SafetyPolicy) error {
		return a.print(fmt.Sprintf("%s   %s   ok\n", p.Name, text.Count(len(p.Spec.Rules), "rule", "rules")))
	})
	return err
}

// compiled reads files and tells of each policy whose rules compile. The error names the faults of the others.
func (a *app) compiled(files []string, tell func(*v1alpha1.SafetyPolicy) error) (policy.File, error) {
	read := make([]policy.File, len(files))
	var all policy.File
	for i, file := range files {
		var err error
		if read[i], err = a.readPolicies(file); err != nil {
			return all, err
		}
		if len(read[i].Policies)+len(read[i].Resources) == 0 {
			return all, failure.New(failure.Failed, []string{"kubectl explain safetypolicy.spec  # what one looks like"}, "%s holds no SafetyPolicy", file)
		}
		all.Resources = append(all.Resources, read[i].Resources...)
	}
	var faults []string
	for at, file := range files {
		policies := read[at].Policies
		for i := range policies {
			p := &policies[i]
			found := policy.Check(p, all.Resources...)
			for _, f := range found {
				faults = append(faults, fmt.Sprintf("%s: SafetyPolicy %s: %s%s", file, p.Name, f.Error(), pointAt(p, f)))
			}
			if len(found) > 0 {
				continue
			}
			if err := tell(p); err != nil {
				return all, err
			}
		}
		all.Policies = append(all.Policies, policies...)
	}
	if len(faults) > 0 {
		return all, failure.New(failure.Failed, []string{"aip-dev policy test --help  # try rules on examples"},
			"%s\n%s", strings.Join(faults, "\n"), policy.Hint)
	}
	return all, nil
}

// pointAt shows the line of an expression that a fault is about and marks the place.
func pointAt(p *v1alpha1.SafetyPolicy, f policy.RuleError) string {
	for _, r := range p.Spec.Rules {
		lines := strings.Split(r.Expression, "\n")
		if r.Name == f.Rule && f.Line > 0 && f.Line <= len(lines) {
			return "\n    " + lines[f.Line-1] + "\n    " + strings.Repeat(" ", max(f.Column-1, 0)) + "^"
		}
	}
	return ""
}

func (a *app) testPolicies(ctx context.Context, files []string) error {
	failed, run := 0, 0
	for _, file := range files {
		read, err := a.readPolicies(file)
		if err != nil {
			return err
		}
		tests := read.Tests
		if len(tests) == 0 {
			return failure.New(failure.Failed, []string{"aip-dev policy test --help  # what a file of examples looks like"}, "%s holds no %s", file, policy.KindTest)
		}
		for i := range tests {
			set, err := a.policiesOf(file, read, &tests[i])
			if err != nil {
				return err
			}
			n, err := a.runExamples(ctx, set, tests[i].Examples)
			if err != nil {
				return err
			}
			failed, run = failed+n, run+len(tests[i].Examples)
		}
	}
	if failed > 0 {
		return failure.New(failure.Failed, []string{"aip-dev policy check FILE  # whether the rules compile"},
			"%d of %s are not decided as expected", failed, text.Count(run, "example", "examples"))
	}
	return nil
}

// policiesOf compiles the policies that a document of examples is about.
func (a *app) policiesOf(file string, read policy.File, test *policy.Test) (*policy.Set, error) {
	all, resources := slices.Clone(read.Policies), slices.Clone(read.Resources)
	for _, name := range test.Policies {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		more, err := a.readPolicies(name)
		if err != nil {
			return nil, err
		}
		all, resources = append(all, more.Policies...), append(resources, more.Resources...)
	}
	if len(all) == 0 {
		return nil, failure.New(failure.Failed, []string{"aip-dev policy test --help  # what a file may hold"}, "%s names no policies and holds none", file)
	}
	if test.DefaultAction == "" {
		test.DefaultAction = v1alpha1.ActionAllow
	}
	return policy.Compile(all, resources...).WithDefault(test.DefaultAction), nil
}

// runExamples prints how each example is decided and returns how many are not decided as expected.
func (a *app) runExamples(ctx context.Context, set *policy.Set, examples []policy.Example) (failed int, err error) {
	for i := range examples {
		e := &examples[i]
		d, difference := e.Run(func(in policy.Input) policy.Decision { return set.Decide(ctx, in) })
		line := fmt.Sprintf("ok     %s   %s\n", e.Name, d.Outcome)
		if difference != "" {
			failed++
			line = fmt.Sprintf("FAIL   %s   %s\n", e.Name, difference)
		}
		if err := a.print(line); err != nil {
			return failed, err
		}
	}
	return failed, nil
}
