package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/issuer"
	"github.com/aip-dev/aip-dev/internal/token"
)

const secret = "agent-1-secret"

// startIssuer runs the built-in issuer with realm aip and these clients; it returns the base URL.
func startIssuer(tb testing.TB, clients ...string) string {
	tb.Helper()
	hs := httptest.NewUnstartedServer(nil)
	base := "http://" + hs.Listener.Addr().String()
	server, err := issuer.New(tb.Context(), issuer.Options{Hostname: base, AdminUser: "admin", AdminPassword: "admin-pw", Store: &issuer.MemoryStore{}})
	if err != nil {
		tb.Fatal(err)
	}
	hs.Config.Handler = server.Handler()
	hs.Start()
	tb.Cleanup(hs.Close)
	form := url.Values{"client_id": {"admin-cli"}, "username": {"admin"}, "password": {"admin-pw"}, "grant_type": {"password"}}
	login := send(tb, base+"/realms/master/protocol/openid-connect/token", "application/x-www-form-urlencoded", "", form.Encode())
	var admin struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(login, &admin); err != nil {
		tb.Fatal(err)
	}
	send(tb, base+"/admin/realms", "application/json", admin.AccessToken, `{"realm":"aip","enabled":true}`)
	for _, body := range clients {
		send(tb, base+"/admin/realms/aip/clients", "application/json", admin.AccessToken, body)
	}
	return base
}

func send(tb testing.TB, to, contentType, bearer, body string) []byte {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+bearer)
	if bearer == "" {
		req.Header.Del("Authorization")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	blob, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 299 {
		tb.Fatalf("%s: %d %s %v", to, res.StatusCode, blob, err)
	}
	return blob
}

func TestMint(t *testing.T) {
	t.Parallel()
	base := startIssuer(t, `{"clientId":"agent","secret":"`+secret+`","serviceAccountsEnabled":true}`,
		`{"clientId":"plain","secret":"`+secret+`"}`, `{"clientId":"off","enabled":false,"secret":"`+secret+`","serviceAccountsEnabled":true}`)
	endpoint := base + "/realms/aip/protocol/openid-connect/token"
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	request := token.Request{TokenURL: endpoint, ClientID: "agent", ClientSecret: secret, Scope: "openid", Now: func() time.Time { return now }}

	got, err := token.Mint(t.Context(), nil, request)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Add(300 * time.Second); !got.Expiry.Equal(want) {
		t.Errorf("expiry %v, expected %v", got.Expiry, want)
	}
	if d, err := token.Decode(got.Raw); err != nil || d.AuthorizedParty != "agent" || d.Issuer != base+"/realms/aip" || d.Subject == "" {
		t.Errorf("decoded %+v, %v", d, err)
	}

	tests := map[string]struct {
		spoil  func(*token.Request)
		want   error
		status int
		code   string
	}{
		"unknown client":     {func(r *token.Request) { r.ClientID = "nobody" }, token.ErrUnknownClient, 401, "invalid_client"},
		"disabled client":    {func(r *token.Request) { r.ClientID = "off" }, token.ErrUnknownClient, 401, "invalid_client"},
		"wrong secret":       {func(r *token.Request) { r.ClientSecret = "another-secret" }, token.ErrClientRefused, 401, "unauthorized_client"},
		"no service account": {func(r *token.Request) { r.ClientID = "plain" }, token.ErrClientRefused, 401, "unauthorized_client"},
		"unknown scope":      {func(r *token.Request) { r.Scope = "teleport" }, token.ErrRefused, 400, "invalid_scope"},
		"unknown realm":      {func(r *token.Request) { r.TokenURL = strings.Replace(endpoint, "aip", "nowhere", 1) }, token.ErrNoEndpoint, 404, ""},
		"wrong path":         {func(r *token.Request) { r.TokenURL = base + "/token" }, token.ErrNoEndpoint, 404, ""},
	}
	for name, tt := range tests {
		r := request
		tt.spoil(&r)
		_, err := token.Mint(t.Context(), nil, r)
		var e *token.Error
		if !errors.Is(err, tt.want) || !errors.As(err, &e) || e.Status != tt.status || e.Code != tt.code || e.Description == "" {
			t.Errorf("%s: got %v, expected %v with status %d and code %q", name, err, tt.want, tt.status, tt.code)
		}
		if err != nil && strings.Contains(err.Error(), "secret-") || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "another-secret") {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

// TestMintFromStrangers asks servers that are no issuers, or odd ones.
func TestMintFromStrangers(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the secret was sent on to %s", r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		want    error
		says    string
	}{
		"HTML":           {answer(200, "text/html; charset=utf-8", "<html>log in</html>"), token.ErrNoEndpoint, "text/html"},
		"JSON, no token": {answer(200, "application/json", `{"ok":true}`), token.ErrNoEndpoint, "access_token"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, token.ErrNoEndpoint, "redirected"},
		"failure":          {answer(503, "text/plain", "upstream"), token.ErrIssuerFailed, "503"},
		"repeats secret":   {answer(400, "application/json", `{"error":"invalid_request","error_description":"bad \u001b[31m`+secret+`"}`), token.ErrRefused, "[redacted]"},
		"secret as code":   {answer(400, "application/json", `{"error":"`+secret+`"}`), token.ErrRefused, "[redacted]"},
		"long description": {answer(400, "application/json", `{"error":"x","error_description":"`+strings.Repeat("é", 5000)+`"}`), token.ErrRefused, "..."},
		"endless answer": {func(w http.ResponseWriter, _ *http.Request) {
			for range 3 << 10 {
				_, _ = io.WriteString(w, strings.Repeat(" ", 1<<10))
			}
		}, token.ErrNoEndpoint, "without a token"},
	}
	for name, tt := range tests {
		hs := httptest.NewServer(tt.handler)
		t.Cleanup(hs.Close)
		_, err := token.Mint(t.Context(), hs.Client(), token.Request{TokenURL: hs.URL, ClientID: "agent", ClientSecret: secret})
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, expected %v that says %q", name, err, tt.want, tt.says)
			continue
		}
		if text := err.Error(); strings.Contains(text, secret) || strings.Contains(text, "\x1b") || len(text) > 800 {
			t.Errorf("%s: unfit for a terminal: %q", name, text)
		}
	}
}

