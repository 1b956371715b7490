package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// send writes parts of a stream, each as soon as it is due, and keeps the stream open when the last is "...".
func stream(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for _, part := range parts {
			if part == "..." {
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, part)            // the reader sees what is missing
			_ = http.NewResponseController(w).Flush() // as above
		}
	}
}

func object(name string) string { return fmt.Sprintf(`{"metadata":{"name":%q}}`, name) }

// watch returns what a client makes of a stream: "type name" of each event, and how it ended.
func watch(t *testing.T, c *client.Client) ([]string, error) {
	t.Helper()
	var events []string
	err := c.Watch(t.Context(), client.ListOptions{}, func(e wire.Event) error {
		text := e.Type
		if e.Object != nil {
			text += " " + e.Object.Name
		}
		events = append(events, text)
		return nil
	})
	return events, err
}

func TestWatchParses(t *testing.T) {
	t.Parallel()
	added := func(name string) string { return "event: added\ndata: " + object(name) + "\n\n" }
	for name, c := range map[string]struct {
		parts  []string
		events []string
	}{
		"usual":                {[]string{added("a"), "event: synced\ndata: {}\n\n", "event: modified\ndata: " + object("a") + "\n\nevent: deleted\ndata: " + object("a") + "\n\n"}, []string{"added a", "synced", "modified a", "deleted a"}},
		"heartbeats":           {[]string{": \n\n", ":\n\n", ": x\n", "event: added\n: between\ndata: " + object("a") + "\n\n"}, []string{"added a"}},
		"CRLF":                 {[]string{strings.ReplaceAll(added("a")+added("b"), "\n", "\r\n")}, []string{"added a", "added b"}},
		"no space after colon": {[]string{"event:added\ndata:" + object("a") + "\n\n"}, []string{"added a"}},
		"data in two lines":    {[]string{"event: added\ndata: {\"metadata\":\ndata: {\"name\":\"a\"}}\n\n"}, []string{"added a"}},
		"data before event":    {[]string{"data: " + object("a") + "\nevent: added\n\n"}, []string{"added a"}},
		"ids, retry and more":  {[]string{"id: 1\nretry: 10\nfoo\nbar: x\nevent: added\ndata: " + object("a") + "\n\n"}, []string{"added a"}},
		"later kinds":          {[]string{"event: renamed\ndata: ?\n\n", "data: no kind\n\n", added("a")}, []string{"added a"}},
		"bytes one by one":     {strings.Split(added("a"), ""), []string{"added a"}},
		"line breaks in names": {[]string{added("a\\nevent: deleted")}, []string{"added a\\nevent: deleted"}},
		"incomplete":           {[]string{added("a"), "event: added\ndata: " + object("b") + "\n"}, []string{"added a"}},
		"nothing":              {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := watch(t, serve(t, stream(c.parts...)))
			if !slices.Equal(events, c.events) || !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "the stream ended") {
				t.Errorf("found %q, %v; expected %q and the end", events, err, c.events)
			}
		})
	}
}

func TestWatchFails(t *testing.T) {
	t.Parallel()
	filler := "data: " + strings.Repeat("x", 1<<20) + "\n"
	for name, c := range map[string]struct {
		h     http.HandlerFunc
		class error
		text  string
	}{
		"forbidden":       {answer(403, `{"error":"agent, reviewer, or admin role required"}`), client.ErrForbidden, "agent, reviewer, or admin role required"},
		"not a stream":    {answer(200, `[]`), nil, `"application/json": expected text/event-stream`},
		"data is no JSON": {stream("event: added\ndata: {\n\n", "..."), nil, "decode an event"},
		"added nothing":   {stream("event: added\n\n", "..."), nil, "decode an event"},
		"endless line":    {stream("event: added\ndata: ", strings.Repeat("x", client.MaxEvent), "..."), client.ErrUnavailable, "larger than"},
		"endless event":   {stream("event: added\n", strings.Repeat(filler, client.MaxEvent>>20+1), "..."), client.ErrUnavailable, "larger than"},
		"breaks off": {func(w http.ResponseWriter, r *http.Request) {
			stream("event: synced\ndata: {}\n\n")(w, r)
			panic(http.ErrAbortHandler)
		}, client.ErrUnavailable, "the stream ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := watch(t, serve(t, c.h))
			if err == nil || c.class != nil && !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("found %v, expected %q", err, c.text)
			}
		})
	}
}

// TestLargestEvent: an object of the size that etcd stores passes.
func TestLargestEvent(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("x", 3<<19)
	events, _ := watch(t, serve(t, stream("event: added\ndata: "+object(name)+"\n\n")))
	if !slices.Equal(events, []string{"added " + name}) {
		t.Errorf("found %d events", len(events))
	}
}

// TestSilence: a stream on which nothing comes, not even heartbeats, is dead; the caller's own context is not.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"no answer":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no event":     stream("", "..."),
		"after events": stream("event: synced\ndata: {}\n\n", "..."),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := watch(t, serve(t, h).Limited(1<<20, 50*time.Millisecond))
			if !errors.Is(err, client.ErrUnavailable) || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "silent") {
				t.Errorf("found %v", err)
			}
		})
	}
	var beats atomic.Int32
	alive := func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if beats.Add(1) > 20 {
				stream("event: added\ndata: "+object("a")+"\n\n")(w, r)
				return
			}
			stream(": \n\n")(w, r)
		}
	}
	if events, err := watch(t, serve(t, alive).Limited(1<<20, 200*time.Millisecond)); !slices.Equal(events, []string{"added a"}) {
		t.Errorf("heartbeats did not keep it alive: %q, %v", events, err)
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	c := serve(t, stream("event: synced\ndata: {}\n\n", "..."))
	if err := c.Watch(t.Context(), client.ListOptions{}, func(wire.Event) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("found %v, expected the handler's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Watch(ctx, client.ListOptions{}, func(wire.Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUnavailable) {
		t.Errorf("found %v, expected the end of the context", err)
	}
	deadline, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Watch(deadline, client.ListOptions{}, func(wire.Event) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("found %v, expected the deadline", err)
	}
}

func FuzzStream(f *testing.F) {
	for _, seed := range []string{"event: added\ndata: {}\n\n", "data: x\r\n\r\n", ":\n\n", "event: synced\n\n", "\x00\n", "event: added\ndata: [1]\n\n", "..."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "..." {
			return // to stream that is no text: it stays open until its reader has waited long enough
		}
		c := connect(t, "http://gateway", token).Through(stream(text))
		err := c.Watch(t.Context(), client.ListOptions{}, func(e wire.Event) error {
			if e.Object == nil != (e.Type == wire.EventSynced) {
				t.Errorf("%q: event %+v", text, e)
			}
			return nil
		})
		if err == nil {
			t.Errorf("%q: no error at the end", text)
		}
	})
}
