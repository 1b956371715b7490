package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// eventStream is the media type of server-sent events.
const eventStream = "text/event-stream"

// maxEvent bounds one event of a stream: an object in etcd has at most 1.5 MiB.
const maxEvent = 4 << 20

var (
	errSilent = errors.New("the stream fell silent")
	errEnded  = errors.New("the stream ended")
	errLarge  = fmt.Errorf("an event of the stream is larger than %d bytes", maxEvent)
	errLeft   = errors.New("the request left the queue")
)

// event is one server-sent event.
type event struct {
	kind string
	data []byte
}

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
			if err := json.Unmarshal(e.data, out.Object); err != nil {
				return fmt.Errorf("decode an event: %w", err)
			}
		default:
			return nil // a kind of a later version
		}
		return handle(out)
	})
}

// WaitDecided returns the state of a request once it is neither new nor Pending. It follows the stream of pending
// requests until this one is not among them. When the gateway goes away after it has answered once, as it does on a
// rollout, WaitDecided waits for its return until ctx ends.
func (c *Client) WaitDecided(ctx context.Context, namespace, name string) (wire.RequestState, error) {
	var last wire.RequestState
	for pause := retryFirst; ; {
		state, err := c.Get(ctx, namespace, name)
		if err == nil {
			if last = state; decided(state.Phase) {
				return state, nil
			}
			var queued bool
			if queued, err = c.leavesQueue(ctx, namespace, name); err == nil && queued {
				pause = retryFirst
				continue
			}
		}
		switch {
		case ctx.Err() != nil:
			return last, fmt.Errorf("wait for a decision on %s: %w", name, ctx.Err())
		case err != nil && (last.Name == "" || !errors.Is(err, ErrUnavailable)):
			return last, err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
		}
		pause = min(2*pause, retryMax)
	}
}

// retryFirst is the pause before the first new attempt, retryMax the longest; each is twice the one before.
const (
	retryFirst = 50 * time.Millisecond
	retryMax   = 2 * time.Second
)

func decided(p v1alpha1.Phase) bool { return p != "" && p != v1alpha1.PhasePending }

// leavesQueue returns when a request is not Pending, or is gone; queued says whether it was Pending before.
func (c *Client) leavesQueue(ctx context.Context, namespace, name string) (queued bool, err error) {
	pending := ListOptions{Namespace: namespace, Phases: []v1alpha1.Phase{v1alpha1.PhasePending}}
	err = c.Watch(ctx, pending, func(e wire.Event) error {
		switch {
		case e.Object != nil && e.Object.Name == name:
			queued = true
			if e.Type == wire.EventDeleted {
				return errLeft
			}
		case e.Type == wire.EventSynced && !queued:
			return errLeft
		}
		return nil
	})
	if errors.Is(err, errLeft) {
		err = nil
	}
	return queued, err
}

// stream reads server-sent events until ctx ends, handle fails, or nothing came for a while. It never
// returns nil: a stream that ends by itself is an error of class ErrUnavailable.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
func (c *Client) stream(ctx context.Context, path string, query url.Values, handle func(event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.silence, func() { cancel(errSilent) })
	defer silence.Stop()
	answer, err := c.send(ctx, http.MethodGet, path, query, nil, eventStream)
	if err != nil {
		if errors.Is(context.Cause(ctx), errSilent) {
			return &unreachable{errSilent} // not the end of the caller's own context
		}
		return err
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind != eventStream {
		return fmt.Errorf("the answer to GET %s is %q: expected %s", path, kind, eventStream)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var e event
	for lines.Scan() {
		silence.Reset(c.silence)
		complete := e.take(lines.Text())
		if len(e.data) > maxEvent {
			return &unreachable{errLarge}
		}
		if complete {
			if err := handle(e); err != nil {
				return err
			}
			e = event{}
		}
	}
	err = lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return &unreachable{errLarge}
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
		return e.kind != "" || len(e.data) > 0
	}
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "event":
		e.kind = value
	case "data":
		if len(e.data) > 0 {
			e.data = append(e.data, '\n')
		}
		e.data = append(e.data, value...)
	}
	return false
}
