// Package authproxy is a door on loopback to a gateway: it adds a token to each request and renews it, so that an agent or an
// MCP client needs one plain URL and no secret. `aip-dev proxy` serves it. Another door shows the pages of an issuer whose name no
// browser on this machine knows, while `aip-dev token --device` waits.
package authproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// maxBody is what is kept of a request so that it can be sent again with another token; the gateway takes no more.
const maxBody = 1 << 20

// Options say where the door leads. All but Log are required.
type Options struct {
	// Target is the gateway.
	Target *url.URL
	// Token returns the token for the next request, and Forget drops one that the gateway refused.
	Token  func(ctx context.Context) (string, error)
	Forget func() error
	// Port is the one that the door listens on; requests have to name it, with a name of loopback.
	Port int
	// Log hears of each request: method, path, status, and how long it took. It never hears of headers, queries and bodies.
	Log func(method, path string, status int, took time.Duration)
}

// New returns the door. It serves requests that a program on this machine sends, and refuses those that a page in a browser
// sends: under another host name (DNS rebinding) or from another origin. An Authorization header of the request is replaced.
func New(o Options) (http.Handler, error) {
	if o.Target == nil || o.Token == nil || o.Forget == nil || o.Port == 0 {
		return nil, errors.New("auth proxy: a target, a source of tokens and a port are required")
	}
	if o.Log == nil {
		o.Log = func(string, string, int, time.Duration) {}
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(o.Target)
			r.Out.Host = o.Target.Host
			for _, name := range []string{"Authorization", "Cookie", "Origin", "Referer"} {
				r.Out.Header.Del(name)
			}
		},
		Transport:     renewing{options: o, base: &http.Transport{DisableKeepAlives: true, DisableCompression: true}},
		FlushInterval: -1, // streams of events
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { fail(w, r, err) },
	}
	return door{options: o, next: proxy}, nil
}

// door lets through what a program on this machine sends.
type door struct {
	options Options
	next    http.Handler
}

// ServeHTTP checks where a request comes from before anything else is done.
func (d door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	seen := &status{ResponseWriter: w, code: http.StatusOK}
	defer func() { d.options.Log(r.Method, r.URL.Path, seen.code, time.Since(began)) }()
	switch {
	case !isLoopback(r.Host, d.options.Port):
		refuseName(seen, d.options.Port)
	case foreignPage(r):
		answer(seen, http.StatusForbidden, "this door is not for pages of other origins")
	case r.ContentLength > maxBody:
		fail(seen, r, errTooLarge)
	default:
		d.next.ServeHTTP(seen, r)
	}
}

// isLoopback reports whether a Host header names the door on a port. A page that resolves its own name to 127.0.0.1 names another.
func isLoopback(hostPort string, own int) bool {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || port != fmt.Sprint(own) {
		return false
	}
	return strings.EqualFold(host, "localhost") || host == "127.0.0.1" || host == "::1"
}

// refuseName answers a request that names another host than the door on a port.
func refuseName(w http.ResponseWriter, own int) {
	answer(w, http.StatusMisdirectedRequest, fmt.Sprintf("this door answers to localhost:%d and 127.0.0.1:%d only", own, own))
}

// foreignPage reports whether a browser sent the request for a page of another origin.
// Source: https://www.w3.org/TR/fetch-metadata/
func foreignPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return false
	}
	u, err := url.Parse(origins[0])
	return len(origins) > 1 || err != nil || u.Host != r.Host
}

// renewing adds the token, and sends a request once more with another one when the gateway refuses it.
type renewing struct {
	options Options
	base    http.RoundTripper
}

// What keeps a request from being sent.
var (
	errToken    = errors.New("the issuer gave no token")
	errTooLarge = fmt.Errorf("the body is larger than %d bytes", maxBody)
)

// RoundTrip sends a request with a token.
func (t renewing) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(orEmpty(r.Body), maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the request: %w", err)
	case len(body) > maxBody:
		return nil, errTooLarge
	}
	first, err := t.options.Token(r.Context())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errToken, err)
	}
	resp, err := t.send(r, body, first)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if err := t.options.Forget(); err != nil {
		return resp, nil //nolint:nilerr // the refusal says more
	}
	second, err := t.options.Token(r.Context())
	if err != nil || second == first {
		return resp, nil //nolint:nilerr // the refusal says more
	}
	_ = resp.Body.Close() // the answer to the second one counts
	return t.send(r, body, second)
}

func (t renewing) send(r *http.Request, body []byte, token string) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Body, out.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	out.Header.Set("Authorization", "Bearer "+token)
	return t.base.RoundTrip(out)
}

func orEmpty(body io.ReadCloser) io.Reader {
	if body == nil {
		return bytes.NewReader(nil)
	}
	return body
}

// fail answers a request that could not be sent.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
		w.WriteHeader(499) // the caller is gone; nobody reads it
	case errors.Is(err, errTooLarge):
		answer(w, http.StatusRequestEntityTooLarge, err.Error())
	case errors.Is(err, errToken):
		answer(w, http.StatusBadGateway, err.Error())
	default:
		answer(w, http.StatusBadGateway, "the gateway does not answer; `aip-dev doctor` says why")
	}
}

// answer writes an error in the form of the gateway's.
func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text}) // a caller that hangs up is told nothing
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader keeps the status that is sent.
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection, for streams.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
