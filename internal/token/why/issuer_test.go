package why_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is an OIDC provider over HTTP that signs whatever it is told to, and publishes what it is told to.
type issuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu sync.Mutex
	// published are the keys; answer, when not nil, answers for the discovery document.
	published []jose.JSONWebKey
	answer    http.HandlerFunc
	// name is what it calls itself; empty means its URL.
	name string
}

const kid = "key-1"

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{key: newKey(t)}
	i.published = []jose.JSONWebKey{{Key: i.key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	name := i.name
	if name == "" {
		name = i.URL
	}
	var body any
	switch r.URL.Path {
	case "/.well-known/openid-configuration", "/realms/prod/.well-known/openid-configuration":
		if i.answer != nil {
			i.answer(w, r)
			return
		}
		body = map[string]any{"issuer": name, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"}}
	case "/keys":
		body = jose.JSONWebKeySet{Keys: i.published}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the reader sees what is missing
}

// claims are those of an access token of Keycloak, with changes; nil takes a claim away.
func (i *issuer) claims(changes map[string]any) map[string]any {
	now := time.Now()
	out := map[string]any{
		"exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "iss": i.URL, "typ": "Bearer",
		"aud": []string{"aip-gateway", "account"}, "sub": "5e1f", "azp": "aip-agent-1",
	}
	maps.Copy(out, changes)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

// sign returns a token of these claims, signed with key and named by id.
func sign(t *testing.T, key *ecdsa.PrivateKey, id string, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (i *issuer) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	return sign(t, i.key, kid, i.claims(changes))
}
