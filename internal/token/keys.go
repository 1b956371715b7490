package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// What kept Verify from vouching for a token.
var (
	// ErrUnsigned is the algorithm none, or one with a shared secret, which proves nothing to others.
	ErrUnsigned = errors.New("it is not signed with a key that can be verified")
	// ErrNoKey says that none of the keys is the one that signed.
	ErrNoKey = errors.New("none of the keys signed it")
	// ErrForged says that the key of that name did not make this signature over these claims.
	ErrForged = errors.New("the signature is not that of the key over these claims")
	// ErrNoKeys says that the keys cannot be had or read.
	ErrNoKeys = errors.New("the keys cannot be had")
)

const maxKeys = 256 << 10

// Keys are public keys that sign tokens.
type Keys struct {
	set jose.JSONWebKeySet
	// From is where they are from: a URL or a file.
	From string
	// Issuer is what their issuer calls itself; empty when the keys came without one.
	Issuer string
}

// ReadKeys reads a key set (RFC 7517 section 5) that came from a place.
func ReadKeys(document []byte, from string) (Keys, error) {
	k := Keys{From: from}
	if err := json.Unmarshal(document, &k.set); err != nil || len(k.set.Keys) == 0 {
		return Keys{}, fmt.Errorf("%w: %s holds no JSON Web Key Set, expected {\"keys\": [...]}", ErrNoKeys, from)
	}
	return k, nil
}

// wellKnown is where an issuer describes itself.
// Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationRequest
const wellKnown = "/.well-known/openid-configuration"

// IssuerOf returns the URL of an issuer, without a slash at its end, that was given by its own or by that of its description.
func IssuerOf(url string) string { return strings.TrimSuffix(strings.TrimSuffix(url, wellKnown), "/") }

// FetchKeys reads an issuer's keys by its description of itself. The URL may be that of the issuer or of the description. When
// the keys cannot be had, what the issuer calls itself is returned with the error, as far as it said so.
func FetchKeys(ctx context.Context, h *http.Client, issuerURL string) (Keys, error) {
	base := IssuerOf(issuerURL)
	document, err := get(ctx, h, base+wellKnown)
	if err != nil {
		return Keys{}, err
	}
	var said struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(document, &said); err != nil || said.Keys == "" {
		return Keys{}, fmt.Errorf("%w: %s names no jwks_uri", ErrNoKeys, base+wellKnown)
	}
	if document, err = get(ctx, h, said.Keys); err != nil {
		return Keys{Issuer: said.Issuer}, err
	}
	k, err := ReadKeys(document, said.Keys)
	k.Issuer = said.Issuer
	return k, err
}

func get(ctx context.Context, h *http.Client, from string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL cannot be read", ErrNoKeys)
	}
	direct := *h
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := direct.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	defer func() { _ = answer.Body.Close() }() // it was only read from
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxKeys))
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s answers %s", ErrNoKeys, from, answer.Status)
	}
	return body, nil
}

// Signed returns ErrUnsigned for a token that no key can verify, and nil for one that some key may. raw is as Clean returns it.
func Signed(raw string) error {
	_, err := parse(raw)
	return err
}

// parse reads a token that is signed by an algorithm with public keys.
func parse(raw string) (*jwt.JSONWebToken, error) {
	d, err := Decode(raw)
	if err != nil {
		return nil, err
	}
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: algorithm %q", ErrUnsigned, fmt.Sprint(d.Header["alg"]))
	}
	return parsed, nil
}

// Verify says whether one of the keys signed raw, which is as Clean returns it. The error is ErrUnsigned, ErrNoKey or
// ErrForged, or one of Decode's. Times and receivers are not looked at.
func (k Keys) Verify(raw string) error {
	parsed, err := parse(raw)
	if err != nil {
		return err
	}
	id := parsed.Headers[0].KeyID
	named := false
	for _, key := range k.set.Keys {
		if id != "" && key.KeyID != id || !key.IsPublic() {
			continue
		}
		named = true
		if parsed.Claims(key.Key, &map[string]any{}) == nil {
			return nil
		}
	}
	if !named {
		return fmt.Errorf("%w: key id %q is not among those of %s", ErrNoKey, id, k.From)
	}
	return ErrForged
}
