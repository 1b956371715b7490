package authn_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/aip-dev/aip-dev/gateway/authn"
)

type headers = map[jose.HeaderKey]any

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// TestForgeries: hole: a verifier that believes what a token says about itself. Attack: tokens with the claims of an
// agent that the issuer never signed. Proof: each is refused, and nobody but the issuer is asked for keys.
func TestForgeries(t *testing.T) {
	t.Parallel()
	good, mine := newKey(t, "k1", jose.RS256), newKey(t, "k1", jose.RS256)
	i := newIssuer(t, good)
	var lured atomic.Int64
	trap := newIssuer(t, mine)
	trap.set(&trap.keys, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { lured.Add(1) }))
	v := i.verifier(t)

	claims, err := json.Marshal(i.claims())
	check(t, err)
	original := strings.Split(good.sign(t, i.claims()), ".")
	other := strings.Split(good.sign(t, i.claims(changes{"azp": "aip-reviewer-1"})), ".")
	der, err := x509.MarshalPKIXPublicKey(good.private.Public())
	check(t, err)
	published := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hmac := func(secret []byte, h ...headers) string {
		return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: secret}, i.claims(), append(h, headers{"kid": "k1"})...)
	}
	embedded := jose.JSONWebKey{Key: mine.private.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}
	unsigned := func(header string) string { return encode(header) + "." + encode(string(claims)) + "." }

	for name, c := range map[string]struct {
		token string
		class error
	}{
		"alg none":                     {unsigned(`{"alg":"none","typ":"JWT"}`), authn.ErrAlgorithm},
		"alg None":                     {unsigned(`{"alg":"None","kid":"k1"}`), authn.ErrAlgorithm},
		"alg none with a signature":    {unsigned(`{"alg":"none","kid":"k1"}`) + original[2], authn.ErrAlgorithm},
		"alg absent":                   {unsigned(`{"kid":"k1"}`) + original[2], authn.ErrAlgorithm},
		"alg is a list":                {unsigned(`{"alg":["RS256"],"kid":"k1"}`) + original[2], authn.ErrAlgorithm},
		"HS256 with the public PEM":    {hmac(published), authn.ErrAlgorithm},
		"HS256 with the public DER":    {hmac(der), authn.ErrAlgorithm},
		"HS256 with an empty kid":      {hmac(published, headers{"kid": ""}), authn.ErrAlgorithm},
		"another algorithm of the key": {strings.Join([]string{encode(`{"alg":"PS256","kid":"k1"}`), original[1], original[2]}, "."), authn.ErrSignature},
		"signed by another key":        {mine.sign(t, i.claims()), authn.ErrSignature},
		"signature of another token":   {strings.Join([]string{original[0], original[1], other[2]}, "."), authn.ErrSignature},
		"claims of another token":      {strings.Join([]string{original[0], other[1], original[2]}, "."), authn.ErrSignature},
		"signature cut":                {strings.Join([]string{original[0], original[1], original[2][:20]}, "."), authn.ErrSignature},
		"no signature":                 {strings.Join([]string{original[0], original[1], ""}, "."), authn.ErrSignature},
		"embedded key":                 {mine.sign(t, i.claims(), headers{"jwk": embedded}), authn.ErrSignature},
		"jku":                          {mine.sign(t, i.claims(), headers{"jku": trap.URL + "/keys"}), authn.ErrSignature},
		"x5u":                          {mine.sign(t, i.claims(), headers{"x5u": trap.URL + "/keys"}), authn.ErrSignature},
		"kid is a path":                {mine.sign(t, i.claims(), headers{"kid": "../../../../dev/null"}), authn.ErrKeyUnknown},
		"kid is a URL":                 {mine.sign(t, i.claims(), headers{"kid": trap.URL + "/keys"}), authn.ErrKeyUnknown},
		"kid is SQL":                   {mine.sign(t, i.claims(), headers{"kid": "k1' UNION SELECT 'x"}), authn.ErrKeyUnknown},
		"kid breaks lines":             {mine.sign(t, i.claims(), headers{"kid": "a\nb\u202e"}), authn.ErrKeyUnknown},
		"kid is a number":              {mine.sign(t, i.claims(), headers{"kid": 1}), authn.ErrMalformed},
		"kid is long":                  {mine.sign(t, i.claims(), headers{"kid": strings.Repeat("k", 8000)}), authn.ErrKeyUnknown},
		"no kid":                       {mine.sign(t, i.claims(), headers{"kid": ""}), authn.ErrSignature},
		"critical header":              {good.sign(t, i.claims(), headers{"crit": []string{"exp"}, "exp": 1}), authn.ErrSignature},
		"payload not encoded":          {strings.Join([]string{encode(`{"alg":"RS256","kid":"k1","b64":false,"crit":["b64"]}`), original[1], original[2]}, "."), authn.ErrSignature},
		"alg twice":                    {strings.Join([]string{encode(`{"alg":"RS256","kid":"k1","alg":"none"}`), original[1], original[2]}, "."), authn.ErrMalformed},
		"DPoP proof":                   {good.sign(t, i.claims(), headers{"typ": "dpop+jwt"}), authn.ErrTokenType},
		"logout token":                 {good.sign(t, i.claims(), headers{"typ": "logout+jwt"}), authn.ErrTokenType},
		"typ is an object":             {good.sign(t, i.claims(), headers{"typ": changes{"a": "\n"}}), authn.ErrTokenType},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, err := v.Verify(t.Context(), c.token)
			refused(t, c.token, who, err, c.class, "invalid token: "+c.class.Error())
		})
	}
	t.Cleanup(func() {
		if lured.Load() > 0 {
			t.Error("a token named the address that its key was fetched from")
		}
	})
}

