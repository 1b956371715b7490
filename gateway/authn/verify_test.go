package authn_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/aip-dev/aip-dev/gateway/authn"
)

type changes = map[string]any

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES512, jose.EdDSA} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			k := newKey(t, "k1", algorithm)
			i := newIssuer(t, k)
			who, err := i.verifier(t).Verify(t.Context(), k.sign(t, i.claims(changes{"groups": []string{"ops", "dev"}})))
			check(t, err)
			if who.Subject != "aip-agent-1" || who.Issuer != i.URL || !who.Expiry.Equal(began.Add(5*time.Minute)) ||
				!slices.Equal(who.Groups, []string{"ops", "dev"}) {
				t.Errorf("found %+v", who)
			}
		})
	}
}

// TestVerifyClaims: each token is signed as it should be and differs from a good one by its claims only. Text is what
// the caller reads.
func TestVerifyClaims(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t)
	at := func(d time.Duration) int64 { return began.Add(d).Unix() }
	for name, c := range map[string]struct {
		change changes
		class  error
		text   string
	}{
		"audience as a string":     {changes{"aud": audience}, nil, ""},
		"audience last":            {changes{"aud": []string{"account", audience}}, nil, ""},
		"audience is another":      {changes{"aud": "account"}, authn.ErrAudience, `invalid token: aud claim does not match: expected "aip-gateway", found ["account"]`},
		"audiences are others":     {changes{"aud": []string{"account", "x"}}, authn.ErrAudience, `invalid token: aud claim does not match: expected "aip-gateway", found ["account", "x"]`},
		"no audience":              {changes{"aud": nil}, authn.ErrAudience, `invalid token: aud claim does not match: expected "aip-gateway", found []`},
		"audience in another case": {changes{"aud": "AIP-gateway"}, authn.ErrAudience, `found ["AIP-gateway"]`},
		"audience is a part":       {changes{"aud": "aip-gateway-2"}, authn.ErrAudience, `found ["aip-gateway-2"]`},
		"audience is a number":     {changes{"aud": 7}, authn.ErrMalformed, "invalid token: malformed"},
		"audience is in azp only":  {changes{"aud": "account", "azp": audience}, authn.ErrAudience, `found ["account"]`},
		"audience of direction":    {changes{"aud": "\u202egateway"}, authn.ErrAudience, `found ["\u202egateway"]`},
		"very many audiences":      {changes{"aud": strings.Split(strings.Repeat("a,", 500), ",")}, authn.ErrAudience, `"a", ...]`},

		"issuer with a slash":      {changes{"iss": i.URL + "/"}, authn.ErrIssuer, `invalid token: iss claim does not match: expected "` + i.URL + `", found "` + i.URL + `/"`},
		"issuer of a port-forward": {changes{"iss": "http://localhost:8090/realms/aip"}, authn.ErrIssuer, `found "http://localhost:8090/realms/aip"`},
		"issuer in another case":   {changes{"iss": strings.ToUpper(i.URL)}, authn.ErrIssuer, "iss claim does not match"},
		"no issuer":                {changes{"iss": nil}, authn.ErrIssuer, `found ""`},
		"issuer is an array":       {changes{"iss": []string{i.URL}}, authn.ErrMalformed, "invalid token: malformed"},
		"issuer before audience":   {changes{"iss": "http://x", "aud": "x"}, authn.ErrIssuer, "iss claim does not match"},

		"one second left":       {changes{"exp": at(time.Second)}, nil, ""},
		"expires now":           {changes{"exp": at(0)}, authn.ErrExpired, "invalid token: expired"},
		"expired":               {changes{"exp": at(-time.Hour)}, authn.ErrExpired, "invalid token: expired"},
		"no expiry":             {changes{"exp": nil}, authn.ErrNoExpiry, "invalid token: exp claim is missing"},
		"expiry null":           {changes{"exp": json.RawMessage("null")}, authn.ErrNoExpiry, "invalid token: exp claim is missing"},
		"expiry zero":           {changes{"exp": 0}, authn.ErrExpired, "invalid token: expired"},
		"expiry negative":       {changes{"exp": -1}, authn.ErrExpired, "invalid token: expired"},
		"expiry as text":        {changes{"exp": "tomorrow"}, authn.ErrMalformed, "invalid token: malformed"},
		"begins now":            {changes{"nbf": at(0)}, nil, ""},
		"clock five minutes on": {changes{"nbf": at(5 * time.Minute)}, nil, ""},
		"begins later":          {changes{"nbf": at(5*time.Minute + time.Second)}, authn.ErrNotYetValid, "invalid token: not valid yet"},
		"issued in the future":  {changes{"iat": at(2 * time.Minute)}, nil, ""},

		"ID token of Keycloak":      {changes{"typ": "ID", "aud": []string{"aip-agent-1", audience}}, authn.ErrTokenType, `invalid token: not an access token: expected the access_token of the issuer's answer, found a token of type "ID"`},
		"ID token, other audience":  {changes{"typ": "ID", "aud": "aip-agent-1"}, authn.ErrTokenType, "not an access token"},
		"refresh token":             {changes{"typ": "Refresh"}, authn.ErrTokenType, `found a token of type "Refresh"`},
		"offline token":             {changes{"typ": "offline"}, authn.ErrTokenType, "not an access token"},
		"logout token":              {changes{"typ": "Logout"}, authn.ErrTokenType, "not an access token"},
		"no typ claim":              {changes{"typ": nil}, nil, ""},
		"typ claim of its own kind": {changes{"typ": "application"}, nil, ""},
		"typ claim is no text":      {changes{"typ": []int{1}}, nil, ""},

		"no identity":            {changes{"azp": nil}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity null":          {changes{"azp": json.RawMessage("null")}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity empty":         {changes{"azp": ""}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity blank":         {changes{"azp": "  "}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity is a number":   {changes{"azp": 7}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity is a list":     {changes{"azp": []string{"aip-agent-1"}}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity turns around":  {changes{"azp": "aip-\u202eagent"}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity breaks a line": {changes{"azp": "aip\nagent"}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity of no width":   {changes{"azp": "aip-agent-1\u200b"}, authn.ErrNoIdentityClaim, "token missing identity claim"},
		"identity by other name": {changes{"azp": nil, "client_id": "aip-agent-1", "AZP": "aip-agent-1"}, authn.ErrNoIdentityClaim, "token missing identity claim"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := k.sign(t, i.claims(c.change))
			who, err := v.Verify(t.Context(), token)
			refused(t, token, who, err, c.class, c.text)
		})
	}
}

// refused fails the test unless err is of this class (none when nil), the caller reads this text, and neither the text
// nor err tells what it must not.
func refused(t *testing.T, token string, who authn.Identity, err, class error, text string) {
	t.Helper()
	if class == nil {
		if err != nil || who.Subject == "" {
			t.Errorf("found %+v, %v; expected an identity", who, err)
		}
		return
	}
	if !errors.Is(err, class) || who.Subject != "" || who.Groups != nil {
		t.Fatalf("found %+v, %v; expected %v", who, err, class)
	}
	told := authn.Explain(err)
	if !strings.Contains(told, text) {
		t.Errorf("the caller reads %q, expected %q", told, text)
	}
	if both := told + err.Error(); token != "" && (strings.Contains(both, token) || strings.Contains(both, "eyJ")) {
		t.Errorf("the token is in %q or %q", told, err)
	}
	if strings.ContainsAny(told, "\n\r\u202e") || len(told) > 1000 {
		t.Errorf("not fit for one line: %.300q", told)
	}
}

// TestVerifyIdentityClaim: the identity is what the configured claim says, whatever the others say.
func TestVerifyIdentityClaim(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	all := changes{
		"azp": "by-azp", "sub": "by-sub", "client_id": "by-client-id", "appid": "by-appid", "email": "a@example.org",
		"https://aip.dev/agent": "by-url", "act": changes{"who": changes{"name": "deep"}}, "act.sub": "literal",
	}
	for claim, cases := range map[string][]struct {
		change  changes
		subject string
		class   error
	}{
		"":                      {{nil, "by-azp", nil}},
		"sub":                   {{nil, "by-sub", nil}, {changes{"sub": nil}, "", authn.ErrNoIdentityClaim}},
		"client_id":             {{nil, "by-client-id", nil}},
		"appid":                 {{nil, "by-appid", nil}, {changes{"appid": nil}, "", authn.ErrNoIdentityClaim}},
		"https://aip.dev/agent": {{nil, "by-url", nil}},
		"act.sub":               {{nil, "literal", nil}, {changes{"act.sub": nil, "act": changes{"sub": "nested"}}, "nested", nil}},
		"act.who.name": {
			{nil, "deep", nil}, {changes{"act": changes{"who": "name"}}, "", authn.ErrNoIdentityClaim},
			{changes{"act": []string{"who"}}, "", authn.ErrNoIdentityClaim}, {changes{"act": nil}, "", authn.ErrNoIdentityClaim},
			{changes{"act": changes{"who": changes{"name": changes{}}}}, "", authn.ErrNoIdentityClaim},
		},
		// The owner of an account can write any address into it at some providers.
		"email": {
			{changes{"email_verified": true}, "a@example.org", nil}, {changes{"email_verified": "true"}, "a@example.org", nil},
			{nil, "", authn.ErrEmailUnverified}, {changes{"email_verified": false}, "", authn.ErrEmailUnverified},
			{changes{"email_verified": "false"}, "", authn.ErrEmailUnverified}, {changes{"email_verified": 1}, "", authn.ErrEmailUnverified},
			{changes{"email": nil, "email_verified": true}, "", authn.ErrNoIdentityClaim},
		},
	} {
		v := i.verifier(t, func(o *authn.Options) { o.IdentityClaim = claim })
		for n, c := range cases {
			who, err := v.Verify(t.Context(), k.sign(t, i.claims(all, c.change)))
			if who.Subject != c.subject || !errors.Is(err, c.class) {
				t.Errorf("claim %q, case %d: found %q, %v; expected %q, %v", claim, n, who.Subject, err, c.subject, c.class)
			}
			if c.class == authn.ErrEmailUnverified && !strings.Contains(authn.Explain(err), "email claim is not verified") { //nolint:errorlint // the case's own value
				t.Errorf("the caller reads %q", authn.Explain(err))
			}
		}
	}
}

func TestVerifyGroups(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	for n, c := range []struct {
		claim  string
		change changes
		groups []string
	}{
		{"groups", changes{"groups": []string{"a", "b"}}, []string{"a", "b"}},
		{"groups", changes{"groups": "a"}, []string{"a"}},
		{"groups", changes{"groups": "a,b"}, []string{"a,b"}},
		{"groups", changes{"groups": []any{"a", 7}}, nil},
		{"groups", changes{"groups": changes{"a": true}}, nil},
		{"groups", changes{"groups": true}, nil},
		{"groups", changes{"groups": ""}, nil},
		{"groups", nil, nil},
		{"", changes{"": []string{"a"}, "groups": []string{"a"}}, nil},
		{"realm_access.roles", changes{"realm_access": changes{"roles": []string{"r"}}}, []string{"r"}},
		{"realm_access.roles", changes{"realm_access": "roles"}, nil},
	} {
		v := i.verifier(t, func(o *authn.Options) { o.GroupsClaim = c.claim })
		who, err := v.Verify(t.Context(), k.sign(t, i.claims(c.change)))
		if err != nil || !slices.Equal(who.Groups, c.groups) {
			t.Errorf("case %d: found %q, %v; expected %q", n, who.Groups, err, c.groups)
		}
	}
}

// TestExplain: the caller reads the class of every error, and nothing of what it wraps.
func TestExplain(t *testing.T) {
	t.Parallel()
	const secret = "eyJhbGciOiJub25lIn0"
	for class, want := range map[error]string{
		authn.ErrNoToken:          "missing Bearer token",
		authn.ErrMalformed:        "invalid token: malformed",
		authn.ErrExpired:          "invalid token: expired",
		authn.ErrNotYetValid:      "invalid token: not valid yet",
		authn.ErrNoExpiry:         "invalid token: exp claim is missing",
		authn.ErrTokenType:        "invalid token: not an access token",
		authn.ErrAudience:         "invalid token: aud claim does not match",
		authn.ErrIssuer:           "invalid token: iss claim does not match",
		authn.ErrAlgorithm:        "invalid token: signing algorithm is not accepted",
		authn.ErrSignature:        "invalid token: signature does not verify",
		authn.ErrKeyUnknown:       "invalid token: signed with a key that the issuer does not publish",
		authn.ErrKeysUnreachable:  "token not verified: signing keys of the issuer are unreachable",
		authn.ErrNoIdentityClaim:  "token missing identity claim",
		authn.ErrEmailUnverified:  "invalid token: email claim is not verified: expected email_verified to be true",
		authn.ErrNotReady:         "token not verified: identity provider is not reached yet",
		errors.New("unheard of"):  "invalid token",
		fmt.Errorf("x %s", "yyy"): "invalid token",
	} {
		if got := authn.Explain(fmt.Errorf("%w: %s", class, secret)); got != want {
			t.Errorf("%v: found %q, expected %q", class, got, want)
		}
	}
}