func TestMintWithoutAnswer(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	hs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(hs.Close)
	t.Cleanup(func() { close(hang) })
	request := token.Request{TokenURL: hs.URL, ClientID: "agent", ClientSecret: secret}
	if _, err := token.Mint(t.Context(), &http.Client{Timeout: 20 * time.Millisecond}, request); !errors.Is(err, token.ErrUnreachable) {
		t.Errorf("hanging server: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := token.Mint(gone, nil, request); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	request.TokenURL = "http://127.0.0.1:1"
	if _, err := token.Mint(t.Context(), nil, request); !errors.Is(err, token.ErrUnreachable) || strings.Contains(err.Error(), secret) {
		t.Errorf("closed port: %v", err)
	}
	request.TokenURL = "http://[::1"
	if _, err := token.Mint(t.Context(), nil, request); !errors.Is(err, token.ErrNoEndpoint) {
		t.Errorf("no URL: %v", err)
	}
}

func TestExpiryOfOtherIssuers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	jwt := join(`{"alg":"RS256"}`, `{"exp":1700000100}`, "x")
	tests := map[string]struct {
		body string
		want time.Time
	}{
		"number":            {`{"access_token":"t","expires_in":60}`, now.Add(time.Minute)},
		"string":            {`{"access_token":"t","expires_in":"60"}`, now.Add(time.Minute)},
		"absent, JWT":       {`{"access_token":"` + jwt + `"}`, time.Unix(1_700_000_100, 0)},
		"absent, opaque":    {`{"access_token":"t"}`, time.Time{}},
		"nonsense":          {`{"access_token":"t","expires_in":"soon"}`, time.Time{}},
		"beyond all bounds": {`{"access_token":"t","expires_in":1e300}`, now.Add(10 * 365 * 24 * time.Hour)},
	}
	for name, tt := range tests {
		hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.body) }))
		t.Cleanup(hs.Close)
		got, err := token.Mint(t.Context(), nil, token.Request{TokenURL: hs.URL, Now: func() time.Time { return now }})
		if err != nil || !got.Expiry.Equal(tt.want) {
			t.Errorf("%s: expiry %v, expected %v; %v", name, got.Expiry, tt.want, err)
		}
	}
}

// BenchmarkMint is a whole round trip to the built-in issuer, both sides in this process.
func BenchmarkMint(b *testing.B) {
	base := startIssuer(b, `{"clientId":"agent","secret":"`+secret+`","serviceAccountsEnabled":true}`)
	request := token.Request{TokenURL: base + "/realms/aip/protocol/openid-connect/token", ClientID: "agent", ClientSecret: secret}
	for b.Loop() {
		if _, err := token.Mint(b.Context(), nil, request); err != nil {
			b.Fatal(err)
		}
	}
}
