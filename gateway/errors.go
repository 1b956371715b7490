package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// problem is an answer that is not a success.
type problem struct {
	status int
	// text is what the caller reads.
	text string
	// challenge is the WWW-Authenticate header of a 401.
	challenge string
	// cause is what the log reads; it may hold what the caller must not see.
	cause error
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.cause }

// refuse returns a problem that is the caller's to mend.
func refuse(status int, format string, args ...any) error {
	return &problem{status: status, text: fmt.Sprintf(format, args...)}
}

// problemOf turns any error into an answer. Errors that are nobody's but ours show the caller a request id only.
func problemOf(err error, id string) *problem {
	var p *problem
	var invalid *store.InvalidError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &invalid):
		return &problem{status: http.StatusBadRequest, text: invalid.Error()}
	case errors.Is(err, store.ErrNotFound):
		return &problem{status: http.StatusNotFound, text: "AgentRequest not found"}
	case errors.Is(err, store.ErrDeleted):
		return &problem{status: http.StatusGone, text: "AgentRequest was deleted"}
	case errors.Is(err, store.ErrUnavailable):
		return &problem{status: http.StatusServiceUnavailable, text: store.ErrUnavailable.Error() + " (request id " + id + ")", cause: err}
	default:
		return &problem{status: http.StatusInternalServerError, text: "internal error (request id " + id + ")", cause: err}
	}
}

// fail answers a request with err and logs causes that the answer does not tell.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	info := infoOf(r.Context())
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		info.gone = true // nobody is left to answer
		return
	}
	p := problemOf(err, info.id)
	switch {
	case p.cause == nil: // the line about the end of the request says enough
	case p.status >= http.StatusInternalServerError:
		s.log.ErrorContext(r.Context(), "request failed", "route", info.route, "cause", p.cause, "id", info.id)
	default:
		s.log.WarnContext(r.Context(), "request refused", "route", info.route, "cause", p.cause, "from", r.RemoteAddr, "id", info.id)
	}
	if p.challenge != "" {
		w.Header().Set("WWW-Authenticate", p.challenge)
	}
	s.encode(w, p.status, wire.Error{Message: p.text})
}

// statusOf returns the status of a refusal, 0 when err is none.
func statusOf(err error) int {
	var p *problem
	if errors.As(err, &p) {
		return p.status
	}
	return 0
}
