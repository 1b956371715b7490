package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// certificateAge is for how long a certificate is used before its files are looked at again.
const certificateAge = 10 * time.Second

// serveHTTP answers what comes over listener until the server is shut down, over TLS with the configured certificate if asked.
func (s *Server) serveHTTP(server *http.Server, listener net.Listener, overTLS bool) error {
	serve := func() error { return server.Serve(listener) }
	if overTLS {
		c := &certificate{cert: s.options.TLSCert, key: s.options.TLSKey, now: s.options.Now, log: s.log}
		if err := c.read(); err != nil {
			return errors.Join(err, listener.Close())
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// certificate is a pair of PEM files that somebody renews in place, as cert-manager does with a mounted Secret.
type certificate struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	written time.Time
	looked  time.Time
}

// get is the GetCertificate of a tls.Config. Files that cannot be used do not replace a certificate that can.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.looked) >= certificateAge {
		if err := c.read(); err != nil {
			c.log.Error("the renewed certificate cannot be used, the one of before goes on", "cause", err)
		}
	}
	return c.pair, nil
}

// read loads the files when they are newer than what was loaded.
func (c *certificate) read() error {
	c.looked = c.now()
	var newest time.Time
	for _, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("--tls-cert-file and --tls-key-file: %w", err)
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	if c.pair != nil && newest.Equal(c.written) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("--tls-cert-file and --tls-key-file: %w", err)
	}
	c.pair, c.written = &pair, newest
	return nil
}
