package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
)

// info is what is learned about a request on its way, for the log.
type info struct {
	id, route, subject string
	status             int
	// gone says that the caller hung up before the answer.
	gone bool
}

type infoKey struct{}

// infoOf returns the notes of the request that ctx belongs to.
func infoOf(ctx context.Context) *info {
	if i, ok := ctx.Value(infoKey{}).(*info); ok {
		return i
	}
	return &info{}
}

// observe gives every request an id and logs how it ended.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note := &info{id: uuid.NewString()}
		began := s.options.Now()
		w.Header().Set("X-Request-Id", note.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		// The deadline of the last answer on this connection, if it has one, is not that of this answer.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		r = r.WithContext(context.WithValue(r.Context(), infoKey{}, note))
		s.serve(next, &recorder{ResponseWriter: w, note: note}, r) //nolint:contextcheck // the request carries it
		took := s.options.Now().Sub(began)
		s.measures.ended(r, note, took)
		s.logEnd(r, note, took)
	})
}

// serve answers a request. A fault of the program ends one request and says so in the log, not in the answer.
func (s *Server) serve(next http.Handler, w *recorder, r *http.Request) {
	defer func() {
		switch fault := recover(); fault {
		case nil:
		case http.ErrAbortHandler:
			panic(fault)
		default:
			s.log.ErrorContext(r.Context(), "fault of the program", "route", w.note.route, "cause", fmt.Sprint(fault), "stack", string(debug.Stack()), "id", w.note.id)
			if w.note.status == 0 {
				s.fail(w, r, errFault)
			}
		}
	}()
	next.ServeHTTP(w, r)
}

// errFault is what a caller is told about a fault of the program, besides the request id.
var errFault = errors.New("internal error")

func (s *Server) logEnd(r *http.Request, note *info, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case note.route == "":
		note.route = "no route"
	case note.subject == "" && (note.status == http.StatusOK || note.route == "GET /readyz"):
		level = slog.LevelDebug // probes; why the gateway is not ready is told when that changes
	}
	attrs := []slog.Attr{slog.Int("status", note.status), slog.Duration("took", took.Round(100*time.Microsecond))}
	if note.subject != "" {
		attrs = append(attrs, slog.String("subject", note.subject))
	}
	if note.gone {
		attrs = append(attrs, slog.Bool("hung-up", true))
	}
	attrs = append(attrs, slog.String("from", r.RemoteAddr), slog.String("id", note.id))
	s.log.LogAttrs(r.Context(), level, note.route, attrs...)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	note *info
}

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	r.note.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
