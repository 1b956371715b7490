package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	typeBearer = "Bearer"
	typeID     = "ID"
)

// claims are those of Keycloak's tokens, in its order; they come from the built-in client scopes basic, acr, roles and
// service_account: https://www.keycloak.org/docs/26.0.7/server_admin/#_client_scopes.
type claims struct {
	Expiry          int64            `json:"exp"`
	IssuedAt        int64            `json:"iat"`
	ID              string           `json:"jti"`
	Issuer          string           `json:"iss"`
	Audience        audience         `json:"aud,omitempty"`
	Subject         string           `json:"sub,omitempty"`
	Type            string           `json:"typ"`
	AuthorizedParty string           `json:"azp"`
	SessionID       string           `json:"sid,omitempty"`
	AccessTokenHash string           `json:"at_hash,omitempty"`
	ACR             string           `json:"acr,omitempty"`
	RealmAccess     *roles           `json:"realm_access,omitempty"`
	ResourceAccess  map[string]roles `json:"resource_access,omitempty"`
	Scope           string           `json:"scope,omitempty"`
	EmailVerified   *bool            `json:"email_verified,omitempty"`
	Name            string           `json:"name,omitempty"`
	GivenName       string           `json:"given_name,omitempty"`
	FamilyName      string           `json:"family_name,omitempty"`
	Email           string           `json:"email,omitempty"`
	ClientHost      string           `json:"clientHost,omitempty"`
	Username        string           `json:"preferred_username,omitempty"`
	ClientAddress   string           `json:"clientAddress,omitempty"`
	ClientID        string           `json:"client_id,omitempty"`
}

type roles struct {
	Roles []string `json:"roles"`
}

// audience is a string in JSON when it has one value, as Keycloak writes it.
type audience []string

// MarshalJSON writes one value as a string and several as an array (RFC 7519 section 4.1.3).
func (a audience) MarshalJSON() ([]byte, error) {
	var v any = []string(a)
	if len(a) == 1 {
		v = a[0]
	}
	blob, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode audience: %w", err)
	}
	return blob, nil
}

func (s *Server) baseClaims(r *realm, c *client, now time.Time) claims {
	return claims{
		IssuedAt: now.Unix(), Expiry: now.Unix() + int64(r.AccessTokenLifespan), ID: uuid.NewString(),
		Issuer: s.realmURL(r.Name), Type: typeBearer, AuthorizedParty: c.ClientID,
	}
}

// describer writes into claims whom they speak for.
type describer func(*claims)

// accessClaims are those of an access token. The roles are the ones that every user and service account has by default; those on
// the client "account" are why "account" is in "aud".
func (s *Server) accessClaims(r *realm, c *client, scope string, describe describer) claims {
	cl := s.baseClaims(r, c, s.opts.Now())
	cl.Audience = append(c.audience("access.token.claim"), "account")
	cl.RealmAccess = &roles{Roles: []string{"default-roles-" + r.Name, "offline_access", "uma_authorization"}}
	cl.ResourceAccess = map[string]roles{"account": {Roles: []string{"manage-account", "manage-account-links", "view-profile"}}}
	cl.Scope = scope
	describe(&cl)
	return cl
}

// idClaims are those of the ID token that goes with an access token; its first audience is the client itself.
func (s *Server) idClaims(access claims, c *client, rawAccess string, describe describer) claims {
	sum := sha256.Sum256([]byte(rawAccess))
	cl := claims{
		IssuedAt: access.IssuedAt, Expiry: access.Expiry, ID: uuid.NewString(), Issuer: access.Issuer, Type: typeID,
		AuthorizedParty: c.ClientID, AccessTokenHash: base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]),
		Audience: audience{c.ClientID},
	}
	for _, value := range c.audience("id.token.claim") {
		if value != c.ClientID {
			cl.Audience = append(cl.Audience, value)
		}
	}
	describe(&cl)
	return cl
}

// serviceAccount describes the client itself, as from where it asks.
func serviceAccount(c *client, from *http.Request) describer {
	return func(cl *claims) {
		verified := false
		host, _, err := net.SplitHostPort(from.RemoteAddr)
		if err != nil {
			host = from.RemoteAddr
		}
		cl.Subject, cl.ACR, cl.EmailVerified = c.serviceAccount, "1", &verified
		cl.ClientHost, cl.ClientAddress = host, host
		cl.Username, cl.ClientID = "service-account-"+c.ClientID, c.ClientID
	}
}

// person describes a user, in a session of its own.
func person(u *user) describer {
	session := uuid.NewString()
	return func(cl *claims) {
		cl.Subject, cl.ACR, cl.SessionID, cl.EmailVerified = u.ID, "1", session, &u.EmailVerified
		cl.Username, cl.Email = u.Username, u.Email
		cl.Name, cl.GivenName, cl.FamilyName = strings.TrimSpace(u.FirstName+" "+u.LastName), u.FirstName, u.LastName
	}
}

// adminClaims are those of admin-cli's "lightweight" tokens, which say nothing about the user.
func (s *Server) adminClaims(r *realm, c *client, scope string) claims {
	cl := s.baseClaims(r, c, s.opts.Now())
	cl.SessionID, cl.Scope = uuid.NewString(), scope
	return cl
}
