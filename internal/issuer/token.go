package issuer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	grantClientCredentials = "client_credentials"
	grantPassword          = "password"
	grantDevice            = "urn:ietf:params:oauth:grant-type:device_code"
)

// tokenResponse is Keycloak's AccessTokenResponse. There are no refresh tokens: client credentials get none by
// default, and an administrator who asks again is as quick.
type tokenResponse struct {
	AccessToken      string `json:"access_token"`
	ExpiresIn        int    `json:"expires_in"`
	RefreshExpiresIn int    `json:"refresh_expires_in"`
	TokenType        string `json:"token_type"`
	IDToken          string `json:"id_token,omitempty"`
	NotBeforePolicy  int    `json:"not-before-policy"`
	Scope            string `json:"scope"`
}

// knownScopes are openid and the default client scopes of a realm; only the first three show up in tokens.
func knownScopes() []string {
	return []string{"openid", "profile", "email", "acr", "basic", "roles", "service_account", "web-origins"}
}

// token is the token endpoint. The order of its checks is Keycloak's: grant type, client, parameters, permission.
func (s *Server) token(r *http.Request) (answer, error) {
	found, err := s.formOf(r)
	if err != nil {
		return answer{}, err
	}
	grant := r.PostForm.Get("grant_type")
	switch {
	case !r.PostForm.Has("grant_type"):
		return answer{}, oauthFault(http.StatusBadRequest, "invalid_request", "Missing form parameter: grant_type")
	case !slices.Contains([]string{grantClientCredentials, grantPassword, grantDevice}, grant):
		return answer{}, oauthFault(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant_type")
	}
	c, err := clientOf(found, r)
	if err != nil {
		return answer{}, err
	}
	switch grant {
	case grantPassword:
		return s.passwordGrant(r, found, c)
	case grantDevice:
		return s.deviceGrant(r, found, c)
	default:
		return s.clientCredentialsGrant(r, found, c)
	}
}

// formOf reads the form of a request, and returns the realm that it is to.
func (s *Server) formOf(r *http.Request) (*realm, error) {
	found, err := s.realmOf(r)
	if err != nil {
		return nil, err
	}
	if err := readForm(r); err != nil {
		return nil, err
	}
	if !found.Enabled {
		return nil, oauthFault(http.StatusForbidden, "access_denied", "Realm not enabled")
	}
	return found, nil
}

// clientOf returns the client that sent a form in which nothing stands twice.
func clientOf(in *realm, r *http.Request) (*client, error) {
	c, err := authenticate(in, r)
	if err != nil {
		return nil, err
	}
	return c, noDuplicates(r)
}

// noDuplicates refuses parameters that are there twice.
func noDuplicates(r *http.Request) error {
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return oauthFault(http.StatusBadRequest, "invalid_request", "duplicated parameter")
		}
	}
	return nil
}

func readForm(r *http.Request) error {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/x-www-form-urlencoded" {
		return statusFault(http.StatusUnsupportedMediaType)
	}
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return statusFault(http.StatusRequestEntityTooLarge)
	case err != nil:
		return oauthFault(http.StatusBadRequest, "invalid_request", "Cannot read the form")
	}
	return nil
}

// authenticate finds the client of a token request by client_secret_basic or client_secret_post; form parameters win
// over the header. An unknown or disabled client is invalid_client, a wrong secret is unauthorized_client; Keycloak
// says the same words to both (https://github.com/keycloak/keycloak/issues/16923).
func authenticate(in *realm, r *http.Request) (*client, error) {
	const words = "Invalid client or Invalid client credentials"
	id, secret, err := basicCredentials(r)
	if err != nil {
		return nil, err
	}
	if r.PostForm.Has("client_id") {
		id = r.PostForm.Get("client_id")
	}
	if r.PostForm.Has("client_secret") {
		secret = r.PostForm.Get("client_secret")
	}
	c := in.byClientID(id)
	switch {
	case c == nil || !c.Enabled:
		return nil, oauthFault(http.StatusUnauthorized, "invalid_client", words)
	case c.BearerOnly:
		return nil, oauthFault(http.StatusBadRequest, "invalid_client", "Bearer-only not allowed")
	case c.PublicClient:
		return c, nil
	case c.Secret == "" || !same(secret, c.Secret):
		return nil, oauthFault(http.StatusUnauthorized, "unauthorized_client", words)
	}
	return c, nil
}

