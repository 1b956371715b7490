package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/aip-dev/aip-dev/gateway/authz"
)

// aside is a further listener that serves a few of the routes that need no token.
type aside struct {
	listener net.Listener
	server   *http.Server
	tls      bool
}

// asides opens the listeners of --metrics-bind-address and --health-probe-bind-address.
func (s *Server) asides(ctx context.Context) (out []aside, err error) {
	for _, a := range []struct {
		address string
		tls     bool
		paths   []string
	}{
		{s.options.MetricsAddr, s.options.MetricsSecure, []string{"/metrics"}},
		{s.options.ProbeAddr, false, []string{"/healthz", "/readyz"}},
	} {
		if a.address == "" || a.address == off {
			continue
		}
		listener, err := s.options.Listen("tcp", a.address)
		if err != nil {
			return out, fmt.Errorf("listen on %s: %w", a.address, err)
		}
		out = append(out, aside{listener: listener, server: s.httpServer(ctx), tls: a.tls})
		out[len(out)-1].server.Handler = s.observe(s.part(a.paths))
	}
	return out, nil
}

// part is what of the routes has these paths.
func (s *Server) part(paths []string) http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.systemRoutes() {
		for _, path := range paths {
			if r.Path == path && r.Needs == authz.None {
				mux.HandleFunc(r.pattern(), s.guard(r))
			}
		}
	}
	return mux
}

// serveAside serves until ctx ends.
func (s *Server) serveAside(ctx context.Context, a aside) error {
	defer context.AfterFunc(ctx, func() { _ = a.server.Close() })()
	return s.serveHTTP(a.server, a.listener, a.tls)
}
