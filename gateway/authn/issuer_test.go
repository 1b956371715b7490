package authn_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/aip-dev/aip-dev/gateway/authn"
)

const (
	audience  = "aip-gateway"
	wellKnown = "/.well-known/openid-configuration"
)

// began is the time at which the clocks of the tests start.
var began = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) // never written again

// clock stands still until it is moved.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return began.Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// key is one key of an issuer.
type key struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
	// use is the use member of the published key.
	use string
}

func newKey(t testing.TB, id string, algorithm jose.SignatureAlgorithm) key {
	t.Helper()
	k := key{id: id, algorithm: algorithm, use: "sig"}
	var err error
	switch algorithm {
	case jose.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES512:
		k.private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	check(t, err)
	return k
}

func (k key) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.algorithm), Use: k.use}
}

// issuer is an OIDC provider over HTTP that signs whatever it is told to.
type issuer struct {
	*httptest.Server
	clock *clock

	mu sync.Mutex
	// discovery and keys are what the two documents hold; as http.HandlerFunc they answer by themselves.
	discovery, keys any
	// asked counts the requests for each path.
	asked map[string]int
}

// newIssuer returns an issuer that announces common algorithms and publishes the keys.
func newIssuer(t testing.TB, published ...key) *issuer {
	t.Helper()
	i := &issuer{clock: &clock{}, asked: map[string]int{}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	i.discovery = i.document()
	i.publish(published...)
	return i
}

// document returns a discovery document, with changes.
func (i *issuer) document(changes ...map[string]any) map[string]any {
	out := map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "ES512", "EdDSA", "HS256", "none"},
	}
	for _, c := range changes {
		maps.Copy(out, c)
	}
	return out
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasSuffix(path, wellKnown) {
		path = wellKnown // of an issuer below some folder
	}
	i.mu.Lock()
	i.asked[path]++
	answer := map[string]any{wellKnown: i.discovery, "/keys": i.keys}[path]
	i.mu.Unlock()
	switch answer := answer.(type) {
	case nil:
		http.NotFound(w, r)
	case http.HandlerFunc:
		answer(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // the reader sees what is missing
	}
}

// newTLS serves i over TLS from now on.
func newTLS(t testing.TB, i *issuer) *httptest.Server {
	t.Helper()
	i.Server = httptest.NewTLSServer(i)
	t.Cleanup(i.Close)
	return i.Server
}

func (i *issuer) set(field *any, value any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	*field = value
}

func (i *issuer) publish(keys ...key) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.public())
	}
	i.set(&i.keys, set)
}

// fetches returns how often the keys were asked for.
func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked["/keys"]
}

// claims returns those of a Keycloak access token by client credentials, with changes; a nil value takes a claim away.
func (i *issuer) claims(changes ...map[string]any) map[string]any {
	now := i.clock.now()
	out := map[string]any{
		"exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "jti": "3f0e", "iss": i.URL, "typ": "Bearer",
		"aud": []string{audience, "account"}, "sub": "5e1f0c1a-service-account", "azp": "aip-agent-1", "scope": "openid",
	}
	for _, c := range changes {
		maps.Copy(out, c)
	}
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

// options returns those of a verifier that trusts i.
func (i *issuer) options() authn.Options {
	return authn.Options{IssuerURL: i.URL, Audience: audience, GroupsClaim: "groups", Now: i.clock.now}
}

// verifier returns one that has discovered i.
func (i *issuer) verifier(t testing.TB, edit ...func(*authn.Options)) *authn.Verifier {
	t.Helper()
	o := i.options()
	for _, e := range edit {
		e(&o)
	}
	v, err := authn.New(o)
	check(t, err)
	check(t, v.Discover(t.Context()))
	return v
}

// sign returns a token with these claims, which may be anything that json.Marshal takes or a json.RawMessage that it
// would not write, and these additional headers.
func (k key) sign(t testing.TB, claims any, headers ...map[jose.HeaderKey]any) string {
	t.Helper()
	return signed(t, jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, claims, headers...)
}

func signed(t testing.TB, with jose.SigningKey, claims any, headers ...map[jose.HeaderKey]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	for _, h := range headers {
		maps.Copy(options.ExtraHeaders, h)
	}
	maps.DeleteFunc(options.ExtraHeaders, func(_ jose.HeaderKey, v any) bool { return v == nil })
	signer, err := jose.NewSigner(with, options)
	check(t, err)
	payload, raw := claims.(json.RawMessage)
	if !raw {
		payload, err = json.Marshal(claims)
		check(t, err)
	}
	object, err := signer.Sign(payload)
	check(t, err)
	token, err := object.CompactSerialize()
	check(t, err)
	return token
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
