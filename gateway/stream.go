package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// eventTimeout is how long a reader may take to accept an event; a slower one is cut off.
const eventTimeout = 10 * time.Second

// longest is how long a stream may last whose caller has no token that expires.
const longest = 24 * time.Hour

// Events of the stream of one request.
const (
	eventUpdate = "update"
	eventResult = "result"
	eventError  = "error"
)

// events writes server-sent events.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	frame   bytes.Buffer
}

// newEvents begins a stream with status 200.
func newEvents(w http.ResponseWriter) *events {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	return &events{w: w, control: http.NewResponseController(w)}
}

// send writes one event with v as JSON, which never holds a line break. A reader that comes back tells the id of the last
// event that it has; an empty id leaves that as it was.
func (e *events) send(kind, id string, v any) error {
	if err := e.add(kind, id, v); err != nil {
		return err
	}
	return e.flush()
}

// together is how many bytes of events are written at once, where many come at once.
const together = 64 << 10

// add is send for an event after which others come at once. The last of them is followed by flush.
func (e *events) add(kind, id string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if id != "" {
		fmt.Fprintf(&e.frame, "id: %s\n", id)
	}
	fmt.Fprintf(&e.frame, "event: %s\ndata: %s\n\n", kind, data)
	if e.frame.Len() < together {
		return nil
	}
	return e.flush()
}

// comment writes a line that readers ignore; it keeps proxies from closing a quiet stream.
func (e *events) comment(text string) error {
	fmt.Fprintf(&e.frame, ": %s\n\n", text)
	return e.flush()
}

// flush writes what was added.
func (e *events) flush() error {
	defer e.frame.Reset()
	if e.frame.Len() == 0 {
		return nil
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(eventTimeout)) // a writer without deadlines is a test's
	if _, err := e.w.Write(e.frame.Bytes()); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := e.control.Flush(); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// streamContext ends when the caller hangs up, when the token that opened the stream expires, and when the server
// begins to end.
func (s *Server) streamContext(r *http.Request, who caller) (context.Context, context.CancelFunc) {
	s.measures.streams.Inc()
	life := longest
	if !who.Expiry.IsZero() { // whom a proxy names has no end
		life = who.Expiry.Sub(s.options.Now())
	}
	ctx, cancel := context.WithTimeout(r.Context(), life)
	go func() {
		select {
		case <-s.draining:
			cancel()
		case <-ctx.Done():
		}
		s.measures.streams.Dec()
	}()
	return ctx, cancel
}

// beat runs wait until it returns or is quiet for as long as a heartbeat; then it sends one and returns nil.
func (s *Server) beat(ctx context.Context, out *events, wait func(context.Context) error) error {
	quiet, cancel := context.WithTimeout(ctx, s.heartbeat)
	defer cancel()
	err := wait(quiet)
	if err != nil && quiet.Err() != nil && ctx.Err() == nil {
		return out.comment("")
	}
	return err
}

// streamOne answers GET /agent-requests/{name}/watch: updates, then one result, then the end.
func (s *Server) streamOne(w http.ResponseWriter, r *http.Request, who caller) error {
	if !acceptsEvents(r) {
		return refuse(http.StatusBadRequest, "Accept header must include text/event-stream")
	}
	in, err := readObject(r)
	if err == nil {
		err = s.streamable(r.Context(), who, in)
	}
	if errors.Is(err, store.ErrNotFound) {
		return refuse(http.StatusNotFound, "AgentRequest %s not found", in.name)
	}
	if err != nil {
		return err
	}
	return s.streamTo(w, r, who, in)
}

// streamable returns nil when the caller may read the request, and counts when the API server had to be asked for it.
func (s *Server) streamable(ctx context.Context, who caller, in object) error {
	r, err := s.store.Cached(ctx, in.namespace, in.name)
	if errors.Is(err, store.ErrNotFound) {
		s.measures.lookups.Inc()
		r, err = s.store.Fresh(ctx, in.namespace, in.name)
	}
	if err != nil {
		return err //nolint:wrapcheck // problemOf knows the store's errors
	}
	return mayRead(who, r)
}

// streamTo sends what happens to one request until it is decided.
func (s *Server) streamTo(w http.ResponseWriter, r *http.Request, who caller, in object) error {
	seen, err := lastEvent(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.streamContext(r, who)
	defer cancel()
	ctx, cancelWait := context.WithTimeout(ctx, s.options.WaitTimeout)
	defer cancelWait()
	out := newEvents(w)
	if err := s.follow(ctx, out, in, seen); err != nil && r.Context().Err() == nil { //nolint:contextcheck // ctx is derived from that of r
		_ = out.send(eventError, "", wire.Error{Message: streamFault(err)}) // the end of the stream, read or not
	}
	return nil
}

// follow sends an update for every new status, and a result for the first that is decided. Updates that were seen before
// are not sent again.
func (s *Server) follow(ctx context.Context, out *events, in object, seen string) error {
	var last *v1alpha1.AgentRequest
	for done := false; !done; {
		err := s.beat(ctx, out, func(ctx context.Context) error {
			var broken error
			err := s.store.Follow(ctx, in.namespace, in.name, func(r *v1alpha1.AgentRequest) bool {
				news := (last == nil || !equality.Semantic.DeepEqual(last.Status, r.Status)) && later(r.ResourceVersion, seen)
				last = r
				switch {
				case decided(r):
					broken, done = out.send(eventResult, r.ResourceVersion, wire.StateOf(r)), true
				case news && r.Status.Phase != "":
					broken = out.send(eventUpdate, r.ResourceVersion, wire.StateOf(r))
				}
				return broken == nil && !done
			})
			return errors.Join(err, broken)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decided reports whether a request has come to where its agent can act on it, or a reviewer must.
func decided(r *v1alpha1.AgentRequest) bool {
	return settled(r) && r.Status.Phase != v1alpha1.PhaseExecuting
}

// streamFault returns what the reader of a broken stream is told.
func streamFault(err error) string {
	switch {
	case errors.Is(err, store.ErrDeleted):
		return "AgentRequest was deleted"
	case errors.Is(err, context.DeadlineExceeded):
		return waited
	default:
		return "watch channel closed unexpectedly"
	}
}

func acceptsEvents(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == "text/event-stream" {
			return true
		}
	}
	return false
}

// lastEvent returns the id of the last event that a reader has who comes back, or "". Ids are resource versions.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header
func lastEvent(r *http.Request) (string, error) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		return "", nil
	}
	if _, err := resourceversion.CompareResourceVersion(id, id); err != nil {
		return "", refuse(http.StatusBadRequest, "invalid Last-Event-ID: it must be the id of an event of this stream")
	}
	return id, nil
}

// later reports whether version was written after seen; everything is after an empty seen.
func later(version, seen string) bool {
	if seen == "" {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(version, seen)
	return err != nil || order > 0
}
