package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/internal/redact"
)

func TestText(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
	r := redact.New([]string{"agent-1-secret", "short", "agent-1-secret-longer"})
	for in, want := range map[string]string{
		"nothing here":                                                               "nothing here",
		"a token " + token + " and more":                                             "a token [redacted] and more",
		"half of one eyJhbGciOiJSUzI1NiJ9.eyJpc3Mi":                                  "half of one [redacted]",
		"Authorization: Bearer opaque-token-1234":                                    "Authorization: Bearer [redacted]",
		`{"password":"hunter\"2","user":"admin"}`:                                    `{"password":"[redacted]","user":"admin"}`,
		"client_id=a&client_secret=abc123&scope=openid":                              "client_id=a&client_secret=[redacted]&scope=openid",
		"--admin-password=hunter2 --port=1":                                          "--admin-password=[redacted] --port=1",
		"  client-key-data: LS0tLS1CRUdJTg==":                                        "  client-key-data: [redacted]",
		"proxy http://user:pw@proxy:3128/x":                                          "proxy http://[redacted]@proxy:3128/x",
		"told agent-1-secret and agent-1-secret-longer":                              "told [redacted] and [redacted]",
		`cause="verify token: iss claim does not match"`:                             `cause="verify token: iss claim does not match"`,
		"serviceAccountToken:\n  expirationSeconds: 1":                               "serviceAccountToken:\n  expirationSeconds: 1",
		"- password: hunter2":                                                        "- password: [redacted]",
		"a short word stays":                                                         "a short word stays",
		`"secret": "oidc-client-aip-agent-1"`:                                        `"secret": "oidc-client-aip-agent-1"`,
		"automountServiceAccountToken: true":                                         "automountServiceAccountToken: true",
		"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nafter": "[redacted]\nafter",
		"-----BEGIN PRIVATE KEY-----\ncut off":                                       "[redacted]",
	} {
		if got := r.Text(in); got != want {
			t.Errorf("%q: found %q, expected %q", in, got, want)
		}
	}
	if got := (redact.Redactor{}).Text(token); got != redact.Mark {
		t.Errorf("the zero value: found %q", got)
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	var v any
	text := `{"metadata":{"managedFields":[1],"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","a":"b"}},
		"env":[{"name":"KC_BOOTSTRAP_ADMIN_PASSWORD","value":"admin"},{"name":"KC_HTTP_PORT","value":"8080"}]}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	redact.Object(v)
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(out); strings.Contains(got, `"admin"`) || strings.Contains(got, "managedFields") || strings.Contains(got, "last-applied") || !strings.Contains(got, "8080") || !strings.Contains(got, `"a":"b"`) {
		t.Errorf("found %s", got)
	}
}

// FuzzText: what is redacted holds no token, and redacting again changes nothing that matters.
func FuzzText(f *testing.F) {
	f.Add("Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwIn0.c2ln")
	f.Add(`password: "a`)
	f.Fuzz(func(t *testing.T, s string) {
		out := redact.New([]string{"known-secret-value"}).Text(s)
		if strings.Contains(out, "known-secret-value") || strings.Contains(out, "eyJhbGciOi") {
			t.Errorf("%q: found %q", s, out)
		}
	})
}
