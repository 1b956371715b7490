package authn

import (
	"errors"
	"strconv"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// What can be wrong with a token. Each is a class that errors.Is finds in the errors of BearerToken and Verify; the
// texts are those that an agent reads after "invalid token: ".
var (
	// ErrNoToken: the request carries no bearer token.
	ErrNoToken = errors.New("missing Bearer token")
	// ErrMalformed: what came is not one signed JSON Web Token in compact form.
	ErrMalformed = errors.New("malformed")
	// ErrExpired: the time of the exp claim is reached. There is no leeway.
	ErrExpired = errors.New("expired")
	// ErrNotYetValid: the time of the nbf claim is more than five minutes away.
	ErrNotYetValid = errors.New("not valid yet")
	// ErrNoExpiry: there is no exp claim, so the token would count for ever.
	ErrNoExpiry = errors.New("exp claim is missing")
	// ErrTokenType: the token is another than an access token, such as the id_token of the same answer.
	ErrTokenType = errors.New("not an access token")
	// ErrAudience: the aud claim does not name this gateway.
	ErrAudience = errors.New("aud claim does not match")
	// ErrIssuer: the iss claim is not exactly the configured issuer URL.
	ErrIssuer = errors.New("iss claim does not match")
	// ErrAlgorithm: the token is not signed, or by an algorithm that the provider does not announce.
	ErrAlgorithm = errors.New("signing algorithm is not accepted")
	// ErrSignature: the signature was not made with the provider's key over this token.
	ErrSignature = errors.New("signature does not verify")
	// ErrKeyUnknown: the provider publishes no key with the token's key id.
	ErrKeyUnknown = errors.New("signed with a key that the issuer does not publish")
	// ErrKeysUnreachable: the provider's keys cannot be fetched. It says nothing about the token; asking again helps.
	ErrKeysUnreachable = errors.New("signing keys of the issuer are unreachable")
	// ErrNoIdentityClaim: the claim that carries the identity is absent, empty or not a plain string.
	ErrNoIdentityClaim = errors.New("token missing identity claim")
	// ErrEmailUnverified: the identity claim is email, and the provider does not vouch for who owns the address.
	ErrEmailUnverified = errors.New("email claim is not verified: expected email_verified to be true")
	// ErrNotReady: Discover has not succeeded yet. It says nothing about the token; asking again helps.
	ErrNotReady = errors.New("identity provider is not reached yet")
)

// mismatch is an error of one class that says what was expected and what was found. Both are shown to the caller, so
// they hold public values only: names of issuers, audiences, algorithms, types and claims.
type mismatch struct {
	class           error
	expected, found string
}

func (m *mismatch) Error() string {
	return m.class.Error() + ": expected " + m.expected + ", found " + m.found
}

func (m *mismatch) Unwrap() error { return m.class }

// Explain returns the text that a 401 answer carries for an error of BearerToken or Verify. It names the class, and
// the expected and found value for issuer, audience, algorithm and type; it never holds the token or another claim.
func Explain(err error) string {
	const invalid = "invalid token"
	var m *mismatch
	if errors.As(err, &m) && !errors.Is(m, ErrNoIdentityClaim) {
		return invalid + ": " + m.Error()
	}
	if m != nil {
		return m.Error()
	}
	for _, whole := range []error{ErrNoToken, ErrNoIdentityClaim} {
		if errors.Is(err, whole) {
			return whole.Error()
		}
	}
	for _, later := range []error{ErrKeysUnreachable, ErrNotReady} {
		if errors.Is(err, later) {
			return "token not verified: " + later.Error()
		}
	}
	for _, class := range []error{
		ErrMalformed, ErrExpired, ErrNotYetValid, ErrNoExpiry, ErrTokenType, ErrAudience, ErrIssuer, ErrAlgorithm,
		ErrSignature, ErrKeyUnknown, ErrEmailUnverified,
	} {
		if errors.Is(err, class) {
			return invalid + ": " + class.Error()
		}
	}
	return invalid
}

// quote returns s as a quoted string without control or direction characters, cut to a length fit for one line.
func quote(s string) string {
	const most = 200
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "..."
	}
	return strconv.Quote(s)
}

// quoteAll returns list as quoted strings in brackets, cut to a length fit for one line.
func quoteAll(list []string) string {
	const most = 8
	var quoted []string
	for i, s := range list {
		if i == most {
			quoted = append(quoted, "...")
			break
		}
		quoted = append(quoted, quote(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// Compare returns the two sides of the comparison that a token or a provider failed, for those who explain a refusal: what
// this gateway expects and what was found. Both are empty when err is no comparison. Like the texts of Explain they are
// public values.
func Compare(err error) (expected, found string) {
	var m *mismatch
	if errors.As(err, &m) {
		return m.expected, m.found
	}
	var issuer *oidc.IssuerMismatchError
	if errors.As(err, &issuer) {
		return quote(issuer.Provided), quote(issuer.Discovered)
	}
	return "", ""
}