// TestHeadersThatAreFine: what other providers write into headers does not matter.
func TestHeadersThatAreFine(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t)
	for name, h := range map[string]headers{
		"no typ":               {"typ": nil},
		"access token type":    {"typ": "at+jwt"},
		"access token type, 2": {"typ": "application/AT+JWT"},
		"no kid":               {"kid": ""},
		"x5t":                  {"x5t": "GvnPApfWMdLRi8PDmisFn7bprKg"},
	} {
		if who, err := v.Verify(t.Context(), k.sign(t, i.claims(), h)); err != nil || who.Subject != "aip-agent-1" {
			t.Errorf("%s: found %+v, %v", name, who, err)
		}
	}
}

// TestShapes: what is no signed JSON Web Token in compact form is refused as such before any key is asked for.
func TestShapes(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t)
	good := k.sign(t, i.claims())
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"empty": "", "opaque": "2YotnFZFEjr1zCsicMWpAA", "dot": ".", "two parts": parts[0] + "." + parts[1],
		"four parts": good + ".x", "encrypted": good + ".x.y", "padded": parts[0] + "=." + parts[1] + "." + parts[2],
		"JSON form":       fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]),
		"many dots":       strings.Repeat(".", 10_000),
		"header no JSON":  encode("alg") + "." + parts[1] + "." + parts[2],
		"claims no JSON":  k.sign(t, json.RawMessage("azp")),
		"claims a list":   k.sign(t, json.RawMessage(`[1]`)),
		"claims a string": k.sign(t, json.RawMessage(`"azp"`)),
		"claims twice":    k.sign(t, json.RawMessage(`{"azp":"a"}{"azp":"b"}`)),
		"deep":            k.sign(t, json.RawMessage(`{"x":`+strings.Repeat("[", 9000))),
		"over long":       good + strings.Repeat("A", 16<<10),
		"duplicate claim": k.sign(t, twice(t, i.claims(), `"azp":"aip-reviewer-1"`)),
		"duplicate iss":   k.sign(t, twice(t, i.claims(changes{"iss": "http://other"}), `"iss":"`+i.URL+`"`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, err := v.Verify(t.Context(), token)
			refused(t, token, who, err, authn.ErrMalformed, "invalid token: malformed")
		})
	}
	t.Cleanup(func() {
		if n := i.fetches(); n != 0 {
			t.Errorf("the keys were fetched %d times", n)
		}
	})
}

// twice returns claims with one more member behind them.
func twice(t *testing.T, claims map[string]any, member string) json.RawMessage {
	t.Helper()
	payload, err := json.Marshal(claims)
	check(t, err)
	return append(payload[:len(payload)-1], []byte(","+member+"}")...)
}

