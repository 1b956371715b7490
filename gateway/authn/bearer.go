package authn

import (
	"fmt"
	"net/http"
	"strings"
)

// maxTokenBytes is the length that a token may have. Tokens of the usual providers are below 4 KiB; Keycloak's grow
// with the number of roles.
const maxTokenBytes = 16 << 10

// BearerToken returns the token of the Authorization header as RFC 6750 section 2.1 writes it: the scheme in any case,
// one space or more, the token. It returns ErrNoToken when there is no header, another scheme or no token after the
// scheme, and ErrMalformed when there is more than one header or the token has characters that no token has.
func BearerToken(h http.Header) (string, error) {
	values := h.Values("Authorization")
	switch len(values) {
	case 0:
		return "", fmt.Errorf("%w: no Authorization header", ErrNoToken)
	case 1:
	default:
		return "", fmt.Errorf("%w: %d Authorization headers, expected one", ErrMalformed, len(values))
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", fmt.Errorf("%w: the Authorization header has another scheme", ErrNoToken)
	}
	token := strings.TrimLeft(rest, " ")
	switch {
	case token == "":
		return "", fmt.Errorf("%w: nothing after the scheme", ErrNoToken)
	case len(token) > maxTokenBytes:
		return "", fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxTokenBytes)
	case strings.IndexFunc(strings.TrimRight(token, "="), notTokenRune) >= 0:
		return "", fmt.Errorf("%w: characters outside of b64token", ErrMalformed)
	}
	return token, nil
}

// notTokenRune reports whether r cannot be part of the b64token of RFC 6750 section 2.1, its trailing = aside.
func notTokenRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	default:
		return !strings.ContainsRune("-._~+/", r)
	}
}
