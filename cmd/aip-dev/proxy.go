package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/authproxy"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/ports"
	"github.com/aip-dev/aip-dev/internal/safetext"
)

func newProxy(a *app) *cobra.Command {
	var as string
	var port int
	var quiet bool
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Serve the gateway on a port of this machine, with the token of a client added and renewed",
		Long: "Serve the gateway on a port of loopback until interrupted. Each request gets the token of one client, renewed before\n" +
			"it ends, so that an agent or an MCP client needs one plain URL and no secret. Requests under another host name or from\n" +
			"pages of other origins are refused. Whoever can open a connection on this machine acts as the client meanwhile.",
		Example: "  aip-dev proxy --as aip-agent-1 --port 8100\n  curl http://localhost:8100/whoami",
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&as, "as", "", "client whose token is added (default: the first agent)")
	c.Flags().IntVar(&port, "port", 0, "port to listen on (default: a free one)")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not tell each request on the standard error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if port < 0 || port > 65535 {
			return failure.New(failure.Usage, nil, "--port is %d, expected 1 to 65535", port)
		}
		return a.proxy(c.Context(), as, port, quiet)
	}
	return c
}

// proxy serves the door until ctx ends.
func (a *app) proxy(ctx context.Context, as string, port int, quiet bool) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	if as == "" {
		as = s.First(bootstrap.RoleAgent, bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	}
	if _, err := s.Source(as).Token(ctx); err != nil { // a client that gets no token is told now
		return err
	}
	target, err := url.Parse(s.Facts.Gateway.URL)
	if err != nil {
		return fmt.Errorf("read the gateway's address: %w", err)
	}
	listeners, err := ports.Listen(ctx, port)
	var taken *ports.TakenError
	switch {
	case errors.As(err, &taken):
		return failure.Wrap(err, failure.Conflict, []string{a.command("proxy --as "+as) + "  # without --port: a free one is taken"}, "")
	case err != nil:
		return err
	}
	own := portOf(listeners[0])
	o := authproxy.Options{
		Target: target, Port: own, Token: s.Source(as).Token, Forget: func() error { return s.Forget(as) },
		Log: func(method, path string, status int, took time.Duration) {
			_, _ = fmt.Fprintf(a.errOut, "%s %s %d %s\n", safetext.Line(method), safetext.Line(path), status, took.Round(time.Millisecond)) // the last place to tell
		},
	}
	if quiet {
		o.Log = nil
	}
	handler, err := authproxy.New(o)
	if err != nil {
		return err
	}
	if err := a.print(fmt.Sprintf("http://localhost:%d is %s as %s, until interrupted\n", own, target, as)); err != nil {
		return err
	}
	return serveAll(ctx, listeners, handler)
}

// serveAll serves a handler on all listeners until ctx ends.
func serveAll(ctx context.Context, listeners []net.Listener, handler http.Handler) error {
	const headerTimeout, drainTimeout = 10 * time.Second, time.Second
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	group, running := errgroup.WithContext(ctx)
	for _, l := range listeners {
		group.Go(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve: %w", err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-running.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		if err := server.Shutdown(drain); err != nil {
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}