// TestNamesInAnotherCase: hole: decoders that do not look at the case of names take ISS for iss, so that two of them
// see two tokens. Proof: only the names of RFC 7519 count, and what goes by another case grants nothing.
func TestNamesInAnotherCase(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t)
	for _, c := range []changes{
		{"iss": "http://other", "ISS": i.URL}, {"iss": nil, "Iss": i.URL}, {"aud": "x", "Aud": audience},
		{"exp": began.Add(-time.Hour).Unix(), "Exp": began.Add(time.Hour).Unix()}, {"azp": nil, "Azp": "aip-agent-1"},
	} {
		if who, err := v.Verify(t.Context(), k.sign(t, i.claims(c))); err == nil {
			t.Errorf("%v: found %+v", c, who)
		}
	}
}

// TestDeepClaims: a good token may hold claims of any depth; it is the issuer that wrote them.
func TestDeepClaims(t *testing.T) {
	t.Parallel()
	k := newKey(t, "k1", jose.ES256)
	i := newIssuer(t, k)
	v := i.verifier(t, func(o *authn.Options) { o.IdentityClaim = strings.Repeat("a.", 2000) + "a" })
	deep := strings.Repeat(`{"a":`, 1700) + "1" + strings.Repeat("}", 1700)
	_, err := v.Verify(t.Context(), k.sign(t, twice(t, i.claims(), `"a":`+deep)))
	if !errors.Is(err, authn.ErrNoIdentityClaim) {
		t.Errorf("found %.200v", err)
	}
}

// FuzzClaims: whatever an issuer signs, an identity comes out of it only when iss, aud and exp are right.
func FuzzClaims(f *testing.F) {
	k := newKey(f, "k1", jose.EdDSA)
	i := newIssuer(f, k)
	v := i.verifier(f, func(o *authn.Options) { o.IdentityClaim = "a.b" })
	seed := func(change changes) {
		payload, err := json.Marshal(i.claims(changes{"a": changes{"b": "x"}}, change))
		check(f, err)
		f.Add(strings.ReplaceAll(string(payload), i.URL, "ISSUER"))
	}
	for _, c := range []changes{nil, {"aud": audience}, {"exp": 1e300}, {"a": nil, "a.b": "y"}, {"groups": []any{1}}, {"nbf": -1}, {"typ": "ID"}} {
		seed(c)
	}
	f.Add(`{"iss":"ISSUER","iss":"x"}`)
	f.Add(`[{}]`)
	f.Fuzz(func(t *testing.T, payload string) {
		payload = strings.ReplaceAll(payload, "ISSUER", i.URL)
		if len(payload) > 8<<10 {
			return
		}
		who, err := v.Verify(t.Context(), k.sign(t, json.RawMessage(payload)))
		if err != nil {
			if who.Subject != "" || authn.Explain(err) == "invalid token" || errors.Is(err, authn.ErrSignature) {
				t.Errorf("%q: found %+v, %v", payload, who, err)
			}
			return
		}
		var claims map[string]any
		check(t, json.Unmarshal([]byte(payload), &claims))
		exact := maps.Collect(maps.All(claims))
		exp, _ := exact["exp"].(float64)
		if exact["iss"] != i.URL || !strings.Contains(fmt.Sprint(exact["aud"]), audience) || exp <= float64(began.Unix()) || strings.TrimSpace(who.Subject) == "" {
			t.Errorf("%q: found %+v", payload, who)
		}
	})
}

// FuzzToken: nobody but the issuer makes a token that counts.
func FuzzToken(f *testing.F) {
	k := newKey(f, "k1", jose.EdDSA)
	i := newIssuer(f, k)
	v := i.verifier(f)
	good := k.sign(f, i.claims())
	parts := strings.Split(good, ".")
	f.Add(parts[0], parts[1], "")
	f.Add(encode(`{"alg":"none"}`), parts[1], "")
	f.Add(encode(`{"alg":"EdDSA","kid":"k1","crit":["x"]}`), parts[1], parts[2])
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, header, claims, signature string) {
		token := header + "." + claims + "." + signature
		if who, err := v.Verify(t.Context(), token); err == nil && token != good {
			t.Errorf("%q: found %+v", token, who)
		}
	})
}
