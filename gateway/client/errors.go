package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Classes of failures; errors.Is finds them in every error of a Client.
var (
	ErrInvalid      = errors.New("the gateway refused the request as invalid")
	ErrUnauthorized = errors.New("the gateway refused the token")
	ErrForbidden    = errors.New("the gateway refused the identity")
	// ErrNotAdmitted is an ErrForbidden: what was asked for is not permitted there, whatever the role.
	ErrNotAdmitted = errors.New("the gateway does not admit the request")
	// ErrNotRegistered is an ErrForbidden: no AgentRegistration lets the token act as the agent.
	ErrNotRegistered = errors.New("the gateway does not let the token act as the agent")
	ErrNotFound      = errors.New("not there")
	ErrConflict      = errors.New("the state of the request does not allow it")
	ErrUnavailable   = errors.New("the gateway is not available")
)

const maxErrorBody = 64 << 10

// StatusError is an answer that is not a success. Its text is the gateway's message.
type StatusError struct {
	StatusCode int
	Message    string
	// RequestID finds the request in the gateway's log; empty when the gateway sent none.
	RequestID string
}

// Error returns the gateway's message.
func (e *StatusError) Error() string { return e.Message }

// Is reports whether the status belongs to the class target.
func (e *StatusError) Is(target error) bool {
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return target == ErrInvalid
	case http.StatusUnauthorized:
		return target == ErrUnauthorized
	case http.StatusForbidden:
		return target == ErrForbidden || target == ErrNotAdmitted && notAdmitted(e.Message) || target == ErrNotRegistered && notRegistered(e.Message)
	case http.StatusNotFound, http.StatusGone:
		return target == ErrNotFound
	case http.StatusConflict:
		return target == ErrConflict
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return target == ErrUnavailable
	default:
		return false
	}
}

// notAdmitted reports whether a message begins with one of the codes of an admission.
func notAdmitted(message string) bool {
	code, _, found := strings.Cut(message, ":")
	return found && slices.Contains([]string{
		v1alpha1.DenialActionNotPermitted, v1alpha1.DenialIdentityInvalid, "INSUFFICIENT_TRUST",
	}, code)
}

// notRegistered reports whether a message is about an AgentRegistration.
func notRegistered(message string) bool {
	code, _, found := strings.Cut(message, ":")
	return found && (code == "AGENT_NOT_REGISTERED" || code == "IDENTITY_MISMATCH")
}

// statusError reads the message of an answer that is not a success.
func statusError(answer *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxErrorBody)) // a cut body still makes a message
	e := &StatusError{StatusCode: answer.StatusCode, RequestID: answer.Header.Get("X-Request-Id")}
	var decoded wire.Error
	if json.Unmarshal(body, &decoded) == nil && decoded.Message != "" {
		e.Message = decoded.Message
		return e
	}
	e.Message = answer.Status
	if text := strings.TrimSpace(string(body)); text != "" && len(text) < 200 && !strings.HasPrefix(text, "<") {
		e.Message += ": " + text
	}
	return e
}

// unreachable is a failure on the way to the gateway.
type unreachable struct{ err error }

func (e *unreachable) Error() string        { return fmt.Sprintf("%v: %v", ErrUnavailable, e.err) }
func (e *unreachable) Unwrap() error        { return e.err }
func (e *unreachable) Is(target error) bool { return target == ErrUnavailable }
