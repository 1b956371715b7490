// Package failure holds the errors that people read: what was found, what was expected, what to type next, and the
// exit status. Every command returns one or wraps one; cmd prints it once.
package failure

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

// Code is the exit status of the program.
type Code int

// Exit statuses; docs/exit-status.md lists them for users.
const (
	Failed      Code = 1
	Usage       Code = 2
	Refused     Code = 3
	NotFound    Code = 4
	Conflict    Code = 5
	Interrupted Code = 130
)

// Error is an error with an exit status and the next commands to type.
type Error struct {
	// Code is the exit status; 0 counts as Failed.
	Code Code
	// Text says what happened, with what was found and what was expected.
	Text string
	// Next lists commands to type, most helpful first. Each may carry a remark after two spaces and a #.
	Next []string
	// Err is the cause; it is printed after Text unless Text already holds it.
	Err error
}

// New returns an Error without a cause.
func New(code Code, next []string, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...), Next: next}
}

// Wrap returns an Error with a cause.
func Wrap(err error, code Code, next []string, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...), Next: next, Err: err}
}

// Error returns the text and the cause in one line.
func (e *Error) Error() string {
	switch {
	case e.Err == nil || e.Text != "" && strings.Contains(e.Text, e.Err.Error()):
		return e.Text
	case e.Text == "":
		return e.Err.Error()
	default:
		return e.Text + ": " + e.Err.Error()
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the exit status that err asks for: 0 for nil, Failed for an error that says nothing.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e) && e.Code != 0:
		return e.Code
	default:
		return Failed
	}
}

// Next returns the commands to type after err, or nil.
func Next(err error) []string {
	var e *Error
	if errors.As(err, &e) {
		return e.Next
	}
	return nil
}

// Print writes err as people read it: what happened, then the next commands. Texts that came from elsewhere are made
// harmless for a terminal.
func Print(w io.Writer, err error) {
	if err == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", strings.Join(safetext.Block(strings.TrimRight(err.Error(), "\n")), "\n"))
	for i, n := range Next(err) {
		lead := "      "
		if i == 0 {
			lead = "\nNext: "
		}
		fmt.Fprintf(&b, "%s %s\n", lead, safetext.Line(n))
	}
	_, _ = io.WriteString(w, b.String()) // stderr is the last place to tell; nothing is left to report to
}
