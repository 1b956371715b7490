package signer

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// generate makes a key that can be used.
const generate = "make one with: openssl genpkey -algorithm ed25519 -out tls.key"

// key is a key and its id, which is the thumbprint of RFC 7638.
type key struct{ private jose.JSONWebKey }

func (k key) public() jose.JSONWebKey {
	out := k.private.Public()
	out.Use, out.Algorithm = "sig", string(jose.EdDSA)
	return out
}

// parse reads an Ed25519 key in PKCS #8. Its errors say nothing of the key.
// Source: https://www.rfc-editor.org/rfc/rfc8410
func parse(text []byte) (key, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return key{}, errors.New("found no PEM block, expected PRIVATE KEY; " + generate)
	case block.Type != "PRIVATE KEY":
		return key{}, fmt.Errorf("found a PEM block %q, expected PRIVATE KEY (PKCS #8); %s", block.Type, generate)
	}
	found, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return key{}, errors.New("the PEM block holds no PKCS #8 key; " + generate)
	}
	private, ok := found.(ed25519.PrivateKey)
	if !ok {
		return key{}, fmt.Errorf("found a key of type %T, expected Ed25519; %s", found, generate)
	}
	out := jose.JSONWebKey{Key: private}
	sum, err := out.Thumbprint(crypto.SHA256)
	if err != nil {
		return key{}, fmt.Errorf("thumbprint of the key: %w", err)
	}
	out.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return key{out}, nil
}

// fileState tells whether a file was written since.
type fileState struct {
	at   time.Time
	size int64
}

// read loads the file when it is another than what was loaded.
func (s *Signer) read() error {
	info, err := os.Stat(s.options.Path)
	if err != nil {
		return fmt.Errorf("--jwt-key-path: %w", err)
	}
	state := fileState{info.ModTime(), info.Size()}
	if state == s.written {
		return nil
	}
	s.written = state // a file that cannot be used is told once
	text, err := os.ReadFile(s.options.Path)
	if err != nil {
		return fmt.Errorf("--jwt-key-path: %w", err)
	}
	found, err := parse(text)
	if err != nil {
		return fmt.Errorf("--jwt-key-path: %s: %w", s.options.Path, err)
	}
	if before := s.now; before.private.KeyID != "" && before.private.KeyID != found.private.KeyID {
		s.before, s.until = &before, s.options.Now().Add(KeyGrace)
		s.options.Log.Info("the signing key was replaced; tokens of the one of before count for "+KeyGrace.String(), "kid", found.private.KeyID)
	}
	s.now = found
	return nil
}
