package authn_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/aip-dev/aip-dev/gateway/authn"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		issuer, audience string
		faults           []string
	}{
		"good":                  {"https://issuer/realms/aip", audience, nil},
		"good, with a slash":    {"https://tenant.auth0.com/", audience, nil},
		"both missing":          {"", "", []string{"issuer URL", "audience is empty"}},
		"no scheme":             {"issuer/realms/aip", audience, []string{"issuer URL"}},
		"a file":                {"file:///etc/passwd", audience, []string{"issuer URL"}},
		"a query":               {"https://issuer?x=1", audience, []string{"without user, query and fragment"}},
		"a fragment":            {"https://issuer#x", audience, []string{"issuer URL"}},
		"not a URL":             {"https://issuer:port", audience, []string{"issuer URL"}},
		"a password":            {"https://user:hunter2@issuer", audience, []string{"issuer URL"}},
		"a password, not a URL": {"https://user:hunter2@issuer:port", audience, []string{"issuer URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := authn.New(authn.Options{IssuerURL: c.issuer, Audience: c.audience})
			if (err == nil) != (c.faults == nil) {
				t.Fatalf("found %v", err)
			}
			for _, fault := range c.faults {
				if !strings.Contains(err.Error(), "oidc options: ") || !strings.Contains(err.Error(), fault) {
					t.Errorf("found %v, expected %q in it", err, fault)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

// TestDiscoverFollowsTheProvider: what answers at the provider's address is somebody else at first, as when the address of a
// pod was given to another one, and keeps its connections open. Then the provider answers there.
func TestDiscoverFollowsTheProvider(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, newKey(t, "k", jose.RS256))
	somebody := http.NotFoundHandler()
	behind := func(r *http.Request) http.Handler {
		return r.Context().Value(pinned{}).(http.Handler)
	}
	var provider atomic.Bool
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { behind(r).ServeHTTP(w, r) }))
	front.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		to := somebody
		if provider.Load() {
			to = i
		}
		return context.WithValue(ctx, pinned{}, to)
	}
	front.Start()
	t.Cleanup(front.Close)
	i.set(&i.discovery, i.document(map[string]any{"issuer": front.URL, "jwks_uri": front.URL + "/keys"}))
	o := i.options()
	o.IssuerURL = front.URL
	v, err := authn.New(o)
	check(t, err)
	if err := v.Discover(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Fatalf("found %v, expected the 404 of somebody else", err)
	}
	provider.Store(true)
	if err := v.Discover(t.Context()); err != nil {
		t.Errorf("found %v, expected the provider on a new connection", err)
	}
}

// pinned is the key of whom a connection leads to, for as long as it lives.
type pinned struct{}

// TestDiscoverRefuses: each provider is wrong at first. The error says how, nothing counts meanwhile, and once the
// provider is right the next call succeeds.
func TestDiscoverRefuses(t *testing.T) {
	t.Parallel()
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // the reader sees what is missing
		}
	}
	with := func(key string, value any) func(*issuer) any {
		return func(i *issuer) any { return i.document(changes{key: value}) }
	}
	always := func(h http.HandlerFunc) func(*issuer) any { return func(*issuer) any { return h } }
	for name, c := range map[string]struct {
		wrong func(*issuer) any
		text  string
	}{
		"starting":             {always(answer(503, "text/plain", "starting")), "503 Service Unavailable: starting"},
		"realm does not exist": {always(answer(404, "application/json", `{"error":"Realm does not exist"}`)), "Realm does not exist"},
		"a long complaint":     {always(answer(500, "text/html", strings.Repeat("x", 1<<20))), "500 Internal Server Error: xxx"},
		"HTML":                 {always(answer(200, "text/html", "<html>log in</html>")), `expected Content-Type = application/json, got "text/html"`},
		"JSON of another kind": {always(answer(200, "application/json", `[]`)), "decode"},
		"endless": {always(func(w http.ResponseWriter, _ *http.Request) {
			for line := strings.Repeat(" ", 1<<16); ; {
				if _, err := w.Write([]byte(line)); err != nil {
					return
				}
			}
		}), "decode"},
		"hangs": {always(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), "exceeded"},
		"redirects": {always(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://user:hunter2@x/", http.StatusFound)
		}), `redirects to "http://user:xxxxx@x/": expected the document itself`},
		"another issuer":  {with("issuer", "http://localhost:8090/realms/aip"), `"http://localhost:8090/realms/aip"`},
		"trailing slash":  {func(i *issuer) any { return i.document(changes{"issuer": i.URL + "/"}) }, "did not match"},
		"no keys":         {with("jwks_uri", ""), "jwks_uri"},
		"keys in a file":  {with("jwks_uri", "file:///etc/passwd"), `jwks_uri "file:///etc/passwd": expected a URL with scheme http`},
		"keys of no host": {with("jwks_uri", "/keys"), "jwks_uri"},
		"HMAC only":       {with("id_token_signing_alg_values_supported", []string{"HS256", "none"}), "no usable signing algorithm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKey(t, "k1", jose.ES256)
			i := newIssuer(t, k)
			i.set(&i.discovery, c.wrong(i))
			o := i.options()
			o.HTTPClient = &http.Client{Timeout: 200 * time.Millisecond}
			v, err := authn.New(o)
			check(t, err)
			err = v.Discover(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), "oidc provider: ") || !strings.Contains(err.Error(), c.text) || len(err.Error()) > 2000 {
				t.Errorf("found %.2000v, expected %q in it", err, c.text)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in %v", err)
			}
			token := k.sign(t, i.claims())
			who, err := v.Verify(t.Context(), token)
			refused(t, token, who, err, authn.ErrNotReady, "token not verified: identity provider is not reached yet")
			if v.Ready() {
				t.Error("ready without a provider")
			}

			i.set(&i.discovery, i.document())
			check(t, v.Discover(t.Context()))
			is(t, v, token, nil)
			check(t, v.Discover(t.Context()))
			if n := i.asked["/.well-known/openid-configuration"]; n != 2 || !v.Ready() {
				t.Errorf("%d discoveries, ready %v; expected two and ready", n, v.Ready())
			}
		})
	}
}

