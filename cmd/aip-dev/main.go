// Command aip-dev gives people who build AI agents a complete approval environment with one command, and reviewers a
// queue in the terminal. This package turns flags into one call and the outcome into an exit status.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/quickstart"
	_ "github.com/aip-dev/aip-dev/internal/shortcut" // a kept token is printed before the rest is initialized
)

func main() { os.Exit(run()) }

func run() int {
	quickstart.Soon()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, errOut: os.Stderr, getenv: os.Getenv, now: time.Now}
	// Libraries put flags of their own here, and cobra would show them as ours.
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError)
	root := newRoot(a)
	c, err := root.ExecuteContextC(ctx)
	if ctx.Err() != nil {
		err = interrupted(err)
	}
	err = a.explain(usage(c, err))
	failure.Print(os.Stderr, err)
	return int(failure.CodeOf(err))
}
