package why_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// asked returns the question of the guide's gateway about a token of i.
func asked(t *testing.T, i *issuer, raw string, flags ...string) why.Question {
	t.Helper()
	o, err := gateway.FromArgs(append([]string{
		"gateway", "--oidc-issuer-url=" + i.URL, "--oidc-audience=aip-gateway", "--agent-subjects=aip-agent-1", "--reviewer-subjects=aip-reviewer-1", "--no-such-flag=7",
	}, flags...))
	if err != nil {
		t.Fatal(err)
	}
	return why.Question{
		Raw: raw, Gateway: o, HTTP: why.Reach(i.URL, "", 5*time.Second),
		Fixes: why.Fixes{
			Mint: check.Fix{Command: "mint"}, Issuer: check.Fix{Command: "issuer"}, Configure: check.Fix{Command: "configure"}, Restart: check.Fix{Command: "restart"},
			Keep: check.Fix{Command: "keep"}, Other: func(request string) check.Fix { return check.Fix{Command: "other " + request} }, Clock: check.Fix{Command: "clock"},
			Role: func(id, role string) check.Fix { return check.Fix{Command: "add " + id + " " + role} },
		},
	}
}

// red returns the ids of the rows that failed.
func red(r why.Report) string {
	var ids []string
	for _, row := range r.Rows {
		if row.Bad() {
			ids = append(ids, row.ID)
		}
	}
	return strings.Join(ids, " ")
}

