package token_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/token"
)

// TestPasswordGrant gets the administrator's token from the built-in issuer, which offers that grant as Keycloak does.
func TestPasswordGrant(t *testing.T) {
	t.Parallel()
	base := startIssuer(t, `{"clientId":"agent","secret":"`+secret+`","serviceAccountsEnabled":true}`)
	g, err := token.FetchGrants(t.Context(), http.DefaultClient, base+"/realms/master")
	if err != nil {
		t.Fatal(err)
	}
	r := token.Request{TokenURL: g.TokenURL, ClientID: "admin-cli"}
	got, err := token.MintFor(t.Context(), nil, r, "admin", "admin-pw")
	if err != nil || got.Raw == "" || !got.Fresh(time.Now()) {
		t.Errorf("found %v, %v", got, err)
	}
	_, err = token.MintFor(t.Context(), nil, r, "admin", "wrong-password")
	if err == nil || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("found %v", err)
	}
	if _, err := token.Device(t.Context(), nil, r, g, nil, 0); !errors.Is(err, token.ErrClientRefused) {
		t.Errorf("found %v", err)
	}
	g.DeviceURL = ""
	if _, err := token.Device(t.Context(), nil, r, g, nil, 0); !errors.Is(err, token.ErrNotOffered) {
		t.Errorf("found %v", err)
	}
}

// TestDevice plays the part of an issuer at which a person agrees after a while, or refuses.
func TestDevice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []string
		want    string
	}{
		"agrees":   {[]string{"authorization_pending", "slow_down", ""}, ""},
		"refuses":  {[]string{"authorization_pending", "access_denied"}, "access_denied"},
		"too late": {[]string{"expired_token"}, "expired_token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == "/device" {
					_, _ = fmt.Fprint(w, `{"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"http://i/device","interval":1,"expires_in":600}`) // the caller sees what is missing
					return
				}
				if r.FormValue("device_code") != "dc" || r.FormValue("client_id") != "cli" {
					w.WriteHeader(http.StatusBadRequest)
				}
				answer := c.answers[asked.Add(1)-1]
				if answer != "" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = fmt.Fprintf(w, `{"error":%q}`, answer)
					return
				}
				_, _ = fmt.Fprint(w, `{"access_token":"person","expires_in":300}`)
			}))
			t.Cleanup(server.Close)
			var shown token.Prompt
			got, err := token.Device(t.Context(), nil, token.Request{TokenURL: server.URL + "/token", ClientID: "cli"}, token.Grants{DeviceURL: server.URL + "/device"},
				func(p token.Prompt) error { shown = p; return nil }, time.Millisecond)
			if shown.Code != "ABCD-EFGH" || shown.URL != "http://i/device" {
				t.Errorf("shown %+v", shown)
			}
			if c.want == "" && (err != nil || got.Raw != "person") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("found %v, %v", got, err)
			}
		})
	}
}
