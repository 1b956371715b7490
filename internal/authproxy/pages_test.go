package authproxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/internal/authproxy"
	"github.com/aip-dev/aip-dev/internal/issuer"
)

// startPages opens a door to an issuer that has a name which this machine does not know, and returns the address of both.
func startPages(t *testing.T) (door, name string) {
	t.Helper()
	const host = "issuer.cluster.invalid:8080"
	name = "http://" + host
	idp, err := issuer.New(t.Context(), issuer.Options{Hostname: name, AdminUser: "admin", AdminPassword: "admin-pw", Store: &issuer.MemoryStore{}})
	if err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != host || r.Header.Get("Origin") != "":
			w.WriteHeader(http.StatusTeapot) // it was asked by another name
		case r.URL.Path == "/moved":
			http.Redirect(w, r, name+"/realms/master/device?user_code=ABCD", http.StatusFound)
		case r.URL.Path == "/away":
			http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
		default:
			idp.Handler().ServeHTTP(w, r)
		}
	}))
	t.Cleanup(behind.Close)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, behind.Listener.Addr().String())
	}}
	t.Cleanup(transport.CloseIdleConnections)
	server := httptest.NewUnstartedServer(nil)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	called, err := url.Parse(name + "/realms/master")
	if err != nil {
		t.Fatal(err)
	}
	pages := authproxy.Pages{Issuer: called, Transport: transport, Port: port}
	if server.Config.Handler, err = pages.Handler(); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return strings.TrimSuffix(pages.At(name+"/"), "/"), name
}

// TestPages opens the page of the built-in issuer where a person lets a device in, through the door, as a browser does.
func TestPages(t *testing.T) {
	t.Parallel()
	door, name := startPages(t)
	get := func(path string, change func(*http.Request)) (status int, to, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, door+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", door)
		r.Header.Set("Accept-Encoding", "gzip")
		if change != nil {
			change(r)
		}
		res, err := http.DefaultTransport.RoundTrip(r) // follows nothing
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }() // it was only read from
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("Location"), string(data)
	}
	if status, to, _ := get("/moved", nil); status != http.StatusFound || to != door+"/realms/master/device?user_code=ABCD" {
		t.Errorf("a redirect to the issuer: %d to %s", status, to)
	}
	if _, to, _ := get("/away", nil); to != "http://elsewhere.invalid/" {
		t.Errorf("a redirect to another place leads to %s", to)
	}
	status, _, page := get("/realms/master/device?user_code=ABCD", nil)
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(page)
	if status != http.StatusOK || len(action) != 2 || action[1] != door+"/realms/master/device" || strings.Contains(page, name) {
		t.Errorf("the page: %d, its form leads to %v", status, action)
	}
	if _, _, discovery := get("/realms/master/.well-known/openid-configuration", nil); !strings.Contains(discovery, `"issuer":"`+name+`/realms/master"`) {
		t.Errorf("what is no page was changed: %s", discovery)
	}
	if status, _, _ := get("/realms/master/device", func(r *http.Request) { r.Host = "evil.example:80" }); status != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %d", status)
	}
	if _, err := (authproxy.Pages{}).Handler(); err == nil {
		t.Error("a door to nowhere was opened")
	}
}
