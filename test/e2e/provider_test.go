package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/internal/issuer"
)

// provider is the identity provider of somebody else, over TLS: the built-in issuer, with a realm and the usual clients, that
// falls ill when it is told to. It heals when it is told "well".
type provider struct {
	healthy http.Handler
	// trusted is its certificate; the others are what may stand in its place.
	trusted, foreign, expired, other tls.Certificate

	mu   sync.Mutex
	mode string
	// ahead is how far its clock is ahead of this machine's.
	ahead time.Duration
	// gone ends the requests that hang.
	gone <-chan struct{}
}

// serveProvider starts a provider that ends with the script. It sets PROVIDER to its issuer URL, and PROVIDER_MODE to where
// it is told what to do: curl $PROVIDER_MODE/html. The authority of its certificate is in issuer-ca.pem, that of the foreign one
// in foreign-ca.pem: provider
func serveProvider(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: provider")
	}
	port, err := freePort()
	ts.Check(err)
	base := fmt.Sprintf("https://localhost:%d", port)
	gone, end := context.WithCancel(context.Background())
	p := &provider{gone: gone.Done()}
	authority := p.certify(ts)
	server, err := issuer.New(gone, issuer.Options{
		Hostname: base, AdminUser: "admin", AdminPassword: "admin", Store: &issuer.MemoryStore{}, Now: p.now,
	})
	ts.Check(err)
	p.healthy = server.Handler()

	quiet := log.New(io.Discard, "", 0) // handshakes fail on purpose
	front := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: quiet, TLSConfig: &tls.Config{GetCertificate: p.certificate, MinVersion: tls.VersionTLS12}}
	doors := &http.Server{Handler: http.HandlerFunc(p.told), ReadHeaderTimeout: time.Minute}
	public, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	ts.Check(err)
	private, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	go func() { _ = front.ServeTLS(public, "", "") }() // it ends when it is closed
	go func() { _ = doors.Serve(private) }()
	ts.Defer(func() {
		end()
		_ = front.Close()
		_ = doors.Close()
	})

	trust := x509.NewCertPool()
	trust.AddCert(authority)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}, Timeout: time.Minute}
	realm := keycloak.Realm{Name: "aip"}
	for _, c := range bootstrap.Default().Clients {
		realm.Clients = append(realm.Clients, keycloak.Client{ID: c.ID, Secret: c.Secret, Audience: "aip-gateway"})
	}
	_, err = keycloak.New(base, "admin", "admin", client, time.Now).Apply(gone, realm, nil)
	ts.Check(err)
	ts.Setenv("PROVIDER", base+"/realms/aip")
	ts.Setenv("PROVIDER_MODE", "http://"+private.Addr().String())
}

// certify makes an authority and its certificates, and returns the authority.
func (p *provider) certify(ts *testscript.TestScript) *x509.Certificate {
	authority, key := newAuthority(ts, "Example authority", "issuer-ca.pem")
	stranger, strange := newAuthority(ts, "Strange authority", "foreign-ca.pem")
	now := time.Now()
	day := now.Add(24 * time.Hour)
	p.trusted, p.other = issue(ts, authority, key, "localhost", day), issue(ts, authority, key, "elsewhere.example", day)
	p.expired, p.foreign = issue(ts, authority, key, "localhost", now.Add(-time.Hour)), issue(ts, stranger, strange, "localhost", day)
	return authority
}

// issue returns a certificate of an authority for a name.
func issue(ts *testscript.TestScript, by *x509.Certificate, with *ecdsa.PrivateKey, name string, until time.Time) tls.Certificate {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
	}, by, own.Public(), with)
	ts.Check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}
}

// newAuthority makes one and puts its certificate into a file.
func newAuthority(ts *testscript.TestScript, name, file string) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-72 * time.Hour), NotAfter: time.Now().Add(72 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	made, err := x509.ParseCertificate(der)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return made, key
}

// door opens a port with TLS in front of a port of this machine that has none, until the script ends. It sets DOOR to its URL;
// the authority of its certificate is in door-ca.pem: door PORT
func door(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: door PORT")
	}
	authority, key := newAuthority(ts, "Door authority", "door-ca.pem")
	own := issue(ts, authority, key, "localhost", time.Now().Add(time.Hour))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12})
	ts.Check(err)
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "localhost:" + args[0]}), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // it ends when it is closed
	ts.Defer(func() { _ = server.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	ts.Setenv("DOOR", "https://localhost:"+port)
}

// told takes what the provider is to do from now on: /well, an illness, or /ahead/DURATION for its clock.
func (p *provider) told(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mode := strings.TrimPrefix(r.URL.Path, "/")
	if ahead, clock := strings.CutPrefix(mode, "ahead/"); clock {
		d, err := time.ParseDuration(ahead)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.ahead = d
		return
	}
	if !strings.Contains(" well html html-as-json redirect hang fails no-realm other-name keys-gone foreign expired other ", " "+mode+" ") {
		http.Error(w, "unknown mode "+mode, http.StatusBadRequest)
		return
	}
	p.mode = mode
}

func (p *provider) is() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

func (p *provider) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.ahead)
}

// certificate returns the one that the provider shows in its state of health.
func (p *provider) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	switch p.is() {
	case "foreign":
		return &p.foreign, nil
	case "expired":
		return &p.expired, nil
	case "other":
		return &p.other, nil
	default:
		return &p.trusted, nil
	}
}

// ServeHTTP answers as healthy as the provider is.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const page = "<html><body>Please log in</body></html>"
	w.Header().Set("Date", p.now().UTC().Format(http.TimeFormat))
	w.Header().Set("Connection", "close") // the next connection shows another certificate
	described := strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration")
	switch mode := p.is(); {
	case mode == "html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page) // the reader sees what is missing
	case mode == "html-as-json":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, page) // the reader sees what is missing
	case mode == "redirect":
		http.Redirect(w, r, "https://login.example/", http.StatusFound)
	case mode == "hang":
		select {
		case <-r.Context().Done():
		case <-p.gone:
		}
	case mode == "fails":
		http.Error(w, "upstream is away", http.StatusBadGateway)
	case mode == "no-realm" && strings.HasPrefix(r.URL.Path, "/realms/aip"):
		http.Error(w, `{"error":"Realm does not exist"}`, http.StatusNotFound)
	case mode == "keys-gone" && strings.HasSuffix(r.URL.Path, "/certs"):
		http.Error(w, "no keys today", http.StatusServiceUnavailable)
	case mode == "other-name" && described:
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"issuer":"https://old.example/realms/aip","jwks_uri":"https://%s/realms/aip/protocol/openid-connect/certs"}`, r.Host) // the reader sees what is missing
	default:
		p.healthy.ServeHTTP(w, r)
	}
}
