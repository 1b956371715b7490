package main

import (
	"context"
	"fmt"
	"time"

	"github.com/atotto/clipboard"
	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/token"
)

const (
	// watchMargin is how long before its end a token in a file is replaced, and watchRetry how long after a failure another
	// attempt is made.
	watchMargin = 45 * time.Second
	watchRetry  = 5 * time.Second
)

// watchToken keeps a file filled with a token that counts, until the command is interrupted. A reader sees the old token or
// the new one; nobody else may read the file.
func (a *app) watchToken(c *cobra.Command, s *session.Session, id string, o tokenOptions) error {
	ctx, written := c.Context(), false
	if o.secretFile == "-" {
		return failure.New(failure.Usage, nil, "--watch needs the secret again and again, expected --secret-file FILE and not the standard input")
	}
	if err := writable(o.watch, "--watch"); err != nil {
		return err
	}
	for {
		t, err := a.mint(c, s, id, o.secretFile, written || o.fresh)
		if err == nil {
			err = state.ReplaceFile(o.watch, []byte(t.Raw+"\n"))
		}
		wait := watchRetry
		switch {
		case err != nil && ctx.Err() == nil && !written:
			return err
		case err != nil && ctx.Err() == nil:
			if _, err := fmt.Fprintf(a.errOut, "warning: %v; the token in %s stays, and another attempt follows in %s\n", err, o.watch, watchRetry); err != nil {
				return fmt.Errorf("write to the standard error: %w", err)
			}
		case err == nil:
			written = true
			wait = max(t.Expiry.Sub(a.now())-watchMargin, watchRetry)
			if _, err := fmt.Fprintf(a.errOut, "%s holds a token of %s that ends %s; the next one comes %s\n", o.watch, id,
				token.Relative(t.Expiry.Sub(a.now())), token.Relative(wait)); err != nil {
				return fmt.Errorf("write to the standard error: %w", err)
			}
		}
		if !sleep(ctx, wait) {
			return nil // interrupted, which is how it ends
		}
	}
}

// sleep waits and reports whether the time is over, and not ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// copyToken puts a token into the clipboard: by the system's own program, else by the terminal (OSC 52), which works over SSH.
func (a *app) copyToken(id string, t token.Token) error {
	err := clipboard.WriteAll(t.Raw)
	switch {
	case err == nil:
	case isTerminal(a.errOut):
		if _, err := fmt.Fprint(a.errOut, ansi.SetSystemClipboard(t.Raw)); err != nil {
			return fmt.Errorf("write to the terminal: %w", err)
		}
	default:
		return failure.Wrap(err, failure.Failed, []string{a.command("token " + id)}, "there is no clipboard that can be written, and no terminal that has one")
	}
	_, err = fmt.Fprintf(a.errOut, "the token of %s is in the clipboard; it ends %s\n", id, token.Relative(t.Expiry.Sub(a.now())))
	return err
}
