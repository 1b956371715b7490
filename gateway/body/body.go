// Package body reads JSON bodies that strangers send: bytes and a Go value go in, what of them was ignored comes out. It knows
// no HTTP beyond the error of a body that is too large.
package body

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	kjson "sigs.k8s.io/json"
)

// InvalidError says what is wrong with a body.
type InvalidError struct{ text string }

// Error returns the fault, as a caller reads it.
func (e *InvalidError) Error() string { return "invalid request body: " + e.text }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// maxDepth is how deep objects and lists of a body may lie in one another.
const maxDepth = 64

// Decode reads a JSON body into v and returns what of it was ignored: fields that v does not have, and bytes after the
// value. Its media type does not matter: clients leave it out or add parameters. Names of fields count as they are
// spelled, and each may come once, so that nobody else reads another meaning out of the same bytes. An empty body is an
// error unless it is optional.
//
// Errors: *InvalidError, and the *http.MaxBytesError of r as it is.
func Decode(r io.Reader, v any, optional bool) (ignored []string, err error) {
	raw, rest, err := firstValue(r)
	if optional && errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, badBody(err)
	}
	if err := checkDepth(raw); err != nil {
		return nil, err
	}
	strict, err := kjson.UnmarshalStrict(raw, v)
	if err != nil {
		return nil, badBody(err)
	}
	if len(strict) > 0 {
		// Unknown and doubled fields come as one list that ends somewhere, so the doubled ones are asked for alone.
		doubled, err := kjson.UnmarshalStrict(raw, v, kjson.DisallowDuplicateFields)
		if err != nil {
			return nil, badBody(err)
		}
		if len(doubled) > 0 {
			return nil, invalid("%s, expected each field once", Clip(doubled[0].Error()))
		}
		ignored = unknown(strict)
	}
	if rest {
		ignored = append(ignored, "bytes after the JSON value were ignored")
	}
	return ignored, nil
}

// maxWarnings is how many unknown fields are told by name, maxWarning how much of one, in bytes.
const (
	maxWarnings = 20
	maxWarning  = 200
)

// unknown tells which fields were ignored.
func unknown(fields []error) []string {
	var out []string
	for at, field := range fields {
		if at == maxWarnings {
			return append(out, "more unknown fields were ignored")
		}
		out = append(out, Clip(field.Error())+" was ignored")
	}
	return out
}

// Clip cuts a text that a caller chose.
func Clip(text string) string {
	if len(text) <= maxWarning {
		return text
	}
	return strings.ToValidUTF8(text[:maxWarning], "") + "..."
}

// firstValue returns the first JSON value of a body and whether other bytes than white space follow it.
func firstValue(r io.Reader) (raw json.RawMessage, rest bool, err error) {
	counted := &counter{from: r}
	decoder := json.NewDecoder(counted)
	if err := decoder.Decode(&raw); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, false, &cutOffError{counted.bytes}
		}
		return nil, false, err //nolint:wrapcheck // badBody knows the errors of encoding/json
	}
	_, err = decoder.Token()
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, false, err //nolint:wrapcheck // as above
	}
	return raw, !errors.Is(err, io.EOF), nil
}

// counter counts what is read.
type counter struct {
	from  io.Reader
	bytes int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.bytes += int64(n)
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// cutOffError says that a body ends before its value does.
type cutOffError struct{ at int64 }

func (c *cutOffError) Error() string {
	return fmt.Sprintf("it ends in the middle of the JSON value, at offset %d", c.at)
}

// checkDepth refuses a value whose parts lie too deep in one another: each level costs whoever reads it a call.
func checkDepth(raw json.RawMessage) error {
	depth, text, escaped := 0, false, false
	for at, c := range raw {
		switch {
		case escaped:
			escaped = false
		case text:
			text, escaped = c != '"', c == '\\'
		case c == '"':
			text = true
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return invalid("more than %d objects and lists in one another, at offset %d", maxDepth, at)
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return nil
}

// badBody says what is wrong with a body that cannot be read.
func badBody(err error) error {
	var large *http.MaxBytesError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var cut *cutOffError
	switch {
	case errors.As(err, &large):
		return large
	case errors.Is(err, io.EOF):
		return invalid("it is empty, expected a JSON object")
	case errors.As(err, &cut):
		return invalid("%s", cut)
	case errors.As(err, &syntax):
		return invalid("%s at offset %d", syntax, syntax.Offset)
	case errors.As(err, &kind):
		what := "it"
		if kind.Field != "" {
			what = fmt.Sprintf("field %q", kind.Field)
		}
		return invalid("%s is %s, expected %s, at offset %d", what, article(kind.Value), article(nameOf(kind.Type)), kind.Offset)
	default:
		return invalid("it could not be read")
	}
}

// nameOf returns what a Go type is in JSON.
func nameOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return nameOf(t.Elem())
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice, reflect.Array:
		return "array"
	default:
		return t.Kind().String()
	}
}

func article(noun string) string {
	if noun != "" && strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
