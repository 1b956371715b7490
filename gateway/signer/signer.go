// Package signer signs and verifies the gateway's own tokens: each says what was approved for one request of one agent.
// Source: https://www.rfc-editor.org/rfc/rfc8037 (EdDSA), https://www.rfc-editor.org/rfc/rfc7519.
package signer

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

const (
	// Issuer is the iss of every token.
	Issuer = "aip-gateway"
	// Lifetime is how long a token counts at most.
	Lifetime = 30 * time.Minute
	// KeyGrace is how long a token counts whose key was replaced.
	KeyGrace = 5 * time.Minute
)

// Grant is what was approved.
type Grant struct {
	// Agent may do Action to Resource, which is the target's URI, for the sake of Request in Namespace.
	Agent     string `json:"sub"`
	Action    string `json:"action"`
	Resource  string `json:"resource"`
	Request   string `json:"request"`
	Namespace string `json:"namespace"`
	// UID is that of the request: another may have its name later.
	UID string `json:"request_uid"`
	// Parameters is the SHA-256 of the request's parameters as JSON with sorted keys, in hexadecimal; empty when it has none.
	Parameters string `json:"parameters_sha256,omitempty"`
	// Service is the one that the token is for; empty in the token of an approval.
	Service string `json:"aud,omitempty"`
}

// Claims are the claims of a token.
type Claims struct {
	Grant

	Issuer   string           `json:"iss"`
	IssuedAt *jwt.NumericDate `json:"iat"`
	Expiry   *jwt.NumericDate `json:"exp"`
	// ID is different for every token.
	ID string `json:"jti"`
}

// Options say where the key is: in a PEM file, which is read anew when it changes, or in PEM.
type Options struct {
	Path, PEM string
	Now       func() time.Time
	Log       *slog.Logger
}

// Signer signs and verifies. It is safe for concurrent use.
type Signer struct {
	options Options

	mu      sync.Mutex
	written fileState
	now     key
	// before is the key that now replaced, until counts.
	before *key
	until  time.Time
}

// New returns a Signer, or what is wrong with its key. Without a key it returns nil.
func New(o Options) (*Signer, error) {
	if o.Path == "" && o.PEM == "" {
		return nil, nil //nolint:nilnil // a gateway without a key gives out no tokens
	}
	if o.Path != "" && o.PEM != "" {
		return nil, errors.New("--jwt-key-path and --jwt-key are both set, expected one")
	}
	s := &Signer{options: o}
	if o.PEM != "" {
		found, err := parse([]byte(o.PEM))
		if err != nil {
			return nil, fmt.Errorf("--jwt-key: %w", err)
		}
		s.now = found
		return s, nil
	}
	return s, s.read()
}

// Sign returns a token for a grant.
func (s *Signer) Sign(g Grant) (raw string, claims Claims, err error) {
	s.mu.Lock()
	current := s.current()
	s.mu.Unlock()
	now := s.options.Now()
	claims = Claims{
		Grant: g, Issuer: Issuer, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(Lifetime)), ID: uuid.NewString(),
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: current.private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", claims, fmt.Errorf("sign token: %w", err)
	}
	raw, err = jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", claims, fmt.Errorf("sign token: %w", err)
	}
	return raw, claims, nil
}

// ErrNotOurs is the error of a token that this gateway did not sign, or that counts no more.
var ErrNotOurs = errors.New("not a token of this gateway that counts")

// Verify returns the claims of a token that was signed here and has not expired. Its error is ErrNotOurs and says nothing of
// the token.
func (s *Signer) Verify(raw string) (Claims, error) {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return Claims{}, ErrNotOurs
	}
	for _, public := range s.Keys().Keys {
		var claims Claims
		if err := token.Claims(public.Key, &claims); err != nil {
			continue
		}
		if claims.Issuer != Issuer || claims.Expiry == nil || !s.options.Now().Before(claims.Expiry.Time()) {
			return Claims{}, ErrNotOurs
		}
		return claims, nil
	}
	return Claims{}, ErrNotOurs
}

// Keys returns the public keys whose tokens count now: that of the next token and, for a while, the one that it replaced.
// Source: https://www.rfc-editor.org/rfc/rfc7517#section-5
func (s *Signer) Keys() jose.JSONWebKeySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.current().public()}}
	if s.before != nil && s.options.Now().Before(s.until) {
		out.Keys = append(out.Keys, s.before.public())
	}
	return out
}

// current returns the key to sign with. A file that cannot be used does not replace a key that can.
func (s *Signer) current() key {
	if s.options.Path != "" {
		if err := s.read(); err != nil {
			s.options.Log.Error("the replaced signing key cannot be used, the one of before goes on", "cause", err)
		}
	}
	return s.now
}
