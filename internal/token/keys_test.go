package token_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/token"
)

// TestVerifyAndBreak verifies a token of the built-in issuer with its keys, breaks it in every way, and sees that no broken
// one verifies.
func TestVerifyAndBreak(t *testing.T) {
	t.Parallel()
	base := startIssuer(t, `{"clientId":"agent","secret":"`+secret+`","serviceAccountsEnabled":true}`)
	minted, err := token.Mint(t.Context(), nil, token.Request{TokenURL: base + "/realms/aip/protocol/openid-connect/token", ClientID: "agent", ClientSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.FetchKeys(t.Context(), http.DefaultClient, base+"/realms/aip")
	if err != nil || keys.Issuer != base+"/realms/aip" {
		t.Fatalf("found %+v, %v", keys, err)
	}
	if err := keys.Verify(minted.Raw); err != nil {
		t.Errorf("a good token: %v", err)
	}
	want := map[string]error{"alg": token.ErrUnsigned, "kid": token.ErrNoKey}
	for _, b := range token.Breakages() {
		broken, err := token.Break(minted.Raw, b.Kind, time.Now())
		if err != nil {
			t.Errorf("%s: %v", b.Kind, err)
			continue
		}
		expected := want[b.Kind]
		if expected == nil {
			expected = token.ErrForged
		}
		if err := keys.Verify(broken); !errors.Is(err, expected) {
			t.Errorf("%s: found %v, expected %v", b.Kind, err, expected)
		}
	}
	if _, err := token.Break(minted.Raw, "nothing", time.Now()); err == nil {
		t.Error("an unknown kind is accepted")
	}
	if _, err := token.Break("opaque", "aud", time.Now()); !errors.Is(err, token.ErrNotJWT) {
		t.Errorf("found %v", err)
	}
}

func TestKeysThatCannotBeHad(t *testing.T) {
	t.Parallel()
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	t.Cleanup(html.Close)
	for _, url := range []string{html.URL, "http://127.0.0.1:1", "http://[::1"} {
		if _, err := token.FetchKeys(t.Context(), http.DefaultClient, url); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("%s: found %v", url, err)
		}
	}
	if _, err := token.ReadKeys([]byte(`{"keys":[]}`), "file"); !errors.Is(err, token.ErrNoKeys) || !strings.Contains(err.Error(), "file holds no") {
		t.Errorf("found %v", err)
	}
}
