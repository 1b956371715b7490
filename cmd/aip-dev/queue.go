package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/tui"
	"github.com/aip-dev/aip-dev/tui/page/tour"
)

// defaultHold is for how long a decision can be taken back.
const defaultHold = 3 * time.Second

// queueOptions are the flags of tui.
type queueOptions struct {
	as              string
	readOnly, ascii bool
	noColour        bool
	hold            time.Duration
	// tour is shown in place of the queue.
	tour *tour.Options
}

func newTUI(a *app) *cobra.Command {
	var o queueOptions
	c := &cobra.Command{
		Use:   "tui",
		Short: "Open the review queue in this terminal",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.queue(c.Context(), o) },
	}
	c.Flags().StringVar(&o.as, "as", "", "client to review as (default: the first reviewer)")
	c.Flags().BoolVar(&o.readOnly, "read-only", false, "show requests and decide none")
	c.Flags().DurationVar(&o.hold, "hold", defaultHold, "for how long a decision can be taken back before it is sent; 0 sends at once")
	c.Flags().BoolVar(&o.ascii, "ascii", false, "draw with ASCII alone")
	c.Flags().BoolVar(&o.noColour, "no-color", false, "draw without colour")
	return c
}

// queue shows the review queue until the reviewer leaves it.
func (a *app) queue(ctx context.Context, o queueOptions) error {
	if !isTerminal(a.in) || !isTerminal(a.out) {
		return failure.New(failure.Usage, []string{a.command("request list --phase Pending")},
			"the review queue needs a terminal, found a pipe or a file")
	}
	s, err := a.open()
	if err != nil {
		return err
	}
	if o.as == "" {
		o.as = s.First(bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	}
	g, err := s.Gateway(o.as)
	if err != nil {
		return err
	}
	// Nothing but the queue writes to the terminal.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	source := s.Source(o.as)
	err = tui.Run(ctx, tui.Options{
		Tour: o.tour, Policies: adminOf(s), Tokens: tokenDesk{a, s},
		Gateway: g, Now: a.now, Environment: a.name, Cluster: s.Facts.Cluster.Kind, Identity: o.as,
		TokenExpiry: func() (time.Time, bool) {
			t, ok := source.Current()
			return t.Expiry, ok
		},
		NoColor: o.noColour, ASCII: o.ascii, ReadOnly: o.readOnly, Hold: o.hold,
		Identities: identities(s), Environs: a.environs(s), URL: s.Facts.Gateway.URL, Native: a.getenv("SSH_CONNECTION") == "",
	})
	if errors.Is(err, context.Canceled) {
		return failure.New(failure.Interrupted, nil, "the queue was ended by a signal")
	}
	return err
}
