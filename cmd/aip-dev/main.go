// Command aip-dev gives people who build AI agents a complete approval environment with one command, and reviewers a
// queue in the terminal. This package turns flags into one call and the outcome into an exit status.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/aip-dev/aip-dev/internal/failure"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := newRoot(os.Stdout, os.Stderr, os.Getenv).ExecuteContext(ctx)
	failure.Print(os.Stderr, err)
	return int(failure.CodeOf(err))
}
