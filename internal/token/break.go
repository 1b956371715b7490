package token

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Breakage is one way in which a token can be wrong.
type Breakage struct {
	// Kind is its short name, such as aud.
	Kind string
	// Does says what is wrong with the token.
	Does string
	// Row is the id under which `token why` names it.
	Row string
}

// Breakages returns what Break can do.
func Breakages() []Breakage {
	return []Breakage{
		{"aud", "is for another receiver", "T09"},
		{"iss", "is of another issuer", "T05"},
		{"exp", "has ended an hour ago", "T10"},
		{"nbf", "counts in an hour", "T10"},
		{"typ", "is an ID token", "T02"},
		{"alg", "is not signed (alg none)", "T07"},
		{"kid", "is signed by a key that nobody publishes", "T06"},
		{"sig", "is signed by somebody else in the key's name", "T08"},
	}
}

// Break returns a token that is wrong in one way and otherwise like raw, for tests of what refuses it. It is signed with a
// key of its own: a gateway looks at the claims first, so that each kind is refused for what it is. Nobody can take a broken
// token for a good one.
func Break(raw, kind string, now time.Time) (string, error) {
	d, err := Decode(raw)
	if err != nil {
		return "", err
	}
	claims, header := maps.Clone(d.Claims), maps.Clone(d.Header)
	switch kind {
	case "aud":
		claims["aud"] = "another-gateway"
	case "iss":
		claims["iss"] = d.Issuer + "/"
	case "exp":
		claims["exp"], claims["iat"] = now.Add(-time.Hour).Unix(), now.Add(-2*time.Hour).Unix()
	case "nbf":
		claims["nbf"], claims["exp"] = now.Add(time.Hour).Unix(), now.Add(2*time.Hour).Unix()
	case "typ":
		claims["typ"] = "ID"
	case "alg":
		header["alg"] = "none"
		return unsigned(header, claims)
	case "kid":
		header["kid"] = "nobody-publishes-this"
	case "sig":
	default:
		return "", fmt.Errorf("kind %q is not known", kind)
	}
	return forge(header, claims)
}

func unsigned(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encode the header: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c) + ".", nil
}

// forge signs with a key that is made for it and forgotten.
func forge(header, claims map[string]any) (string, error) {
	const bits = 2048
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	kid, _ := header["kid"].(string)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("prepare the key: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("write the token: %w", err)
	}
	return text, nil
}
