package testkit

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Issuer is an OIDC provider: a discovery document, a key of RS256, and a signer of tokens. It lives as long as the test
// process, because tests share gateways that ask it.
type Issuer struct {
	URL string
	// Down makes it answer 503.
	Down atomic.Bool
	// Mux is what it serves; tests may add endpoints.
	Mux http.ServeMux

	signer jose.Signer
}

// NewIssuer starts an Issuer.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("key of the issuer: %v", err)
	}
	i := &Issuer{}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatalf("signer of the issuer: %v", err)
	}
	// Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
	i.Mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.Answer(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	i.Mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.Answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	})
	i.URL = httptest.NewServer(&i.Mux).URL
	return i
}

// Answer sends v as JSON, unless the issuer is Down.
func (i *Issuer) Answer(w http.ResponseWriter, v any) {
	if i.Down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the reader sees what is missing
}

// Token returns a token for subject in the way of Keycloak: azp, and aud as an array. It lasts five minutes; edit changes
// its claims.
func (i *Issuer) Token(t testing.TB, subject string, edit ...func(map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": i.URL, "azp": subject, "sub": "service-account-of-" + subject, "aud": []string{"aip-gateway", "account"},
		"exp": time.Now().Add(5 * time.Minute).Unix(), "iat": time.Now().Unix(),
	}
	for _, e := range edit {
		e(claims)
	}
	token, err := jwt.Signed(i.signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatalf("sign a token: %v", err)
	}
	return token
}
