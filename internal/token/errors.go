package token

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What kept Mint from getting a token; the codes are those of RFC 6749 section 5.2.
var (
	// ErrUnknownClient is the code invalid_client: with Keycloak an unknown or disabled client, with other issuers a
	// wrong secret as well.
	ErrUnknownClient = errors.New("the issuer does not accept this client")
	// ErrClientRefused is the code unauthorized_client: with Keycloak a wrong secret, or a client that may not use
	// this grant.
	ErrClientRefused = errors.New("the issuer refuses this client's secret or grant")
	// ErrRefused is any other refusal by the issuer; the Error in the chain has its code.
	ErrRefused = errors.New("the issuer refuses the token request")
	// ErrNoEndpoint is an answer that no token endpoint gives: 404 as for a realm that does not exist, a redirect, HTML.
	ErrNoEndpoint = errors.New("there is no token endpoint at this URL")
	// ErrUnreachable is no answer at all: no connection, a time limit, a certificate that is not trusted.
	ErrUnreachable = errors.New("the issuer cannot be reached")
	// ErrIssuerFailed is a status of 500 and above.
	ErrIssuerFailed = errors.New("the issuer has failed")
)

// Error is an answer of an issuer that is not a token. errors.Is finds its class, one of the Err values above.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code and Description are the OAuth fields "error" and "error_description"; empty when the answer had none.
	// Description is the issuer's text, cut to 200 printable characters and without the client's secret.
	Code, Description string

	class error
}

// Error tells class, status, code and description in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: HTTP %d", e.class, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	return b.String()
}

// Unwrap returns the class.
func (e *Error) Unwrap() error { return e.class }

func classify(status int, code string) error {
	switch {
	case code == "invalid_client":
		return ErrUnknownClient
	case code == "unauthorized_client":
		return ErrClientRefused
	case status >= http.StatusInternalServerError:
		return ErrIssuerFailed
	case status == http.StatusNotFound || status < http.StatusBadRequest || code == "":
		return ErrNoEndpoint
	default:
		return ErrRefused
	}
}

// printable makes an issuer's words fit for a terminal and takes the secret out, should the issuer repeat it.
func printable(s, secret string) string {
	const limit = 200
	if secret != "" {
		s = strings.ReplaceAll(s, secret, "[redacted]")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit]) + "..."
	}
	return s
}
