package authn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// notBeforeLeeway is how far the nbf claim may lie in the future, because clocks differ. It is go-oidc's own value.
const notBeforeLeeway = 5 * time.Minute

// expectation is what a token must say before its signature is looked at.
type expectation struct {
	issuer, audience string
	algorithms       []jose.SignatureAlgorithm
	now              time.Time
}

// inspect names what is wrong with an unverified token and returns its key id. It accepts nothing: its nil error only
// means that go-oidc may decide. It exists to name the class of a refusal without reading go-oidc's texts, and to keep
// tokens of other issuers from causing requests to ours.
func inspect(raw string, want expectation) (kid string, err error) {
	if len(raw) > maxTokenBytes {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxTokenBytes)
	}
	token, err := jwt.ParseSigned(raw, want.algorithms)
	var algorithm *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &algorithm):
		return "", &mismatch{ErrAlgorithm, quoteAll(names(want.algorithms)), quote(string(algorithm.Got))}
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var claims jwt.Claims
	var kind struct {
		Type any `json:"typ"`
	}
	if err := token.UnsafeClaimsWithoutVerification(&claims, &kind); err != nil {
		return "", fmt.Errorf("%w: claims: %w", ErrMalformed, err)
	}
	header := token.Headers[0]
	return header.KeyID, want.check(&claims, firstForeign(header.ExtraHeaders[jose.HeaderType], kind.Type))
}

// firstForeign returns the type of a token that is no access token, or "". The type in the header is a media type, see
// RFC 7515 section 4.1.9 and RFC 9068 section 2.1; one that is not known belongs to another use of JSON Web Tokens.
// Keycloak gives all its tokens the same header and tells them apart by the typ claim; the claim of other providers
// may mean anything else.
// Source: org.keycloak.util.TokenUtil, https://github.com/keycloak/keycloak
func firstForeign(header, claim any) string {
	if header != nil {
		text, _ := header.(string)
		switch strings.TrimPrefix(strings.ToLower(text), "application/") {
		case "jwt", "at+jwt":
		default:
			return quote(fmt.Sprint(header))
		}
	}
	text, _ := claim.(string)
	switch strings.ToLower(text) {
	case "id", "serialized-id", "refresh", "offline", "logout":
		return quote(text)
	default:
		return ""
	}
}

// google is the issuer of Google's ID tokens; their iss claim may leave out the scheme.
// Source: https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload
const (
	google     = "https://accounts.google.com"
	googleBare = "accounts.google.com"
)

// check compares the claims in the order in which a person mends them: the wrong provider first, then the
// wrong token, the wrong audience, and the times.
func (want expectation) check(claims *jwt.Claims, foreign string) error {
	switch {
	case claims.Issuer != want.issuer && (want.issuer != google || claims.Issuer != googleBare):
		return &mismatch{ErrIssuer, quote(want.issuer), quote(claims.Issuer)}
	case foreign != "":
		return &mismatch{ErrTokenType, "the access_token of the issuer's answer", "a token of type " + foreign}
	case !slices.Contains(claims.Audience, want.audience):
		return &mismatch{ErrAudience, quote(want.audience), quoteAll(claims.Audience)}
	case claims.Expiry == nil:
		return ErrNoExpiry
	case !want.now.Before(claims.Expiry.Time()):
		return fmt.Errorf("%w: exp %s, now %s", ErrExpired, stamp(claims.Expiry.Time()), stamp(want.now))
	case claims.NotBefore != nil && claims.NotBefore.Time().After(want.now.Add(notBeforeLeeway)):
		return fmt.Errorf("%w: nbf %s, now %s", ErrNotYetValid, stamp(claims.NotBefore.Time()), stamp(want.now))
	default:
		return nil
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func names(algorithms []jose.SignatureAlgorithm) []string {
	out := make([]string, len(algorithms))
	for i, a := range algorithms {
		out[i] = string(a)
	}
	return out
}
