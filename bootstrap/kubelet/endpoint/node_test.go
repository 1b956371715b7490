package endpoint_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet/endpoint"
)

// pods is a node with one pod "web" in namespace "shop", whose container "app" is in its run-th run.
type pods struct {
	dir     string
	backend string // where its port 8080 leads

	mu  sync.Mutex
	run int
}

func (p *pods) Dial(ctx context.Context, namespace, pod string, port int32) (net.Conn, error) {
	if namespace != "shop" || pod != "web" || port != 8080 {
		return nil, fmt.Errorf("nothing listens on port %d of pod %s", port, pod)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", p.backend)
}

func (p *pods) LogFile(namespace, pod, container string, previous bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	run := p.run
	if previous {
		run--
	}
	if namespace != "shop" || pod != "web" || run < 0 {
		return "", fmt.Errorf("pod %s: %w", pod, fs.ErrNotExist)
	}
	if container == "waiting" {
		return "", fmt.Errorf("container %q in pod %q is waiting to start", container, pod)
	}
	return filepath.Join(p.dir, fmt.Sprintf("%s.%d.log", container, run)), nil
}

// restart begins the next run of the container.
func (p *pods) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run++
}

// write adds text to the log of a run of container app, as the node does.
func (p *pods) write(t *testing.T, run int, at time.Time, text string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(p.dir, fmt.Sprintf("app.%d.log", run)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	w := endpoint.NewLogWriter(file, func() time.Time { return at })
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// serve starts the endpoint and returns its address; stop ends it and fails the test when Serve failed.
func serve(t *testing.T, p *pods, cert tls.Certificate, authority *x509.CertPool) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- endpoint.Serve(ctx, endpoint.Options{
			Listener: listener, Cert: cert, ClientCA: authority, Pods: p, Log: slog.New(slog.DiscardHandler), Now: stamp,
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := authority{pool: x509.NewCertPool()}
	a.cert, a.key = sign(t, template, template, nil)
	a.pool.AddCert(a.cert)
	return a
}

// issue returns a certificate of that name, for 127.0.0.1 as well.
func (a authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	cert, key := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func sign(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parentKey == nil {
		parentKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// client trusts a and shows certs.
func (a authority) client(certs ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool, Certificates: certs}}}
}
