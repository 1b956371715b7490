package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/internal/failure"
)

// version is stamped by the build.
var version = "dev" //nolint:gochecknoglobals // written by the linker only

func newRoot(out, errOut io.Writer, getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:           "aip-dev",
		Short:         "A complete approval environment for AI agents, with one command",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return failure.Wrap(err, failure.Usage, []string{c.CommandPath() + " --help"}, "")
	})
	root.AddCommand(newServe(errOut, getenv), newVersion(out))
	return root
}

func newVersion(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(out, "aip-dev "+version+"\n")
			return err
		},
	}
}