func row(t *testing.T, r why.Report, id string) check.Result {
	t.Helper()
	for _, found := range r.Rows {
		if found.ID == id {
			return found
		}
	}
	t.Fatalf("no row %s in %+v", id, r.Rows)
	return check.Result{}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// TestRows makes every fault of a token and sees its row, and no other, with what was expected and found, and one command.
func TestRows(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	good := i.token(t, nil)
	parts := strings.Split(good, ".")
	hour := time.Now().Add(time.Hour).Unix()
	for name, c := range map[string]struct {
		raw       string
		flags     []string
		row, says string
		// expected and found are parts of the two sides; fix is the command.
		expected, found, fix, answer string
	}{
		"good":              {raw: good},
		"good and a line":   {raw: good + "\n"},
		"empty":             {raw: "", row: "T01", says: "one token", found: "empty", fix: "mint", answer: "missing Bearer token"},
		"spaces":            {raw: "  ", row: "T01", found: "empty", fix: "mint", answer: "missing Bearer token"},
		"Bearer twice":      {raw: "Bearer " + good, row: "T01", found: "twice", expected: "Bearer TOKEN", fix: "mint", answer: "invalid token: malformed"},
		"quoted":            {raw: `"` + good + `"`, row: "T01", found: "quotes", fix: "mint"},
		"whole header":      {raw: "Authorization: Bearer " + good, row: "T01", found: "name of the header", fix: "mint"},
		"wrapped":           {raw: good[:50] + "\n" + good[50:], row: "T01", found: "line breaks", fix: "mint"},
		"not UTF-8":         {raw: "\xff\xfe" + good, row: "T01", found: "UTF-8", fix: "mint"},
		"huge":              {raw: strings.Repeat("a", 20<<10), row: "T01", found: "20480 bytes", expected: "16384", fix: "mint"},
		"JSON":              {raw: `{"access_token":"` + good + `"}`, row: "T01", found: "value of its access_token", fix: "mint"},
		"variable":          {raw: "${TOKEN}", row: "T01", found: "${TOKEN} itself", fix: "mint"},
		"assigned":          {raw: "TOKEN=" + good, row: "T01", found: "name of a variable", fix: "mint"},
		"in a URL":          {raw: strings.ReplaceAll(good, ".", "%2E"), row: "T01", found: "%2E", fix: "mint"},
		"padded":            {raw: parts[0] + "=." + parts[1] + "." + parts[2], row: "T01", found: "padding", fix: "mint"},
		"opaque":            {raw: "gho_0123456789abcdef", row: "T02", says: "opaque", expected: "3 parts", found: "1 part", fix: "mint", answer: "invalid token: malformed"},
		"two parts":         {raw: parts[0] + "." + parts[1], row: "T02", found: "2 parts", fix: "mint"},
		"encrypted":         {raw: "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", row: "T02", says: "encrypted", found: "JWE", fix: "mint"},
		"truncated":         {raw: good[:len(good)-40], row: "T08", fix: "mint", answer: "invalid token: signature does not verify"},
		"no signature":      {raw: parts[0] + "." + parts[1] + ".", row: "T08", fix: "mint"},
		"UTF-16":            {raw: "\xff\xfee\x00y\x00J\x00", row: "T01", found: "PowerShell", fix: "mint"},
		"byte order mark":   {raw: "\ufeff" + good, row: "T01", found: "byte order mark", fix: "mint"},
		"exp a string":      {raw: i.token(t, map[string]any{"exp": "1795831111"}), row: "T02", says: "its exp is a string", fix: "mint", answer: "invalid token: malformed"},
		"iss an array":      {raw: i.token(t, map[string]any{"iss": []string{i.URL}}), row: "T02", says: "its iss is an array", fix: "mint"},
		"aud a number":      {raw: i.token(t, map[string]any{"aud": 5}), row: "T02", says: "its aud is a number", fix: "mint"},
		"iss twice":         {raw: parts[0] + "." + b64(`{"iss":"http://a","iss":"`+i.URL+`"}`) + "." + parts[2], row: "T02", says: `has "iss" twice`, fix: "mint"},
		"payload cut off":   {raw: parts[0] + "." + parts[1][:len(parts[1])-9] + "." + parts[2], row: "T02", fix: "mint"},
		"ID token":          {raw: i.token(t, map[string]any{"typ": "ID"}), row: "T02", says: "access_token", found: `"ID"`, fix: "mint", answer: "not an access token"},
		"alg none":          {raw: b64(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".", row: "T07", says: "not signed", found: "none", expected: "ES256", fix: "mint"},
		"alg HS256":         {raw: b64(`{"alg":"HS256","typ":"JWT"}`) + "." + parts[1] + "." + parts[2], row: "T07", says: "shared secret", found: "HS256", fix: "mint"},
		"alg of another":    {raw: b64(`{"alg":"RS256","typ":"JWT"}`) + "." + b64(`{"iss":"https://kubernetes.default.svc","exp":1}`) + ".AAAA", row: "T07", says: `of another issuer, "https://kubernetes.default.svc"`, found: "RS256", fix: "mint"},
		"slash":             {raw: i.token(t, map[string]any{"iss": i.URL + "/"}), row: "T05", says: "slash at the end", expected: i.URL, found: i.URL + "/", fix: "mint", answer: "iss claim does not match"},
		"port":              {raw: i.token(t, map[string]any{"iss": "http://127.0.0.1:1"}), row: "T05", says: `the port ("1" in place of`, fix: "mint"},
		"https":             {raw: i.token(t, map[string]any{"iss": strings.Replace(i.URL, "http:", "https:", 1)}), row: "T05", says: `the scheme ("https" in place of "http")`, fix: "mint"},
		"realm":             {raw: i.token(t, map[string]any{"iss": i.URL + "/realms/other"}), row: "T05", says: `the path ("/realms/other" in place of "/")`, fix: "mint"},
		"no iss":            {raw: i.token(t, map[string]any{"iss": nil}), row: "T05", says: "empty", fix: "mint"},
		"aud":               {raw: i.token(t, map[string]any{"aud": "account"}), row: "T09", expected: "aip-gateway", found: "account", fix: "issuer", answer: "invalid token: aud claim does not match"},
		"expired":           {raw: i.token(t, map[string]any{"exp": time.Now().Add(-90 * time.Second).Unix()}), row: "T10", says: "1 min 3", fix: "mint", answer: "invalid token: expired"},
		"no exp":            {raw: i.token(t, map[string]any{"exp": nil}), row: "T10", says: "count for ever", fix: "mint"},
		"not yet":           {raw: i.token(t, map[string]any{"exp": hour + 60, "nbf": hour}), row: "T10", says: "not count yet", fix: "mint"},
		"another key":       {raw: sign(t, newKey(t), "key-2", i.claims(nil)), row: "T06", found: `kid "key-2"`, fix: "mint", answer: "does not publish"},
		"forged":            {raw: sign(t, newKey(t), kid, i.claims(nil)), row: "T08", says: "changed", fix: "mint"},
		"no identity":       {raw: i.token(t, map[string]any{"azp": nil, "client_id": "aip-agent-1"}), row: "T11", says: `client_id is "aip-agent-1", so the gateway wants --oidc-identity-claim=client_id`, fix: "configure", answer: "token missing identity claim"},
		"identity an array": {raw: i.token(t, map[string]any{"azp": []string{"a"}}), row: "T11", found: "azp [a]", fix: "configure"},
		"email":             {raw: i.token(t, map[string]any{"email": "a@b.c", "email_verified": false}), flags: []string{"--oidc-identity-claim=email"}, row: "T11", says: "vouch", expected: "true", found: "false", fix: "configure"},
		"no role":           {raw: i.token(t, map[string]any{"azp": "stranger"}), row: "T12", expected: "--agent-subjects=aip-agent-1", found: `"stranger"`, fix: "add stranger agent", answer: "role required"},
		"case of the name":  {raw: i.token(t, map[string]any{"azp": "AIP-agent-1"}), row: "T12", says: "differs in case", fix: "add AIP-agent-1 agent"},
		"no group":          {raw: i.token(t, map[string]any{"azp": "stranger", "groups": map[string]any{"a": 1}}), flags: []string{"--agent-groups=bots"}, row: "T12", expected: "--agent-groups=bots", found: "expected an array of strings", fix: "add stranger agent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := why.Ask(t.Context(), asked(t, i, c.raw, c.flags...))
			if got := red(r); got != c.row || r.Refused != c.row || r.Accepted != (c.row == "") {
				t.Fatalf("found %q (refused at %q, accepted %t), expected %q\n%s", got, r.Refused, r.Accepted, c.row, check.Text(r.Rows))
			}
			if !strings.Contains(r.Answer, c.answer) {
				t.Errorf("the gateway answers %q, expected %q", r.Answer, c.answer)
			}
			if c.row == "" {
				return
			}
			found := row(t, r, c.row)
			if !strings.Contains(found.Reason, c.says) || !strings.Contains(found.Expected, c.expected) || !strings.Contains(found.Found, c.found) || found.Fix.Command != c.fix {
				t.Errorf("found %+v", found)
			}
			if text := check.Text(r.Rows); strings.Contains(text, parts[2]) || len(c.raw) > 100 && strings.Contains(text, c.raw[len(c.raw)-40:]) {
				t.Errorf("the token is in\n%s", text)
			}
		})
	}
}

// TestOrder gives a token two faults at a time: it is refused for the one that the gateway meets first, and the row of the
// other is not asked.
func TestOrder(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	faults := []struct {
		row   string
		claim map[string]any
	}{
		{"T05", map[string]any{"iss": "http://elsewhere"}}, {"T02", map[string]any{"typ": "ID"}}, {"T09", map[string]any{"aud": "account"}},
		{"T10", map[string]any{"exp": 1}}, {"T11", map[string]any{"azp": nil}},
	}
	for a, first := range faults {
		for _, second := range faults[a+1:] {
			changes := map[string]any{}
			for _, m := range []map[string]any{first.claim, second.claim} {
				for k, v := range m {
					changes[k] = v
				}
			}
			r := why.Ask(t.Context(), asked(t, i, i.token(t, changes)))
			if red(r) != first.row {
				t.Errorf("%s and %s: found %q", first.row, second.row, red(r))
			}
			var before []string
			for _, row := range r.Rows {
				if row.ID == first.row {
					break
				}
				before = append(before, row.ID)
			}
			if second.row != "T02" && strings.Contains(strings.Join(before, " "), second.row) { // T02 asks for the shape first
				t.Errorf("%s stands before %s in %v", second.row, first.row, before)
			}
		}
	}
}

// TestIssuerTrouble makes every fault of an issuer.
func TestIssuerTrouble(t *testing.T) {
	t.Parallel()
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<html>log in</html>")) // the reader sees what is missing
	}
	for name, c := range map[string]struct {
		spoil     func(t *testing.T, i *issuer, q *why.Question)
		row, says string
		found     string
	}{
		"HTML": {func(_ *testing.T, i *issuer, _ *why.Question) { i.answer = html }, "T03", "a login page or a proxy", "text/html"},
		"redirect": {func(_ *testing.T, i *issuer, _ *why.Question) {
			i.answer = http.RedirectHandler("http://127.0.0.1:1/x", http.StatusFound).ServeHTTP
		}, "T03", "redirects", "http://127.0.0.1:1/x"},
		"realm gone": {func(_ *testing.T, i *issuer, _ *why.Question) { i.answer = http.NotFound }, "T03", "the realm does not exist", "404"},
		"fails": {func(_ *testing.T, i *issuer, _ *why.Question) {
			i.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}, "T03", "fails", "502"},
		"hangs": {func(_ *testing.T, i *issuer, q *why.Question) {
			i.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
			q.HTTP = why.Reach(i.URL, "", 50*time.Millisecond)
		}, "T03", "does not answer in time", ""},
		"nobody":     {func(_ *testing.T, i *issuer, _ *why.Question) { i.Close() }, "T03", "nothing answers", ""},
		"other name": {func(_ *testing.T, i *issuer, _ *why.Question) { i.name = i.URL + "/" }, "T05", "the slash at the end", i0},
		"foreign certificate": {func(t *testing.T, i *issuer, q *why.Question) {
			secure := httptest.NewTLSServer(i)
			t.Cleanup(secure.Close)
			q.Gateway.OIDC.IssuerURL, q.HTTP = secure.URL, why.Reach(secure.URL, "", 5*time.Second)
		}, "T04", "does not trust", "O=Acme Co"},
		"no TLS": {func(_ *testing.T, i *issuer, q *why.Question) {
			q.Gateway.OIDC.IssuerURL = strings.Replace(i.URL, "http:", "https:", 1)
			q.HTTP = why.Reach(q.Gateway.OIDC.IssuerURL, "", 5*time.Second)
		}, "T04", "does not speak TLS", "http"},
		"no such host": {func(_ *testing.T, _ *issuer, q *why.Question) {
			q.Gateway.OIDC.IssuerURL = "http://keycloak.invalid/realms/aip"
		}, "T03", "cannot be found", "no such host"},
		"not from the gateway": {func(_ *testing.T, _ *issuer, q *why.Question) {
			q.Unready = "OIDC setup failed: oidc provider: dial tcp: lookup keycloak: no such host"
		}, "T03", "from the gateway, and not from this machine", ""},
		"not trusted by the gateway": {func(_ *testing.T, _ *issuer, q *why.Question) {
			q.Unready = "OIDC setup failed: x509: certificate signed by unknown authority"
		}, "T04", "from the gateway", ""},
		"no issuer at all": {func(_ *testing.T, _ *issuer, q *why.Question) { q.Gateway.OIDC.IssuerURL = "" }, "T03", "flags name no issuer", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			q := asked(t, i, i.token(t, nil))
			c.spoil(t, i, &q)
			r := why.Ask(t.Context(), q)
			if red(r) != c.row {
				t.Fatalf("found %q, expected %q\n%s", red(r), c.row, check.Text(r.Rows))
			}
			if found := row(t, r, c.row); !strings.Contains(found.Reason, c.says) || !strings.Contains(found.Found, c.found) || found.Fix.Command == "" {
				t.Errorf("found %+v", found)
			}
		})
	}
}

