package main

import (
	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
)

// version is stamped by the build.
var version = "dev"

// Groups of commands in the help text.
const (
	groupEnvironment = "environment"
	groupUse         = "use"
	groupParts       = "parts"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "aip-dev",
		Short:         "A complete approval environment for AI agents, with one command",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRun: func(c *cobra.Command, _ []string) {
			if c.Name() != "gateway" && c.Name() != "serve" { // whose logs are for those who run them
				quiet()
			}
		},
	}
	root.SetVersionTemplate("aip-dev {{.Version}}\n")
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return failure.Wrap(err, failure.Usage, []string{c.CommandPath() + " --help"}, "")
	})
	root.PersistentFlags().StringVar(&a.name, "name", bootstrap.DefaultName, "name of the environment")
	root.AddGroup(
		&cobra.Group{ID: groupEnvironment, Title: "The environment:"},
		&cobra.Group{ID: groupUse, Title: "Agents and reviewers:"},
		&cobra.Group{ID: groupParts, Title: "Parts and help:"},
	)
	root.SetHelpCommandGroupID(groupParts)
	root.SetCompletionCommandGroupID(groupParts)
	for id, commands := range map[string][]*cobra.Command{
		groupEnvironment: {newUp(a), newDown(a), newStop(a), newStart(a), newStatus(a), newDoctor(a), newEnv(a), newLogs(a), newSupportBundle(a)},
		groupUse:         {newToken(a), newProxy(a), newRequest(a), newAgent(a), newRegistration(a), newTUI(a), newJournal(a), newPolicy(a), newTry(a), newSimulate(a)},
		groupParts:       {newBundle(a), newGateway(a.errOut, a.getenv, nil), newServe(a.errOut), newVersion(a)},
	} {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	markRun(root)
	a.completions(root)
	return root
}

// quiet keeps what libraries have to say off the terminal: the errors of a command say it in its own words. Another output
// would not do, because klog writes errors to stderr as well.
func quiet() { klog.SetLogger(logr.Discard()) }

func newVersion(a *app) *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs}
	format := outputFlag(c, formatTable, formatJSON)
	c.RunE = func(*cobra.Command, []string) error {
		if *format == formatJSON {
			return a.printJSON(map[string]string{"version": version})
		}
		return a.print("aip-dev " + version + "\n")
	}
	return c
}
