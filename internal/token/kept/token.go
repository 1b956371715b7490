// Package kept is tokens as they are kept between runs of the program: a value that does not print itself, and files that only
// their owner reads. It needs the standard library alone, without the network, because `aip-dev token` answers from here before
// the rest of the program is there.
package kept

import (
	"fmt"
	"log/slog"
	"time"
)

// margin is how long before its expiry a kept token is no longer handed out: it must outlive the request it is used for.
const margin = 30 * time.Second

const redacted = "[redacted]"

// Token is an access token. It prints and marshals without its value; only a use of Raw reveals it.
type Token struct {
	// Raw is the token as it goes into an Authorization header, after "Bearer ".
	Raw string
	// Expiry is when the issuer said that it ends; zero when the issuer did not say.
	Expiry time.Time
}

// Fresh says whether the token can still be handed out at that time, 30 seconds of margin included. A token of unknown
// expiry is never fresh.
func (t Token) Fresh(now time.Time) bool {
	return t.Raw != "" && now.Add(margin).Before(t.Expiry)
}

// Header is the line of a request that carries the token (RFC 6750 section 2.1).
func (t Token) Header() string { return "Authorization: Bearer " + t.Raw }

// String describes the token by its expiry.
func (t Token) String() string {
	switch {
	case t.Raw == "":
		return "no token"
	case t.Expiry.IsZero():
		return "token " + redacted
	default:
		return "token " + redacted + " until " + t.Expiry.UTC().Format(time.RFC3339)
	}
}

// GoString is String: %#v shows no more than %v.
func (t Token) GoString() string { return t.String() }

// Format writes String for every verb, also where fmt would print fields.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) } // a fmt.State reports its own errors

// LogValue is what slog handlers write.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText keeps the value out of JSON, in which loggers write structures.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
