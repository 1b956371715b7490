package issuer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
)

const maxBody = 1 << 20

// answer is what a handler returns when all went well.
type answer struct {
	status   int
	body     any    // JSON; nil for none
	location string // of a created object
	cache    string // Cache-Control; "no-cache" when empty
}

// fault is an answer that refuses. Keycloak has several shapes of error bodies; which one is used where is decided by
// the constructors below.
type fault struct {
	status    int
	body      faultBody
	challenge string // WWW-Authenticate
}

type faultBody struct {
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	Message     string `json:"errorMessage,omitempty"`
}

// Error describes the fault in one line.
func (f *fault) Error() string {
	return fmt.Sprintf("%d %s %s%s", f.status, f.body.Error, f.body.Description, f.body.Message)
}

// oauthFault is the error of the token endpoint, RFC 6749 section 5.2.
func oauthFault(status int, code, description string) *fault {
	return &fault{status: status, body: faultBody{Error: code, Description: description}}
}

// plainFault is what Keycloak answers from an exception: prose in the field "error".
func plainFault(status int, text string) *fault {
	return &fault{status: status, body: faultBody{Error: text}}
}

// statusFault is plainFault with nothing to say beyond the status.
func statusFault(status int) *fault {
	return plainFault(status, fmt.Sprintf("HTTP %d %s", status, http.StatusText(status)))
}

// adminFault is a refusal of the admin API's own validation.
func adminFault(status int, message string) *fault {
	return &fault{status: status, body: faultBody{Message: message}}
}

// handle turns a function into a handler: it limits the body, writes the answer and reports what is nobody's fault.
func (s *Server) handle(fn func(*http.Request) (answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		a, err := fn(r)
		if err == nil {
			s.write(w, r, a)
			return
		}
		var f *fault
		if !errors.As(err, &f) {
			s.opts.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err.Error())
			f = oauthFault(http.StatusInternalServerError, "unknown_error", "For more on this error consult the server log.")
		}
		if f.challenge != "" {
			w.Header().Set("WWW-Authenticate", f.challenge)
		}
		s.write(w, r, answer{status: f.status, body: f.body})
	})
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, a answer) {
	h := w.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", cmp.Or(a.cache, "no-cache"))
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	blob, err := json.Marshal(a.body)
	if err != nil {
		s.opts.Log.ErrorContext(r.Context(), "encode answer", "path", r.URL.Path, "error", err.Error())
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(blob) // the caller has gone away; there is nobody to tell
}

// decode reads a JSON body into v, whose present values stay where the body has none or null.
func decode(r *http.Request, v any) error {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return statusFault(http.StatusUnsupportedMediaType)
	}
	err := json.NewDecoder(r.Body).Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return statusFault(http.StatusRequestEntityTooLarge)
	case err != nil:
		return oauthFault(http.StatusBadRequest, "invalid_request", "Cannot parse the JSON")
	}
	return nil
}
