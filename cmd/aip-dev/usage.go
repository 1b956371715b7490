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
	if err == nil || c == nil {
		return err
	}
	help := c.CommandPath() + " --help"
	var told *failure.Error
	switch {
	case errors.As(err, &told):
		if told.Code == failure.Usage && len(told.Next) == 0 {
			told.Next = []string{help}
		}
		return err
	case c.Annotations[ran] != "" && !errors.Is(err, client.ErrInvalid):
		return err
	}
	return failure.Wrap(err, failure.Usage, append(meant(c, c.Flags().Arg(0)), help), "")
}

// meant returns the commands below c that a word may be a slip of.
func meant(c *cobra.Command, word string) []string {
	var next []string
	for _, name := range near(word, subcommands(c)) {
		next = append(next, c.CommandPath()+" "+name)
	}
	return next
}

// interrupted says that a signal ended a command, whatever the command made of it.
func interrupted(err error) error {
	if err == nil || failure.CodeOf(err) == failure.Interrupted {
		return err
	}
	return failure.New(failure.Interrupted, nil, "interrupted")
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
