package why

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Reach returns a client that reaches the issuer called issuerURL at address, such as the end of a port that is carried into
// a cluster. Names and certificates stay those of issuerURL. An empty address means the name itself. Each request has a
// connection of its own, and none lasts longer than limit.
func Reach(issuerURL, address string, limit time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: limit}
	from, to := hostPort(issuerURL), hostPort(address)
	proxy := http.ProxyFromEnvironment
	if to != "" {
		proxy = nil // no proxy knows the way to a port of this machine under a name of a cluster
	}
	return &http.Client{Timeout: limit, Transport: &http.Transport{
		Proxy: proxy, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, target string) (net.Conn, error) {
			if target == from && to != "" {
				target = to
			}
			return dialer.DialContext(ctx, network, target)
		},
	}}
}

// hostPort returns the host and port of a URL, "" when it has none.
func hostPort(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
