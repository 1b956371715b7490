package signer

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pemOf(t *testing.T, private any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func newKey(t *testing.T) (ed25519.PrivateKey, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	return private, pemOf(t, private)
}

func grant() Grant {
	return Grant{Agent: "a", Action: "delete", Resource: "k8s://x", Request: "r", Namespace: "n", UID: "u", Service: "s"}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	private, text := newKey(t)
	now := time.Unix(1_000_000, 0)
	s, err := New(Options{PEM: text, Now: func() time.Time { return now }})
	check(t, err)
	raw, claims, err := s.Sign(grant())
	check(t, err)
	// Another library's view of it: the header, the claims, the signature.
	parts := strings.Split(raw, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	check(t, err)
	if !ed25519.Verify(private.Public().(ed25519.PublicKey), []byte(parts[0]+"."+parts[1]), signature) {
		t.Error("the signature is not that of the key")
	}
	var header, body map[string]any
	for i, into := range []*map[string]any{&header, &body} {
		part, err := base64.RawURLEncoding.DecodeString(parts[i])
		check(t, err)
		check(t, json.Unmarshal(part, into))
	}
	if header["alg"] != "EdDSA" || header["typ"] != "JWT" || header["kid"] != s.Keys().Keys[0].KeyID || header["kid"] == "" {
		t.Errorf("header %v", header)
	}
	want := map[string]any{
		"iss": "aip-gateway", "sub": "a", "aud": "s", "action": "delete", "resource": "k8s://x", "request": "r", "namespace": "n", "request_uid": "u",
		"iat": 1e6, "exp": 1e6 + 1800, "jti": claims.ID,
	}
	for name, value := range want {
		if body[name] != value {
			t.Errorf("%s is %v, expected %v", name, body[name], value)
		}
	}
	if len(body) != len(want) {
		t.Errorf("claims %v", body)
	}
	if _, again, err := s.Sign(grant()); err != nil || again.ID == claims.ID {
		t.Errorf("jti %q again, %v", again.ID, err)
	}
	now = now.Add(Lifetime - time.Second)
	if got, err := s.Verify(raw); err != nil || got.Grant != grant() {
		t.Errorf("%+v, %v", got, err)
	}
	now = now.Add(time.Second)
	if _, err := s.Verify(raw); !errors.Is(err, ErrNotOurs) {
		t.Errorf("after 30 minutes: %v", err)
	}
}

// TestForged: nobody else's token counts, and the error tells nothing of it.
func TestForged(t *testing.T) {
	t.Parallel()
	private, text := newKey(t)
	other, _ := newKey(t)
	s, err := New(Options{PEM: text, Now: time.Now})
	check(t, err)
	raw, claims, err := s.Sign(grant())
	check(t, err)
	sign := func(alg jose.SignatureAlgorithm, key any, claims any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
		check(t, err)
		out, err := jwt.Signed(signer).Claims(claims).Serialize()
		check(t, err)
		return out
	}
	parts := strings.Split(raw, ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	elsewhere := claims
	elsewhere.Issuer = "other-gateway"
	timeless := claims
	timeless.Expiry = nil
	public := private.Public().(ed25519.PublicKey)
	for name, token := range map[string]string{
		"nothing": "", "no token": "a.b.c", "another key": sign(jose.EdDSA, other, claims), "another issuer": sign(jose.EdDSA, private, elsewhere),
		"no expiry": sign(jose.EdDSA, private, timeless), "alg none": encode(`{"alg":"none"}`) + "." + parts[1] + ".",
		"HMAC with the public key": sign(jose.HS256, []byte(public), claims), "other claims": parts[0] + "." + encode(`{"iss":"aip-gateway","sub":"evil","exp":99999999999}`) + "." + parts[2],
		"own key in the header": encode(`{"alg":"EdDSA","jwk":{}}`) + "." + parts[1] + "." + parts[2],
	} {
		if _, err := s.Verify(token); err == nil || err.Error() != ErrNotOurs.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tls.key")
	now := time.Unix(1_000_000, 0)
	write := func(text string) {
		t.Helper()
		check(t, os.WriteFile(path, []byte(text), 0o600))
		now = now.Add(time.Second)
		check(t, os.Chtimes(path, now, now))
	}
	_, first := newKey(t)
	write(first)
	var log bytes.Buffer
	s, err := New(Options{Path: path, Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil))})
	check(t, err)
	old, _, err := s.Sign(grant())
	check(t, err)
	write("no key at all")
	if _, err := s.Verify(old); err != nil || strings.Count(log.String(), "cannot be used") != 1 {
		t.Errorf("%v, log %s", err, log.String())
	}
	_, second := newKey(t)
	write(second)
	fresh, _, err := s.Sign(grant())
	check(t, err)
	if n := len(s.Keys().Keys); n != 2 {
		t.Errorf("%d keys, expected the new and the old one", n)
	}
	for range 2 {
		for _, raw := range []string{old, fresh} {
			if _, err := s.Verify(raw); err != nil {
				t.Error(err)
			}
		}
		now = now.Add(KeyGrace - time.Second)
	}
	if _, err := s.Verify(old); !errors.Is(err, ErrNotOurs) || len(s.Keys().Keys) != 1 {
		t.Errorf("after the grace: %v, %d keys", err, len(s.Keys().Keys))
	}
	if _, err := s.Verify(fresh); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "BEGIN") || strings.Contains(log.String(), old) {
		t.Error("the log holds a key or a token")
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	_, good := newKey(t)
	for want, o := range map[string]Options{
		"--jwt-key: found no PEM block":                                      {PEM: "secret words"},
		`--jwt-key: found a PEM block "RSA PRIVATE KEY"`:                     {PEM: strings.ReplaceAll(good, "PRIVATE", "RSA PRIVATE")},
		"--jwt-key: the PEM block holds no PKCS #8 key":                      {PEM: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
		"--jwt-key: found a key of type *ecdsa.PrivateKey, expected Ed25519": {PEM: pemOf(t, elliptic)},
		"--jwt-key-path: stat /nothing-there":                                {Path: "/nothing-there"},
		"--jwt-key-path and --jwt-key are both set":                          {Path: "/x", PEM: good},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret words") {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
	if s, err := New(Options{}); s != nil || err != nil {
		t.Errorf("without a key: %v, %v", s, err)
	}
}
