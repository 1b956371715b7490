package token_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/token"
)

func decoded(t *testing.T, payload string) token.Decoded {
	t.Helper()
	d, err := token.Decode(join(`{"alg":"RS256"}`, payload, "s"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWords(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Unix(1_700_000_000, 0).In(zone)
	d := decoded(t, `{"zz":{"a":1},"aud":["aip-gateway","account"],"iss":"http://i/realms/aip","exp":1700000252,"iat":1699999000,"typ":"ID","nbf":"soon","azp":"agent"}`)
	var got []string
	for _, c := range d.Words(now) {
		got = append(got, fmt.Sprintf("%s = %s | %s", c.Name, c.Value, c.Says))
	}
	want := []string{
		`iss = http://i/realms/aip | who issued it`,
		`aud = ["aip-gateway","account"] | whom it is for (2 receivers)`,
		`azp = agent | the client that it was issued to`,
		`exp = 1700000252 | counts no more from 2023-11-14 23:17:32 CET, 2023-11-14 22:17:32 UTC, in 4 min 12 s`,
		`nbf = soon | counts from: not a time, expected a number of seconds since 1970`,
		`iat = 1699999000 | issued at 2023-11-14 22:56:40 CET, 2023-11-14 21:56:40 UTC, 16 min 40 s ago`,
		`typ = ID | kind of token: an ID token, which tells a client about its user and opens no API`,
		`zz = {"a":1} | `,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "now", time.Second: "in 1 s", -300 * time.Second: "5 min ago", 3*time.Hour + 2*time.Second: "in 3 h",
		-26 * time.Hour: "1 days 2 h ago", 400 * 24 * time.Hour: "in 1 years 35 days", 61 * time.Second: "in 1 min 1 s",
	} {
		if got := token.Relative(d); got != want {
			t.Errorf("%s: found %q, expected %q", d, got, want)
		}
	}
}

func TestRecognise(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"iss":"http://localhost:8090/realms/aip","azp":"aip-agent-1","sub":"u"}`:                "keycloak azp aip-agent-1",
		`{"iss":"https://org.okta.com/oauth2/default","sub":"0oa1","cid":"0oa1"}`:                 "okta sub 0oa1",
		`{"iss":"https://id.example.com/oauth2/aus1","sub":"0oa1","cid":"0oa1"}`:                  "okta sub 0oa1",
		`{"iss":"https://t.auth0.com/","sub":"ID@clients","azp":"ID","gty":"client-credentials"}`: "auth0 sub ID@clients",
		`{"iss":"https://sts.windows.net/t/","appid":"app","ver":"1.0"}`:                          "azure appid app",
		`{"iss":"https://login.microsoftonline.com/t/v2.0","azp":"app","ver":"2.0"}`:              "azure azp app",
		`{"iss":"https://auth.pingone.eu/e/as","client_id":"p"}`:                                  "ping client_id p",
		`{"iss":"https://accounts.google.com","email":"sa@p.iam.gserviceaccount.com","azp":"1"}`:  "google email sa@p.iam.gserviceaccount.com",
		`{"iss":"https://unknown.example","client_id":"c","sub":"s"}`:                             " client_id c",
		`{"iss":"https://evil.example/?okta.com","sub":"s"}`:                                      " sub s",
		`{"iss":"https://notokta.com","sub":7}`:                                                   "  ",
		`{"iss":"%zz"}`:                                                                           "  ",
	} {
		p := token.Recognise(decoded(t, payload))
		if got := p.Name + " " + p.Claim + " " + p.Identity; got != want {
			t.Errorf("%s: found %q, expected %q", payload, got, want)
		}
	}
}
