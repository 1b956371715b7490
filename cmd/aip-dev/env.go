package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// Shells whose syntax env prints.
const (
	shellPOSIX = "posix"
	shellFish  = "fish"
)

// variable is one line of env.
type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func newEnv(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that lead other programs to the environment",
		Long: "Print the variables that lead other programs to the environment.\n\n" +
			"  eval \"$(aip-dev env)\"          # sh, bash, zsh\n  aip-dev env --shell fish | source",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, shellPOSIX, formatJSON)
	shell := shellPOSIX
	c.Flags().Var(&choice{&shell, []string{shellPOSIX, shellFish}}, "shell", "syntax of the lines")
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := a.open(c.Context())
		if err != nil {
			return err
		}
		variables := []variable{
			{"AIP_GATEWAY_URL", s.Facts.Gateway.URL},
			{"AIP_ISSUER_URL", s.Facts.Identity.IssuerURL},
			// The issuer's name in tokens may mean something inside the cluster alone.
			{"AIP_ISSUER_ADDRESS", s.Facts.Identity.Address},
			{"KUBECONFIG", s.Facts.Cluster.Kubeconfig},
			// helm commands without -n find the gateway's release.
			{"HELM_NAMESPACE", s.Facts.Gateway.Namespace},
		}
		if *format == formatJSON {
			values := map[string]string{}
			for _, v := range variables {
				values[v.Name] = v.Value
			}
			return a.printJSON(values)
		}
		var b strings.Builder
		for _, v := range variables {
			b.WriteString(export(shell, v))
		}
		return a.print(b.String())
	}
	return c
}

// export returns the line that sets v in a shell; the value is quoted so that no shell reads more into it.
func export(shell string, v variable) string {
	if shell == shellFish {
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.Value)
		return "set -gx " + v.Name + " '" + quoted + "'\n"
	}
	return "export " + v.Name + "='" + strings.ReplaceAll(v.Value, "'", `'\''`) + "'\n"
}
