package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/tui"
	"github.com/aip-dev/aip-dev/tui/page/agents"
	"github.com/aip-dev/aip-dev/tui/page/tour"
)

// defaultHold is for how long a decision can be taken back.
const defaultHold = 3 * time.Second

// queueOptions are the flags of tui.
type queueOptions struct {
	as              string
	readOnly, ascii bool
	plain, mouse    bool
	noColour        bool
	hold            time.Duration
	grants          bool
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
	c.Flags().BoolVar(&o.plain, "plain", false, "ask and answer in lines, without drawing: for screen readers, pipes and scripts")
	c.Flags().BoolVar(&o.mouse, "mouse", false, "let the mouse choose and scroll; the terminal's own selection then needs Shift")
	c.Flags().BoolVar(&o.noColour, "no-color", false, "draw without colour")
	c.Flags().BoolVar(&o.grants, "grants", false, "let the queue approve what one agent asks to do to one target, for some minutes, when you say so")
	return c
}

// queue shows the review queue until the reviewer leaves it.
func (a *app) queue(ctx context.Context, o queueOptions) error {
	if !o.plain && (!isTerminal(a.in) || !isTerminal(a.out) || a.getenv("TERM") == "dumb") {
		return failure.New(failure.Usage, []string{a.command("tui --plain"), a.command("request list --phase Pending")},
			"the review queue needs a terminal that can place text, found a pipe, a file or TERM=dumb")
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	if o.as == "" {
		o.as = s.First(bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	} else if known := s.Clients(); !slices.Contains(known, o.as) {
		return &session.UnknownClientError{ID: o.as, Known: known}
	}
	if err := a.mayGrant(s, o); err != nil {
		return err
	}
	parts, err := a.queueParts(s, o)
	if err != nil {
		return err
	}
	if o.plain {
		parts.In, parts.Out = a.in, a.out
		err = tui.RunLines(ctx, parts)
	} else {
		err = tui.Run(ctx, parts)
	}
	if errors.Is(err, context.Canceled) {
		return failure.New(failure.Interrupted, nil, "the queue was ended by a signal")
	}
	return err
}

// queueParts is what the queue is made of in this environment.
func (a *app) queueParts(s *session.Session, o queueOptions) (tui.Options, error) {
	g, err := s.Gateway(o.as)
	if err != nil {
		return tui.Options{}, err
	}
	decisions, err := a.journal()
	if err != nil {
		return tui.Options{}, err
	}
	wishes, err := a.queueWishes()
	if err != nil {
		return tui.Options{}, err
	}
	source := s.Source(o.as)
	return tui.Options{
		Tour: o.tour, Policies: adminOf(s), Tokens: tokenDesk{a, s},
		Gateway: g, Journal: decisions, Now: a.now, Environment: a.name, Cluster: s.Facts.Cluster.Kind, Identity: o.as,
		TokenExpiry: func() (time.Time, bool) {
			t, ok := source.Current()
			return t.Expiry, ok
		},
		NoColor: o.noColour, ASCII: o.ascii || !a.utf8(), ReadOnly: o.readOnly, Mouse: o.mouse, Keys: wishes.Keys, Tabs: wishes.Tabs, Hold: o.hold, Grants: o.grants,
		Identities: func() []agents.Identity { return a.identities(s) }, Commands: queueCommands{a}, Environs: a.environs(s), Command: a.command, URL: s.Facts.Gateway.URL, Native: a.getenv("SSH_CONNECTION") == "",
	}, nil
}

// mayGrant refuses grants where they are not for trying things out: they approve without a look.
func (a *app) mayGrant(s *session.Session, o queueOptions) error {
	switch {
	case !o.grants:
		return nil
	case s.Facts.Cluster.Kind == bootstrap.ClusterExisting:
		return failure.New(failure.Usage, []string{a.command("tui")},
			"--grants is for environments that aip-dev made, found %s, which is in a cluster of others", a.name)
	case o.plain, o.readOnly:
		return failure.New(failure.Usage, []string{a.command("tui --grants")}, "--grants needs the screen, where the grants are seen, and a reviewer who may decide")
	default:
		return nil
	}
}

// utf8 reports whether the locale says that the terminal shows UTF-8. Where nothing is said, it most likely does; the
// locale C says that it does not.
// Source: https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html
func (a *app) utf8() bool {
	locale := strings.ToLower(cmp.Or(a.getenv("LC_ALL"), a.getenv("LC_CTYPE"), a.getenv("LANG")))
	return locale == "" || strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}
