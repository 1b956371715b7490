package keycloak

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Nerzal/gocloak/v13"
)

// Classes of errors that this package returns; errors.Is finds them.
var (
	// ErrUnreachable is no answer: no connection, a time limit, a certificate that is not trusted.
	ErrUnreachable = errors.New("cannot reach Keycloak")
	// ErrNotKeycloak is an answer that Keycloak does not give, such as a web page, or no realm master at this URL.
	ErrNotKeycloak = errors.New("no Keycloak answers at this base URL")
	// ErrCredentials is a refused administrator: wrong name or password, or an account that is locked or incomplete.
	ErrCredentials = errors.New("credentials of the Keycloak administrator refused")
	// ErrForbidden is an administrator without the rights for a call, or a Keycloak that asks for HTTPS.
	ErrForbidden = errors.New("not permitted by Keycloak")
	// ErrRejected is any other refusal of a call.
	ErrRejected = errors.New("rejected by Keycloak")
	// ErrConflict is a write that met other writers again and again.
	ErrConflict = errors.New("conflict reported by Keycloak")
	// ErrFailed is a status of 500 and above.
	ErrFailed = errors.New("failure inside Keycloak")
)

// statusOf returns the HTTP status that a gocloak error carries, 0 when there was no answer.
func statusOf(err error) int {
	var e *gocloak.APIError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func classOf(status int) error {
	switch {
	case status == 0:
		return ErrUnreachable
	case status == http.StatusUnauthorized:
		return ErrCredentials
	case status == http.StatusForbidden:
		return ErrForbidden
	case status == http.StatusConflict:
		return ErrConflict
	case status >= http.StatusInternalServerError:
		return ErrFailed
	default:
		return ErrRejected
	}
}

// explain turns an error of gocloak into one of this package. Keycloak's words are kept, secrets that they might
// repeat are not.
func explain(ctx context.Context, action string, class, err error, secrets ...string) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w: %w", action, class, cause)
	}
	words := err.Error()
	for _, secret := range secrets {
		if secret != "" {
			words = strings.ReplaceAll(words, secret, "[redacted]")
		}
	}
	return fmt.Errorf("%s: %w: %s", action, class, words)
}
