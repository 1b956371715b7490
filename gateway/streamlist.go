package gateway

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/aip-dev/aip-dev/gateway/wire"
)

// listOrStream answers GET /agent-requests.
func (s *Server) listOrStream(w http.ResponseWriter, r *http.Request, who caller) error {
	watch, err := readBool(r.URL.Query(), "watch")
	if err != nil {
		return err
	}
	if watch {
		return s.streamList(w, r, who)
	}
	return handle(s, readQuery, s.list)(w, r, who)
}

// streamList sends the requests that exist, then wire.EventSynced, then every change, until the caller hangs up. A reader
// that comes back gets what changed since, and with wire.EventSynced the names of all that exist.
func (s *Server) streamList(w http.ResponseWriter, r *http.Request, who caller) error {
	in, err := readQuery(r)
	if err != nil {
		return err
	}
	if in.paged {
		return refuse(http.StatusBadRequest, "limit and continue do not go with watch")
	}
	seen, err := lastEvent(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.streamContext(r, who)
	defer cancel()
	subscription, err := s.store.Subscribe(ctx, in.visible(who))
	if err != nil {
		return err //nolint:wrapcheck // problemOf knows the store's errors
	}
	defer func() {
		if err := subscription.Close(); err != nil {
			s.log.WarnContext(ctx, "stream not closed", "cause", err)
		}
	}()
	out := listEvents{events: newEvents(w), seen: seen, present: map[string]struct{}{}}
	for {
		err := s.beat(ctx, out.events, func(ctx context.Context) error {
			batch, err := subscription.Next(ctx)
			if err != nil {
				return err //nolint:wrapcheck // beat tells the errors apart
			}
			return out.sendBatch(batch)
		})
		if err != nil {
			return nil // the stream has begun: there is nobody left to answer
		}
	}
}

// listEvents is the stream of one list.
type listEvents struct {
	*events
	// seen is the id of the last event that a reader has who comes back; it is empty after wire.EventSynced.
	seen string
	// newest is the version of the newest object that was sent, synced says that all that exists was.
	newest string
	synced bool
	// present are the requests that exist, as far as that is to be told.
	present map[string]struct{}
}

func (l *listEvents) sendBatch(batch []wire.Event) error {
	for _, e := range batch {
		data := any(struct{}{})
		switch {
		case e.Object != nil:
			version := e.Object.ResourceVersion
			if later(version, l.newest) {
				l.newest = version
			}
			l.note(e)
			if !later(version, l.seen) {
				continue
			}
			data = withKind(e.Object)
		case l.seen != "":
			data, l.seen, l.synced = wire.Present{Present: slices.AppendSeq([]string{}, maps.Keys(l.present))}, "", true
		default:
			l.synced = true
		}
		if err := l.add(e.Type, l.id(), data); err != nil {
			return err
		}
	}
	return l.flush()
}

// id returns the id of the event that is sent now. What exists at the start comes in no order, so a reader that has only
// a part of it has no place to come back to.
func (l *listEvents) id() string {
	if !l.synced {
		return ""
	}
	return l.newest
}

// note remembers what exists, for a reader who comes back.
func (l *listEvents) note(e wire.Event) {
	name := e.Object.Namespace + "/" + e.Object.Name
	switch {
	case l.seen == "":
	case e.Type == wire.EventDeleted:
		delete(l.present, name)
	default:
		l.present[name] = struct{}{}
	}
}
