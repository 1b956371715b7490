package issuer

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// asAdmin lets fn run only for a request with a valid access token of realm master's administrator. Like Keycloak it
// checks this before the path, and answers a missing and a bad token alike.
func (s *Server) asAdmin(fn func(*http.Request) (answer, error)) func(*http.Request) (answer, error) {
	return func(r *http.Request) (answer, error) {
		if err := s.verifyAdmin(r.Context(), r.Header.Get("Authorization")); err != nil {
			return answer{}, err
		}
		return fn(r)
	}
}

// verifyAdmin returns a 401 for what is no valid token of realm master, a 403 for a valid one that is not the
// administrator's, such as that of a service account.
func (s *Server) verifyAdmin(ctx context.Context, header string) error {
	unauthorized := statusFault(http.StatusUnauthorized)
	scheme, raw, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return unauthorized
	}
	parsed, err := jwt.ParseSigned(strings.TrimSpace(raw), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return unauthorized
	}
	master := s.current.Load().realms[masterRealm]
	key, err := master.key.wait(ctx)
	if err != nil {
		return err
	}
	var cl struct {
		Issuer string `json:"iss"`
		Expiry int64  `json:"exp"`
		Type   string `json:"typ"`
		Azp    string `json:"azp"`
	}
	if err := parsed.Claims(key.public, &cl); err != nil {
		return unauthorized
	}
	if cl.Issuer != s.realmURL(masterRealm) || cl.Type != typeBearer || s.opts.Now().Unix() >= cl.Expiry {
		return unauthorized
	}
	if cl.Azp != adminCLI {
		return statusFault(http.StatusForbidden)
	}
	return nil
}

func (s *Server) unknownAdminPath(*http.Request) (answer, error) {
	return answer{}, statusFault(http.StatusNotFound)
}
