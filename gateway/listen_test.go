package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// pair writes a new certificate for 127.0.0.1 and its key, and returns the certificate.
func pair(t *testing.T, cert, key string) *x509.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "gateway"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	check(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	check(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	check(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	parsed, err := x509.ParseCertificate(der)
	check(t, err)
	return parsed
}

// TestTLS: with a certificate the gateway speaks TLS only, 1.2 at least, with the certificate that the files hold now.
func TestTLS(t *testing.T) { //nolint:paralleltest // see start
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	first := pair(t, cert, key)
	var ahead atomic.Int64
	w := launch(t, testkit.NewIssuer(t), func(o *Options) {
		o.TLSCert, o.TLSKey = cert, key
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	address := strings.TrimPrefix(w.url, "http://")
	ask := func(trusted *x509.Certificate, most uint16) (int, error) {
		pool := x509.NewCertPool()
		pool.AddCert(trusted)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: most}, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + address + "/healthz")
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := ask(first, 0); err != nil || status != http.StatusOK {
		t.Errorf("found %d, %v", status, err)
	}
	if _, err := ask(first, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	plain, err := http.Get(w.url + "/healthz")
	check(t, err)
	check(t, plain.Body.Close())
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP is answered %d", plain.StatusCode)
	}

	second := pair(t, cert, key)
	check(t, os.Chtimes(cert, time.Now(), time.Now().Add(time.Second))) // file systems with coarse times
	if _, err := ask(first, 0); err != nil {
		t.Errorf("the files were looked at at once: %v", err)
	}
	ahead.Store(int64(certificateAge))
	if status, err := ask(second, 0); err != nil || status != http.StatusOK {
		t.Errorf("the renewed certificate is not served: %d, %v", status, err)
	}
	check(t, os.WriteFile(cert, []byte("no certificate"), 0o600))
	ahead.Store(int64(2 * certificateAge))
	if _, err := ask(second, 0); err != nil {
		t.Errorf("a broken file ended the service: %v", err)
	}
	if !strings.Contains(w.logs.String(), "the renewed certificate cannot be used") {
		t.Errorf("log:\n%s", w.logs)
	}
}

func TestTLSWithoutFiles(t *testing.T) {
	t.Parallel()
	o := options(t, testkit.NewIssuer(t), &bytes.Buffer{})
	o.Addr, o.TLSCert, o.TLSKey = "127.0.0.1:0", "/none.crt", "/none.key"
	s, err := New(o)
	check(t, err)
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--tls-cert-file") {
		t.Errorf("Run returned %v", err)
	}
}

// TestTrustedProxies: only a proxy that is configured, and only where no issuer is, says who calls.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	issuer := testkit.NewIssuer(t).URL
	for name, c := range map[string]struct {
		cidrs  []string
		from   string
		issuer string
		header http.Header
		found  string
	}{
		"named":             {[]string{"127.0.0.0/8"}, "127.0.0.1:7", "", http.Header{"X-Remote-User": {agent1}}, agent1},
		"by the other name": {[]string{"10.0.0.0/8", "127.0.0.1/32"}, "127.0.0.1:7", "", http.Header{"X-Forwarded-User": {reviewer1}}, reviewer1},
		"both":              {[]string{"127.0.0.0/8"}, "127.0.0.1:7", "", http.Header{"X-Forwarded-User": {reviewer1}, "X-Remote-User": {agent1}}, agent1},
		"IPv4 in IPv6":      {[]string{"127.0.0.0/8"}, "[::ffff:127.0.0.1]:7", "", http.Header{"X-Remote-User": {agent1}}, agent1},
		"nobody":            {[]string{"127.0.0.0/8"}, "127.0.0.1:7", "", nil, "401 caller identity required"},
		"empty":             {[]string{"127.0.0.0/8"}, "127.0.0.1:7", "", http.Header{"X-Remote-User": {" "}}, "401 caller identity required"},
		"two":               {[]string{"127.0.0.0/8"}, "127.0.0.1:7", "", http.Header{"X-Remote-User": {agent1, reviewer1}}, "401 caller identity required"},
		"turned around":     {[]string{"127.0.0.0/8"}, "127.0.0.1:7", "", http.Header{"X-Remote-User": {"aip-\u202eagent"}}, "401 caller identity required"},
		"not a proxy":       {[]string{"10.0.0.0/8"}, "127.0.0.1:7", "", http.Header{"X-Remote-User": {agent1}, "X-Forwarded-For": {"10.0.0.1"}}, "401 caller identity required"},
		"no address":        {[]string{"0.0.0.0/0"}, "@", "", http.Header{"X-Remote-User": {agent1}}, "401 caller identity required"},
		"without proxies":   {nil, "127.0.0.1:7", "", http.Header{"X-Remote-User": {agent1}}, "401 " + notConfigured},
		"with an issuer":    {[]string{"127.0.0.0/8"}, "127.0.0.1:7", issuer, http.Header{"X-Remote-User": {agent1}}, "503 OIDC setup is under way"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{Roles: authz.Config{AgentSubjects: []string{agent1}, ReviewerSubjects: []string{reviewer1}}, OIDC: authn.Options{Audience: "aip-gateway"}}
			o.TrustedProxies, o.OIDC.IssuerURL = c.cidrs, c.issuer
			g, err := newGate(&o)
			check(t, err)
			r := httptest.NewRequest(http.MethodGet, "/whoami", nil)
			r.RemoteAddr, r.Header = c.from, c.header
			who, err := g.admit(r, authz.AnyRole)
			found := who.Subject
			var p *problem
			if errors.As(err, &p) {
				found = fmt.Sprint(p.status, " ", p.text)
			}
			if found != c.found {
				t.Errorf("found %q, expected %q", found, c.found)
			}
		})
	}
	if _, err := newGate(&Options{TrustedProxies: []string{"10.0.0.1"}}); err == nil || !strings.Contains(err.Error(), "expected a CIDR") {
		t.Errorf("found %v", err)
	}
}

// TestAPIOnly: a gateway without its reconciler answers with what another controller decides.
func TestAPIOnly(t *testing.T) { //nolint:paralleltest // see start
	i := testkit.NewIssuer(t)
	api := launch(t, i, func(o *Options) { o.APIOnly = true; o.WaitTimeout = time.Minute })
	eventually(t, func() bool { return api.do(t, "GET", "/readyz", "", "").status == http.StatusOK })
	answer := make(chan reply, 1)
	go func() { answer <- api.as(t, agent1, "POST", "/agent-requests", api.submission("by-another")) }()
	eventually(t, func() bool { return len(api.list(t, agent1, "namespace="+api.ns)) == 1 })
	if r := api.stored(t, api.names(t)[0]); r.Status.Phase != "" {
		t.Fatalf("phase %q without a controller", r.Status.Phase)
	}
	launch(t, i)
	(<-answer).want(t, http.StatusCreated, `"phase":"Approved"`)
}
