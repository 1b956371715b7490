// Command demo shows the terminal queue over a gateway that is not there, to look at it without an environment:
//
//	go run ./tui/internal/demo -n 40 -every 5s
//
// SIGUSR1 takes the gateway away and brings it back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/tui"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	n := flag.Int("n", 40, "number of requests at the start")
	wild := flag.Bool("wild", false, "one more request, with awkward texts")
	every := flag.Duration("every", 0, "time between new requests; 0 for none")
	serve := flag.String("serve", "", "only serve the gateway, at this address")
	connect := flag.String("connect", "", "only show the queue of the gateway at this URL")
	identity := flag.String("as", "aip-reviewer-1", "identity")
	role := flag.String("role", "reviewer", "role")
	var o tui.Options
	flag.DurationVar(&o.Hold, "hold", 3*time.Second, "for how long a decision can be taken back")
	flag.BoolVar(&o.ASCII, "ascii", false, "draw with ASCII only")
	flag.BoolVar(&o.ReadOnly, "read-only", false, "no decisions")
	flag.BoolVar(&o.NoColor, "no-color", false, "no colours")
	flag.Parse() //nolint:revive // run is main

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *connect != "" {
		return show(ctx, o, *connect, *identity)
	}
	g := fakegateway.New(time.Now, *identity, *role)
	if *n > 0 {
		g.Put(fakegateway.Rich(time.Now()))
	}
	for _, r := range fakegateway.Sample(max(*n-1, 0), 1, time.Now()) {
		g.Put(r)
	}
	if *wild {
		g.Put(fakegateway.Wild(time.Now()))
	}
	go arrive(ctx, g, *every)
	go toggle(ctx, g)
	if *serve != "" {
		return listen(ctx, *serve, g.Handler())
	}
	server := httptest.NewServer(g.Handler())
	defer server.Close()
	return show(ctx, o, server.URL, *identity)
}

// listen serves until ctx ends.
func listen(ctx context.Context, address string, h http.Handler) error {
	server := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // the program ends
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// show runs the queue of the gateway at url.
func show(ctx context.Context, o tui.Options, url, identity string) error {
	started := time.Now()
	token := func(context.Context) (string, error) { return "none", nil }
	c, err := client.New(url, token, nil)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	o.Gateway, o.Policies, o.Now, o.Environment, o.Cluster, o.Identity = c, c, time.Now, "aip", "embedded", identity
	o.TokenExpiry = func() (time.Time, bool) {
		return started.Add(time.Since(started).Truncate(5*time.Minute) + 5*time.Minute), true
	}
	return tui.Run(ctx, o)
}

// arrive makes new requests.
func arrive(ctx context.Context, g *fakegateway.Gateway, every time.Duration) {
	if every <= 0 {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case at := <-t.C:
			g.Put(fakegateway.Pending(fmt.Sprintf("new-%05d", i), "newcomer", "delete",
				fmt.Sprintf("k8s://prod/default/deployment/new-%d", i), "I just came", at))
		}
	}
}

// toggle takes the gateway away and brings it back with each SIGUSR1.
func toggle(ctx context.Context, g *fakegateway.Gateway) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	for down := true; ; down = !down {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			g.SetDown(down)
		}
	}
}
