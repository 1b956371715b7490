package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/failure"
)

// usage marks an error that cobra made before the command ran, such as an unknown command or a missing argument, as
// wrong usage. A command that ran has its own context by then, but what the gateway finds wrong was given to the command.
func usage(c *cobra.Command, err error) error {
	var told *failure.Error
	if err == nil || c == nil || errors.As(err, &told) || c.Annotations[ran] != "" && !errors.Is(err, client.ErrInvalid) {
		return err
	}
	return failure.Wrap(err, failure.Usage, []string{c.CommandPath() + " --help"}, "")
}

// ran marks a command whose arguments were right.
const ran = "ran"

// markRun makes c and its subcommands remember that they ran.
func markRun(c *cobra.Command) {
	for _, sub := range c.Commands() {
		markRun(sub)
	}
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			if c.Annotations == nil {
				c.Annotations = map[string]string{}
			}
			c.Annotations[ran] = "yes"
			return run(c, args)
		}
	}
}
