package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// maxEvent bounds one event of a stream: an object in etcd has at most 1.5 MiB.
const maxEvent = 4 << 20

var (
	errSilent = errors.New("the stream fell silent")
	errEnded  = errors.New("the stream ended")
)

// event is one server-sent event.
type event struct{ kind, data string }

// Watch calls handle for each event of the request stream: what exists, then synced, then every change. It returns
// when ctx ends, handle fails or the stream breaks; the caller starts again.
func (c *Client) Watch(ctx context.Context, o ListOptions, handle func(wire.Event) error) error {
	query := o.query()
	query.Set("watch", "true")
	return c.stream(ctx, "/agent-requests", query, func(e event) error {
		out := wire.Event{Type: e.kind}
		switch e.kind {
		case wire.EventSynced:
		case wire.EventAdded, wire.EventModified, wire.EventDeleted:
			out.Object = &v1alpha1.AgentRequest{}
			if err := json.Unmarshal([]byte(e.data), out.Object); err != nil {
				return fmt.Errorf("decode an event: %w", err)
			}
		default:
			return nil // a kind of a later version
		}
		return handle(out)
	})
}

// WaitDecided returns the state of a request once it is neither new nor Pending. It waits by the request's own stream,
// which ends while a human has not decided, and then asks again.
func (c *Client) WaitDecided(ctx context.Context, namespace, name string) (wire.RequestState, error) {
	for {
		state, err := c.waitStream(ctx, namespace, name)
		if err != nil || decided(state.Phase) {
			return state, err
		}
		again := time.NewTimer(waitAgain)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return state, ctx.Err()
		}
	}
}

// waitAgain is the pause before a stream that ended with a Pending request is opened again.
const waitAgain = 250 * time.Millisecond

func decided(p v1alpha1.Phase) bool { return p != "" && p != v1alpha1.PhasePending }

// waitStream returns the last state that the stream of one request tells.
func (c *Client) waitStream(ctx context.Context, namespace, name string) (wire.RequestState, error) {
	var last wire.RequestState
	got := false
	err := c.stream(ctx, requestPath(name, "watch"), inNamespace(namespace), func(e event) error {
		switch e.kind {
		case "update", "result":
			got = true
			last = wire.RequestState{}
			if err := json.Unmarshal([]byte(e.data), &last); err != nil {
				return fmt.Errorf("decode an event: %w", err)
			}
			if e.kind == "result" || decided(last.Phase) {
				return errEnded
			}
		case "error":
			var told wire.Error
			if err := json.Unmarshal([]byte(e.data), &told); err != nil {
				return fmt.Errorf("decode an event: %w", err)
			}
			return &unreachable{errors.New(told.Message)}
		}
		return nil
	})
	if got && (errors.Is(err, errEnded) || errors.Is(err, errSilent)) {
		return last, nil
	}
	return last, err
}

// stream reads server-sent events until ctx ends, handle fails, or nothing came for heartbeatLimit. It never returns
// nil: a stream that ends by itself is an error of class ErrUnavailable.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
func (c *Client) stream(ctx context.Context, path string, query url.Values, handle func(event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(heartbeatLimit, func() { cancel(errSilent) })
	defer silence.Stop()
	answer, err := c.send(ctx, http.MethodGet, path, query, nil, "text/event-stream")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var e event
	for lines.Scan() {
		silence.Reset(heartbeatLimit)
		if complete := e.take(lines.Text()); complete {
			if err := handle(e); err != nil {
				return err
			}
			e = event{}
		}
	}
	err = lines.Err()
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		return &unreachable{errSilent}
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return &unreachable{errEnded}
	default:
		return &unreachable{err}
	}
}

// take adds one line to e and reports whether e is complete. Comments, which carry heartbeats, add nothing.
func (e *event) take(line string) bool {
	if line == "" {
		return e.kind != "" || e.data != ""
	}
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "event":
		e.kind = value
	case "data":
		if e.data != "" {
			e.data += "\n"
		}
		e.data += value
	}
	return false
}