// i0 is a part of every issuer's URL in these tests.
const i0 = "http://127.0.0.1:"

// TestReach: an issuer with a name of a cluster is reached at a port of this machine.
func TestReach(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.name = "http://keycloak.keycloak.svc.cluster.local:8080"
	i.published, i.answer = nil, nil
	if trouble, at := why.Issuer(t.Context(), why.Reach(i.name, i.URL, 5*time.Second), i.name); trouble != nil || time.Since(at) > time.Minute {
		t.Errorf("found %+v at %s", trouble, at)
	}
}

// TestGateway compares with what the gateway itself says.
func TestGateway(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for name, c := range map[string]struct {
		changes map[string]any
		key     string
		seen    why.Seen
		rows    string
		verdict check.Verdict
		says    string
	}{
		"same":            {nil, kid, why.Seen{Status: 200, Identity: "aip-agent-1", Roles: []string{"agent"}}, "", check.Pass, "says the same"},
		"same refusal":    {map[string]any{"aud": "x"}, kid, why.Seen{Status: 401, Text: "invalid token: aud"}, "T09", check.Pass, "says the same: 401"},
		"refuses":         {nil, kid, why.Seen{Status: 401, Text: "invalid token: iss"}, "T13", check.Fail, "flags of before"},
		"accepts":         {map[string]any{"aud": "x"}, kid, why.Seen{Status: 200, Identity: "aip-agent-1"}, "T13", check.Fail, "flags of before"},
		"other role":      {nil, kid, why.Seen{Status: 200, Identity: "aip-agent-1"}, "T13", check.Fail, "other roles"},
		"keeps old keys":  {nil, "gone", why.Seen{Status: 200, Identity: "aip-agent-1"}, "T06", check.Warn, "still takes it"},
		"no answer":       {nil, kid, why.Seen{Text: "connection refused"}, "T13", check.Fail, "does not answer"},
		"no verdict":      {nil, kid, why.Seen{Status: 503, Text: "no pod"}, "T13", check.Fail, "gives no verdict: 503 no pod"},
		"no role, agrees": {map[string]any{"azp": "stranger"}, kid, why.Seen{Status: 200, Identity: "stranger"}, "T12", check.Pass, "without a role"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := asked(t, i, sign(t, i.key, c.key, i.claims(c.changes)))
			q.Whoami = func(context.Context, string) why.Seen { return c.seen }
			r := why.Ask(t.Context(), q)
			if found := row(t, r, "T13"); red(r) != c.rows || found.Verdict != c.verdict || !strings.Contains(found.Reason, c.says) {
				t.Errorf("found %q, %+v", red(r), found)
			}
		})
	}
}

