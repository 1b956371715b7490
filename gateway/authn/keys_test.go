package authn_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/aip-dev/aip-dev/gateway/authn"
)

func is(t *testing.T, v *authn.Verifier, token string, class error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, class) {
		t.Errorf("found %v, expected %v", err, class)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	old, young := newKey(t, "old", jose.RS256), newKey(t, "young", jose.ES256)
	i := newIssuer(t, old)
	v := i.verifier(t)
	for range 3 {
		is(t, v, old.sign(t, i.claims()), nil)
	}
	if n := i.fetches(); n != 1 {
		t.Errorf("the keys were fetched %d times for one key", n)
	}
	is(t, v, young.sign(t, i.claims()), authn.ErrKeyUnknown)
	i.publish(old, young)
	is(t, v, young.sign(t, i.claims()), nil)
	is(t, v, old.sign(t, i.claims()), nil)

	// A withdrawn key stops to count without a token that needs another one.
	i.publish(young)
	is(t, v, old.sign(t, i.claims()), nil)
	i.clock.forward(10 * time.Minute)
	is(t, v, old.sign(t, i.claims()), authn.ErrKeyUnknown)
	is(t, v, young.sign(t, i.claims()), nil)

	// All of them withdrawn: nothing counts.
	i.publish()
	i.clock.forward(10 * time.Minute)
	is(t, v, young.sign(t, i.claims()), authn.ErrKeyUnknown)
}

// TestKeyFetchesAreLimited: hole: tokens with key ids that nobody knows, which cost nothing to make, become requests to
// the provider. Proof: 1000 of them at one time are ten requests, and one more each second.
func TestKeyFetchesAreLimited(t *testing.T) {
	t.Parallel()
	k, stranger := newKey(t, "k1", jose.ES256), newKey(t, "x", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t)
	forged := stranger.sign(t, i.claims())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 125 {
				is(t, v, forged, authn.ErrKeyUnknown)
			}
		})
	}
	all.Wait()
	if n := i.fetches(); n < 1 || n > 10 {
		t.Errorf("the keys were fetched %d times at one time, expected at most 10", n)
	}
	is(t, v, k.sign(t, i.claims()), nil)

	for range 20 {
		is(t, v, forged, authn.ErrKeyUnknown)
	}
	before := i.fetches()
	i.publish(k, stranger)
	is(t, v, forged, authn.ErrKeyUnknown)
	i.clock.forward(time.Second)
	// The limit delays a new key by a second at most. go-oidc hands out a fetched set a moment before it fetches again, and
	// whoever asks in that moment gets the same.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if _, err := v.Verify(t.Context(), forged); err == nil {
			break
		}
	}
	is(t, v, forged, nil)
	if n := i.fetches() - before; n != 1 {
		t.Errorf("the keys were fetched %d times in a second, expected once", n)
	}
}

// TestKeysThatAreNotForSignatures: what else is in a key set neither counts nor gets in the way.
func TestKeysThatAreNotForSignatures(t *testing.T) {
	t.Parallel()
	good, enc, leaked := newKey(t, "good", jose.RS256), newKey(t, "enc", jose.RS256), newKey(t, "leaked", jose.RS256)
	enc.use = "enc"
	i := newIssuer(t, good)
	private := jose.JSONWebKey{Key: leaked.private.(*rsa.PrivateKey), KeyID: "leaked", Algorithm: "RS256", Use: "sig"}
	i.set(&i.keys, map[string]any{"keys": []any{
		map[string]any{"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}, map[string]any{"kty": "new"}, "text",
		map[string]any{"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
		private, enc.public(), good.public(),
	}})
	v := i.verifier(t)
	is(t, v, good.sign(t, i.claims()), nil)
	is(t, v, enc.sign(t, i.claims()), authn.ErrKeyUnknown)
	is(t, v, leaked.sign(t, i.claims()), authn.ErrKeyUnknown)
	shared := jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte("secret-secret-secret-secret-secret"), KeyID: "shared"}}
	is(t, v, signed(t, shared, i.claims()), authn.ErrAlgorithm)
}

