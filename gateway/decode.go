package gateway

import (
	"errors"
	"net/http"

	"github.com/aip-dev/aip-dev/gateway/body"
)

// ignored is the part of an input that says what of its body was not looked at; the answer tells it.
type ignored struct{ texts []string }

func (i *ignored) warnings() []string { return i.texts }

// warned is an input that knows what of it was ignored, warns an answer that can tell.
type (
	warned interface{ warnings() []string }
	warns  interface{ warn(texts []string) }
)

// decode reads the JSON body of r into v and returns what of it was ignored. An empty body is an error unless it is optional.
func decode(r *http.Request, v any, optional bool) (ignored, error) {
	texts, err := body.Decode(r.Body, v, optional)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return ignored{}, tooLarge()
	case err != nil:
		return ignored{}, &problem{status: http.StatusBadRequest, text: err.Error()}
	default:
		return ignored{texts}, nil
	}
}
