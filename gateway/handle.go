package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/aip-dev/aip-dev/gateway/wire"
)

const (
	// bodyTimeout is how long a body may take to arrive, answerTimeout how long an answer may take to leave.
	bodyTimeout   = 30 * time.Second
	answerTimeout = 30 * time.Second
)

// serve answers a request of a caller that has the role which the route needs. An error that it returns is the answer.
type serve func(w http.ResponseWriter, r *http.Request, who caller) error

// answerer is an answer with another status than 200.
type answerer interface{ status() int }

// handle makes an endpoint of a function from values to values: read takes the input from the request, act does the
// work, and what it returns is the answer as JSON.
func handle[In, Out any](
	s *Server, read func(*http.Request) (In, error), act func(ctx context.Context, who caller, in In) (Out, error),
) serve {
	return func(w http.ResponseWriter, r *http.Request, who caller) error {
		in, err := receive(w, r, read)
		if err != nil {
			return err
		}
		out, err := act(r.Context(), who, in)
		if err != nil {
			return err
		}
		tell(w.Header(), &in, &out)
		status := http.StatusOK
		if a, ok := any(&out).(answerer); ok {
			status = a.status()
		}
		s.encode(w, status, out)
		return nil
	}
}

// tell says in the answer what of the input was ignored: in the body where it has a place for that, else in headers, as
// the Kubernetes API does. Source: https://www.rfc-editor.org/rfc/rfc7234#section-5.5
func tell(h http.Header, in, out any) {
	from, ok := in.(warned)
	if !ok {
		return
	}
	if to, ok := out.(warns); ok {
		to.warn(from.warnings())
		return
	}
	for _, text := range from.warnings() {
		h.Add("Warning", `299 - "`+description(text)+`"`)
	}
}

// plain makes an endpoint that anybody may ask and that answers with a line of text.
func plain(answer func(ctx context.Context) (status int, text string)) serve {
	return func(w http.ResponseWriter, r *http.Request, _ caller) error {
		status, text := answer(r.Context())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // a probe that hung up has no use for its answer
		return nil
	}
}

// receive reads the input within its limits of size and time.
func receive[In any](w http.ResponseWriter, r *http.Request, read func(*http.Request) (In, error)) (In, error) {
	if r.ContentLength > wire.MaxBodyBytes {
		var none In
		return none, tooLarge()
	}
	r.Body = http.MaxBytesReader(w, r.Body, wire.MaxBodyBytes)
	control := http.NewResponseController(w)
	// A writer without deadlines is a test's; there nothing is slow.
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	return read(r)
}

func tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "request body is larger than %d bytes", wire.MaxBodyBytes)
}

// encode writes v as the answer.
func (s *Server) encode(w http.ResponseWriter, status int, v any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		s.log.Error("answer cannot be encoded", "cause", err)
		status, body = http.StatusInternalServerError, []byte(`{"error":"internal error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout)) // see receive
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller that hung up has no use for its answer
}