// TestKeysUnreachable: a fault of the provider is not told as a fault of the token, and ends by itself.
func TestKeysUnreachable(t *testing.T) {
	t.Parallel()
	hangs := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	text := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // the reader sees what is missing
		}
	}
	for name, broken := range map[string]http.HandlerFunc{
		"hangs": hangs,
		"stops in between": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = w.Write([]byte("{"))
		},
		"status":           text(http.StatusServiceUnavailable, "application/json", `{"keys":[]}`),
		"HTML":             text(http.StatusOK, "text/html", "<html>log in</html>"),
		"another document": text(http.StatusOK, "application/json", `{"error":"no"}`),
		"keys is null":     text(http.StatusOK, "application/json", `{"keys":null}`),
		"too large":        text(http.StatusOK, "application/json", `{"keys":[`+string(make([]byte, 300<<10))+`]}`),
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKey(t, "k1", jose.ES256)
			i := newIssuer(t, k)
			good := i.keys
			i.set(&i.keys, broken)
			v := i.verifier(t, func(o *authn.Options) { o.HTTPClient = &http.Client{Timeout: 200 * time.Millisecond} })
			token := k.sign(t, i.claims())
			who, err := v.Verify(t.Context(), token)
			refused(t, token, who, err, authn.ErrKeysUnreachable, "token not verified: signing keys of the issuer are unreachable")
			i.set(&i.keys, good)
			is(t, v, token, nil)

			// Once the keys are known, an outage does not stop tokens that they verify.
			i.set(&i.keys, broken)
			i.clock.forward(11 * time.Minute)
			is(t, v, k.sign(t, i.claims()), nil)
			is(t, v, k.sign(t, i.claims()), nil)
		})
	}
}

// TestHangingUpDoesNotKeepKeys: hole: the request that is chosen to fetch the keys anew hangs up, again and again.
// Proof: the fetch goes on, and the withdrawn key stops to count.
func TestHangingUpDoesNotKeepKeys(t *testing.T) {
	t.Parallel()
	old, young := newKey(t, "old", jose.ES256), newKey(t, "young", jose.ES256)
	i := newIssuer(t, old)
	v := i.verifier(t)
	is(t, v, old.sign(t, i.claims()), nil)
	i.publish(young)
	i.clock.forward(10 * time.Minute)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = v.Verify(gone, old.sign(t, i.claims())) // its answer reaches nobody
	is(t, v, old.sign(t, i.claims()), authn.ErrKeyUnknown)
}

// TestSeenTokens: hole: a token that was verified once is not verified again. Proof: one that expired or whose key was
// withdrawn is refused as if nobody had seen it before, and so is one that differs in a byte.
func TestSeenTokens(t *testing.T) {
	t.Parallel()
	old, young := newKey(t, "old", jose.ES256), newKey(t, "young", jose.ES256)
	i := newIssuer(t, old)
	v := i.verifier(t)
	short := old.sign(t, i.claims(map[string]any{"exp": i.clock.now().Add(time.Minute).Unix()}))
	long := old.sign(t, i.claims())
	for range 3 {
		is(t, v, short, nil)
		is(t, v, long, nil)
	}
	is(t, v, long[:len(long)-4]+"AAAA", authn.ErrSignature)
	i.clock.forward(time.Minute)
	is(t, v, short, authn.ErrExpired)
	is(t, v, long, nil)
	i.publish(young)
	renewed := young.sign(t, i.claims())
	is(t, v, renewed, nil) // its key is unknown, so the keys are fetched
	is(t, v, renewed, nil)
	is(t, v, long, authn.ErrKeyUnknown)
}

func TestCallerHangsUp(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t)
	asked := make(chan struct{})
	i.set(&i.keys, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
		i.CloseClientConnections()
	}()
	if _, err := v.Verify(ctx, k.sign(t, i.claims())); !errors.Is(err, context.Canceled) && !errors.Is(err, authn.ErrKeysUnreachable) {
		t.Errorf("found %v", err)
	}
}

// BenchmarkVerify compares the verification of a token with what crypto/rsa takes for its signature alone.
func BenchmarkVerify(b *testing.B) {
	k := newKey(b, "k1", jose.RS256)
	i := newIssuer(b, k)
	v := i.verifier(b)
	token := k.sign(b, i.claims())
	b.Run("token", func(b *testing.B) {
		for b.Loop() {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	private, _ := k.private.(*rsa.PrivateKey)
	dot := strings.LastIndex(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	check(b, err)
	b.Run("crypto/rsa", func(b *testing.B) {
		for b.Loop() {
			sum := sha256.Sum256([]byte(token[:dot]))
			if err := rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
				b.Fatal(err)
			}
		}
	})
}