// TestStartedBefore: a gateway that found its issuer before it took another name takes tokens as before, and the name stays the one
// red line.
func TestStartedBefore(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.name = i.URL + "/"
	q := asked(t, i, i.token(t, nil))
	q.Whoami = func(context.Context, string) why.Seen {
		return why.Seen{Status: http.StatusOK, Identity: "aip-agent-1", Roles: []string{"agent"}}
	}
	if r := why.Ask(t.Context(), q); red(r) != "T05" || r.Refused != "T05" || row(t, r, "T13").Verdict != check.Skip {
		t.Errorf("found %q\n%s", red(r), check.Text(r.Rows))
	}
}

// TestResource holds an intent against GovernedResources, as the gateway does at admission (T15).
func TestResource(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	web := v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1alpha1.GovernedResourceSpec{
		URIPattern: "k8s://prod/**", PermittedActions: []string{"scale"}, PermittedAgents: []string{"aip-agent-1"},
	}}
	others, trust := web, web
	others.Spec.PermittedAgents = []string{"aip-agent-2"}
	trust.Spec.TrustRequirements = &v1alpha1.TrustRequirements{MinTrustLevel: "Trusted", MaxAutonomyLevel: "Trusted"}
	for name, c := range map[string]struct {
		resources []v1alpha1.GovernedResource
		intent    why.Intent
		red, says string
		fix       string
	}{
		"none":      {nil, why.Intent{Action: "delete", Target: "k8s://prod/a"}, "", "none is required", ""},
		"permitted": {[]v1alpha1.GovernedResource{web}, why.Intent{Action: "scale", Target: "k8s://prod/a"}, "", "permitted by GovernedResource web", ""},
		"action":    {[]v1alpha1.GovernedResource{web}, why.Intent{Action: "delete", Target: "k8s://prod/a"}, "T15", `action "delete" is not permitted`, `web [{"op":"add","path":"/spec/permittedActions/-","value":"delete"}]`},
		"agent":     {[]v1alpha1.GovernedResource{others}, why.Intent{Action: "scale", Target: "k8s://prod/a"}, "T15", "is not permitted by", `web [{"op":"add","path":"/spec/permittedAgents/-","value":"aip-agent-1"}]`},
		"target":    {[]v1alpha1.GovernedResource{web}, why.Intent{Action: "scale", Target: "k8s://test/a"}, "T15", "no GovernedResource matches", " "},
		"trust":     {[]v1alpha1.GovernedResource{trust}, why.Intent{Action: "scale", Target: "k8s://prod/a"}, "T15", "INSUFFICIENT_TRUST", `web [{"op":"remove","path":"/spec/trustRequirements"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := asked(t, i, i.token(t, nil))
			q.Intent, q.Resources = &c.intent, c.resources
			q.Fixes.Govern = func(name, patch string) check.Fix { return check.Fix{Command: name + " " + patch} }
			r := why.Ask(t.Context(), q)
			if found := row(t, r, "T15"); red(r) != c.red || r.Refused != c.red || !strings.Contains(found.Reason, c.says) || found.Fix.Command != c.fix {
				t.Errorf("red %q, refused at %q, %+v", red(r), r.Refused, found)
			}
		})
	}
}

// TestForeign: where somebody else runs the issuer, aud is mended where it is set, or the gateway told of it; and what a token says
// is one word of a shell, whatever it is.
func TestForeign(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	for name, c := range map[string]struct {
		claims map[string]any
		fix    string
	}{
		"any":      {map[string]any{"aud": "api://gw"}, "--set gateway.auth.oidcAudience=api://gw"},
		"a comma":  {map[string]any{"aud": "a,b"}, `--set 'gateway.auth.oidcAudience=a\,b'`},
		"a shell":  {map[string]any{"aud": "$(id)'"}, `--set 'gateway.auth.oidcAudience=$(id)'"'"''`},
		"nobody's": {map[string]any{"aud": nil}, "issuer"},
	} {
		q := asked(t, i, i.token(t, c.claims))
		q.Fixes.Foreign, q.Fixes.Set = true, func(value, to string) check.Fix { return check.Fix{Command: why.SetOption(value, to)} }
		if found := row(t, why.Ask(t.Context(), q), "T09"); found.Fix.Command != c.fix {
			t.Errorf("%s: found %s, expected %s", name, found.Fix.Command, c.fix)
		}
	}
	q := asked(t, i, i.token(t, map[string]any{"iss": i.URL + "/realms/prod", "aud": "account", "azp": "cost bot"}))
	q.Gateway.OIDC.IssuerURL, q.Fixes.Foreign, i.name = i.URL+"/realms/prod", true, i.URL+"/realms/prod"
	if found := row(t, why.Ask(t.Context(), q), "T09"); !strings.HasPrefix(found.Fix.Command, "kcadm.sh create clients/$(kcadm.sh get clients -r prod -q 'clientId=cost bot'") {
		t.Errorf("with Keycloak: found %+v", found)
	}
}

// TestUse asks what surprises people although the gateway takes the token: T10 by the gateway's clock, T12 by need, T16, T17.
func TestUse(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	request := &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Spec: v1alpha1.AgentRequestSpec{AgentIdentity: "aip-agent-1"}}
	for name, c := range map[string]struct {
		claims    map[string]any
		edit      func(*why.Question)
		row, says string
		verdict   check.Verdict
		fix       string
	}{
		"needs a reviewer":  {nil, func(q *why.Question) { q.Need = authz.Reviewer }, "T12", "reviewer role", check.Fail, "add aip-agent-1 reviewer"},
		"needs an agent":    {nil, func(q *why.Question) { q.Need = authz.Agent }, "T12", "is agent", check.Pass, ""},
		"own request":       {nil, func(q *why.Question) { q.Request = request }, "T17", "self-approval", check.Fail, "other " + request.Name},
		"another's request": {map[string]any{"azp": "aip-reviewer-1"}, func(q *why.Question) { q.Request = request }, "T17", "is of aip-agent-1", check.Pass, ""},
		"used for an hour":  {nil, func(q *why.Question) { q.For = time.Hour }, "T16", "before the work does", check.Fail, "keep"},
		"strict elsewhere":  {nil, func(q *why.Question) { q.Gateway.UnregisteredAgents = "strict" }, "T14", "is not known here", check.Warn, "kubectl get agentregistrations -A  # is aip-agent-1 there, and Approved"},
		"short":             {map[string]any{"exp": time.Now().Add(30 * time.Second).Unix()}, func(*why.Question) {}, "T16", "may wait for 1m30s", check.Warn, "keep"},
		"gateway ahead":     {nil, func(q *why.Question) { q.GatewayTime = time.Now().Add(10 * time.Minute) }, "T10", "behind that of the gateway", check.Fail, "clock"},
		"gateway behind":    {map[string]any{"nbf": time.Now().Unix()}, func(q *why.Question) { q.GatewayTime = time.Now().Add(-10 * time.Minute) }, "T10", "ahead of that of the gateway", check.Fail, "clock"},
		"clocks as good":    {nil, func(q *why.Question) { q.GatewayTime = time.Now().Add(time.Second) }, "T10", "it ends in", check.Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := asked(t, i, i.token(t, c.claims))
			c.edit(&q)
			r := why.Ask(t.Context(), q)
			found := row(t, r, c.row)
			if found.Verdict != c.verdict || !strings.Contains(found.Reason, c.says) || found.Fix.Command != c.fix {
				t.Errorf("found %+v", found)
			}
			if want := map[bool]string{true: c.row}[c.verdict == check.Fail]; red(r) != want || r.Refused != want && c.row != "T16" {
				t.Errorf("red %q, refused at %q, expected %q", red(r), r.Refused, want)
			}
		})
	}
}
