package feed_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
)

// The feed over the real client and real server-sent events: it loads, follows, and finds the gateway again.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
	g.Put(pending(0))
	server := httptest.NewServer(g.Handler())
	defer server.Close()
	token := func(context.Context) (string, error) { return "token", nil }
	c, err := client.New(server.URL, token, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := feed.New(c, time.Now)
	go f.Run(ctx)
	b := bench{t, g, f}

	s, _ := b.until(5*time.Second, "live", mode(feed.Live))
	if s.Who.Identity != "aip-reviewer-1" || len(s.Items) != 1 || s.Items[0].Spec.Reason != "because" {
		t.Fatalf("first snapshot: who %+v, %v", s.Who, names(s))
	}
	g.Put(pending(1))
	if _, took := b.until(5*time.Second, "two requests", has(2)); took > time.Second {
		t.Errorf("took %s to show a request", took)
	}
	g.Settle("uid-r-0000", "bob", "no", false)
	b.until(5*time.Second, "denied", func(s feed.Snapshot) bool { return s.Items[0].Status.Phase == "Denied" })
	g.Remove("uid-r-0000")
	b.until(5*time.Second, "one request", has(1))
	g.SetDown(true)
	b.until(5*time.Second, "away", mode(feed.Away))
	g.SetDown(false)
	b.until(5*time.Second, "live again", mode(feed.Live))
	g.SetRefused(true)
	g.EndStreams()
	b.until(5*time.Second, "refused", func(s feed.Snapshot) bool { return s.Mode == feed.Away && s.Refused })
}

// A gateway whose process dies and starts again at the same address is found within three seconds.
func TestProcessDies(t *testing.T) {
	t.Parallel()
	g := fakegateway.New(time.Now, "aip-reviewer-1", "reviewer")
	g.Put(pending(0))
	server := httptest.NewServer(g.Handler())
	address := server.Listener.Addr().String()
	c, err := client.New(server.URL, func(context.Context) (string, error) { return "token", nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := feed.New(c, time.Now)
	go f.Run(ctx)
	b := bench{t, g, f}
	b.until(5*time.Second, "live", mode(feed.Live))

	server.CloseClientConnections()
	server.Config.SetKeepAlivesEnabled(false)
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ := b.until(5*time.Second, "away", mode(feed.Away))
	if s.Refused || s.Cause == "" || len(s.Items) != 1 {
		t.Errorf("away: refused %t, cause %q, %v", s.Refused, s.Cause, names(s))
	}
	g.Put(pending(1))

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	again := &httptest.Server{Listener: listener, Config: &http.Server{Handler: g.Handler(), ReadHeaderTimeout: time.Second}}
	again.Start()
	defer again.Close()
	defer cancel() // ends the stream, which Close waits for
	s, took := b.until(5*time.Second, "live again", mode(feed.Live))
	if took > 3*time.Second || len(s.Items) != 2 {
		t.Errorf("took %s to find the gateway again, with %v", took, names(s))
	}
}