// basicCredentials reads the Authorization header; id and secret are form-encoded in it (RFC 6749 section 2.3.1).
func basicCredentials(r *http.Request) (id, secret string, err error) {
	if r.Header.Get("Authorization") == "" {
		return "", "", nil
	}
	user, password, ok := r.BasicAuth()
	if ok {
		id, err = url.QueryUnescape(user)
		if err == nil {
			secret, err = url.QueryUnescape(password)
		}
	}
	if (!ok || err != nil) && !r.PostForm.Has("client_id") {
		f := statusFault(http.StatusUnauthorized)
		f.challenge = `Basic realm="` + strings.Map(quotable, r.PathValue("realm")) + `"`
		return "", "", f
	}
	return id, secret, nil
}

func quotable(r rune) rune {
	if r == '"' || r == '\\' || r < ' ' {
		return -1
	}
	return r
}

// same compares in a time that does not depend on where the values differ.
func same(given, expected string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(expected))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (s *Server) clientCredentialsGrant(r *http.Request, in *realm, c *client) (answer, error) {
	switch {
	case c.PublicClient:
		return answer{}, oauthFault(http.StatusUnauthorized, "unauthorized_client", "Public client not allowed to retrieve service account")
	case !c.ServiceAccountsEnabled:
		return answer{}, oauthFault(http.StatusUnauthorized, "unauthorized_client", "Client not enabled to retrieve service account")
	}
	scope, openID, err := grantedScope(r)
	if err != nil {
		return answer{}, err
	}
	return s.issue(r.Context(), in, c, scope, openID, serviceAccount(c, r))
}

// issue answers with the tokens of whom describe describes.
func (s *Server) issue(ctx context.Context, in *realm, c *client, scope string, openID bool, describe describer) (answer, error) {
	key, err := in.key.wait(ctx)
	if err != nil {
		return answer{}, err
	}
	access := s.accessClaims(in, c, scope, describe)
	res := tokenResponse{ExpiresIn: in.AccessTokenLifespan, TokenType: typeBearer, Scope: scope}
	if res.AccessToken, err = key.sign(access); err != nil {
		return answer{}, err
	}
	if openID {
		if res.IDToken, err = key.sign(s.idClaims(access, c, res.AccessToken, describe)); err != nil {
			return answer{}, err
		}
	}
	return answer{status: http.StatusOK, body: res}, nil
}

// passwordGrant serves the administrator of realm master through admin-cli, and the users of other realms through the clients that
// may use it.
func (s *Server) passwordGrant(r *http.Request, in *realm, c *client) (answer, error) {
	if !c.DirectAccessGrantsEnabled {
		return answer{}, oauthFault(http.StatusBadRequest, "unauthorized_client", "Client not allowed for direct access grants")
	}
	scope, openID, err := grantedScope(r)
	if err != nil {
		return answer{}, err
	}
	name, password := r.PostForm.Get("username"), r.PostForm.Get("password")
	if in.Name != masterRealm {
		u, err := in.login(name, password)
		if err != nil {
			return answer{}, err
		}
		return s.issue(r.Context(), in, c, scope, openID, person(u))
	}
	if rightName, right := same(name, s.opts.AdminUser), same(password, s.opts.AdminPassword); c.ClientID != adminCLI || !rightName || !right {
		return answer{}, wrongLogin()
	}
	key, err := in.key.wait(r.Context())
	if err != nil {
		return answer{}, err
	}
	res := tokenResponse{ExpiresIn: in.AccessTokenLifespan, TokenType: typeBearer, Scope: scope}
	if res.AccessToken, err = key.sign(s.adminClaims(in, c, scope)); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: res}, nil
}

// grantedScope returns the "scope" of the token and whether an ID token was asked for.
func grantedScope(r *http.Request) (scope string, openID bool, err error) {
	requested := strings.Fields(r.PostForm.Get("scope"))
	for _, name := range requested {
		if !slices.Contains(knownScopes(), name) {
			return "", false, oauthFault(http.StatusBadRequest, "invalid_scope", "Invalid scopes: "+r.PostForm.Get("scope"))
		}
	}
	if slices.Contains(requested, "openid") {
		return "openid profile email", true, nil
	}
	return "profile email", false, nil
}