// TestDiscoverOverTLS: the keys of a provider with TLS come over TLS.
func TestDiscoverOverTLS(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	secure := newTLS(t, i)
	o := i.options()
	v, err := authn.New(o)
	check(t, err)
	if err := v.Discover(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: found %v", err)
	}
	o.HTTPClient = secure.Client()
	v, err = authn.New(o)
	check(t, err)
	i.set(&i.discovery, i.document(changes{"jwks_uri": strings.Replace(i.URL, "https:", "http:", 1) + "/keys"}))
	if err := v.Discover(t.Context()); err == nil || !strings.Contains(err.Error(), "expected a URL with scheme https") {
		t.Errorf("keys over http: found %v", err)
	}
	i.set(&i.discovery, i.document())
	check(t, v.Discover(t.Context()))
	is(t, v, k.sign(t, i.claims()), nil)
}

// TestAuthority: an issuer's own authority counts besides the system's, and a text without a certificate is told.
func TestAuthority(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	secure := newTLS(t, i)
	i.set(&i.discovery, i.document())
	o := i.options()
	o.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	v, err := authn.New(o)
	check(t, err)
	check(t, v.Discover(t.Context()))
	is(t, v, k.sign(t, i.claims()), nil)
	o.CA = "ca.pem"
	if _, err := authn.New(o); err == nil || !strings.Contains(err.Error(), "expected PEM") {
		t.Errorf("found %v", err)
	}
}

func TestDiscoverIsCancelled(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	ctx, cancel := context.WithCancel(t.Context())
	i.set(&i.discovery, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	v, err := authn.New(i.options())
	check(t, err)
	if err := v.Discover(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
}

// TestDefaultAlgorithm: a provider that announces no algorithms signs with RS256, and with nothing else.
func TestDefaultAlgorithm(t *testing.T) {
	t.Parallel()
	rs, es := newKey(t, "rs", jose.RS256), newKey(t, "es", jose.ES256)
	i := newIssuer(t, rs, es)
	i.set(&i.discovery, i.document(changes{"id_token_signing_alg_values_supported": nil}))
	v := i.verifier(t)
	is(t, v, rs.sign(t, i.claims()), nil)
	is(t, v, es.sign(t, i.claims()), authn.ErrAlgorithm)
}
