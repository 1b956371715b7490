package issuer

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const keyBits = 2048

// signingKey is the RS256 key of one realm, with everything derived from it that requests need.
type signingKey struct {
	der       []byte // PKCS#8, as kept in the store
	public    *rsa.PublicKey
	publicDER string // SubjectPublicKeyInfo in base64, as Keycloak prints it in the realm information
	jwks      jose.JSONWebKeySet
	signer    jose.Signer
}

func newSigningKey(private *rsa.PrivateKey) (*signingKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode signing key: %w", err)
	}
	pub, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: private, Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return nil, fmt.Errorf("name signing key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jwk}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("prepare signing key: %w", err)
	}
	return &signingKey{
		der:       der,
		public:    &private.PublicKey,
		publicDER: base64.StdEncoding.EncodeToString(pub),
		jwks:      jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}},
		signer:    signer,
	}, nil
}

func parseSigningKey(der []byte) (*signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read signing key: found %T, expected an RSA key", parsed)
	}
	return newSigningKey(private)
}

// sign returns the compact form of a token with these claims.
func (k *signingKey) sign(claims any) (string, error) {
	raw, err := jwt.Signed(k.signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return raw, nil
}

// futureKey is a key that may still be in the making: making one takes some 150 ms of CPU.
type futureKey struct {
	done chan struct{}
	key  *signingKey
	err  error
}

// generateKey starts making a key and returns at once.
func generateKey() *futureKey {
	f := &futureKey{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		private, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			f.err = fmt.Errorf("make signing key: %w", err)
			return
		}
		f.key, f.err = newSigningKey(private)
	}()
	return f
}

func readyKey(key *signingKey) *futureKey {
	f := &futureKey{done: make(chan struct{}), key: key}
	close(f.done)
	return f
}

func (f *futureKey) wait(ctx context.Context) (*signingKey, error) {
	select {
	case <-f.done:
		return f.key, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for signing key: %w", ctx.Err())
	}
}
