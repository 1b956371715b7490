package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// pki names the files of the cluster's certificates and keys, all in one 0700 folder.
type pki struct {
	ca, serving, admin, kubelet, kubeletClient pair
	serviceAccountKey                          string
	// encryption is the EncryptionConfiguration under which the API server stores Secrets.
	// Source: https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/
	encryption string
}

// pair is a certificate and its key, as PEM files.
type pair struct{ cert, key string }

const validity = 10 * 365 * 24 * time.Hour

func pkiIn(dir string) pki {
	at := func(name string) pair {
		return pair{cert: filepath.Join(dir, name+".crt"), key: filepath.Join(dir, name+".key")}
	}
	return pki{
		ca: at("ca"), serving: at("apiserver"), admin: at("admin"), kubelet: at("kubelet"),
		kubeletClient: at("apiserver-kubelet-client"), serviceAccountKey: filepath.Join(dir, "sa.key"),
		encryption: filepath.Join(dir, "encryption.yaml"),
	}
}

// ensurePKI returns the files in dir, and makes all of them when the set is not complete. The encryption
// configuration is written last and marks a complete set, so that a run that was killed half-way starts over.
func ensurePKI(dir string, now time.Time) (pki, error) {
	p := pkiIn(dir)
	_, err := os.Stat(p.encryption)
	if err == nil {
		return p, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return pki{}, fmt.Errorf("look for the cluster's keys: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return pki{}, fmt.Errorf("make the folder of the cluster's keys: %w", err)
	}
	if err := p.issueAll(now.Add(-time.Hour)); err != nil {
		return pki{}, fmt.Errorf("make the cluster's keys: %w", err)
	}
	return p, nil
}

func (p pki) issueAll(notBefore time.Time) error {
	caKey, err := newKey(p.ca.key)
	if err != nil {
		return err
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "aip-dev", NotBefore: notBefore}, caKey)
	if err != nil {
		return fmt.Errorf("sign the authority: %w", err)
	}
	if err := writeCert(p.ca.cert, ca.Raw); err != nil {
		return err
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, c := range []struct {
		pair     pair
		template x509.Certificate
	}{
		{p.serving, x509.Certificate{
			Subject:     pkix.Name{CommonName: "kube-apiserver"},
			DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			IPAddresses: loopback, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}},
		{p.kubelet, x509.Certificate{
			Subject:  pkix.Name{CommonName: "system:node:aip-dev", Organization: []string{"system:nodes"}},
			DNSNames: []string{"localhost"}, IPAddresses: loopback, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}},
		{p.admin, clientTemplate("kubernetes-admin", "system:masters")},
		{p.kubeletClient, clientTemplate("kube-apiserver-kubelet-client", "system:masters")},
	} {
		if err := issue(c.pair, c.template, ca, caKey, notBefore); err != nil {
			return fmt.Errorf("issue %s: %w", filepath.Base(c.pair.cert), err)
		}
	}
	if _, err := newKey(p.serviceAccountKey); err != nil {
		return err
	}
	return writeEncryption(p.encryption)
}

func clientTemplate(name, organization string) x509.Certificate {
	return x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{organization}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

func issue(to pair, template x509.Certificate, ca *x509.Certificate, caKey *ecdsa.PrivateKey, notBefore time.Time) error {
	key, err := newKey(to.key)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = notBefore, notBefore.Add(validity)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, &template, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	return writeCert(to.cert, der)
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	pem, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return key, os.WriteFile(path, pem, 0o600)
}

func writeCert(path string, der []byte) error {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	pem, err := cert.EncodeCertificates(parsed)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem, 0o600)
}

// writeEncryption makes the API server store Secrets under a key of its own, so that the data folder holds no client
// secret in the clear.
func writeEncryption(path string) error {
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return fmt.Errorf("make the key for Secrets: %w", err)
	}
	config := fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox:
      keys:
      - name: aip-dev
        secret: %s
`, base64.StdEncoding.EncodeToString(key[:]))
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(config), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// kubeletTLS returns what the node's own HTTPS endpoint needs: its certificate, and the authority that signs the API
// server's client certificate.
func (p pki) kubeletTLS() (tls.Certificate, *x509.CertPool, error) {
	serving, err := tls.LoadX509KeyPair(p.kubelet.cert, p.kubelet.key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read the kubelet's certificate: %w", err)
	}
	pool, err := cert.NewPool(p.ca.cert)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	return serving, pool, nil
}
