package token_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/token"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func join(header, payload, signature string) string {
	return b64(header) + "." + b64(payload) + "." + b64(signature)
}

var sample = join(`{"alg":"RS256","typ":"JWT","kid":"k"}`,
	`{"iss":"http://localhost:8090/realms/aip","sub":"s","azp":"aip-agent-1","aud":["aip-gateway","account"],"iat":1700000000,"exp":1700000300.5,"big":12345678901234567}`, "signature")

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := token.Decode(sample)
	if err != nil {
		t.Fatal(err)
	}
	claims := got.Claims
	got.Claims = nil
	want := token.Decoded{
		Header: map[string]any{"alg": "RS256", "typ": "JWT", "kid": "k"}, Issuer: "http://localhost:8090/realms/aip", Subject: "s",
		AuthorizedParty: "aip-agent-1", Audience: []string{"aip-gateway", "account"},
		IssuedAt: time.Unix(1700000000, 0), Expiry: time.Unix(1700000300, 500_000_000),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if n, ok := claims["big"].(interface{ String() string }); !ok || n.String() != "12345678901234567" {
		t.Errorf("a large number lost digits: %v", claims["big"])
	}
}

func TestDecodeOddClaims(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		payload string
		aud     []string
		expiry  time.Time
	}{
		"one audience":     {`{"aud":"account","exp":1}`, []string{"account"}, time.Unix(1, 0)},
		"nothing":          {`{}`, nil, time.Time{}},
		"mixed audience":   {`{"aud":["a",1,null]}`, []string{"a"}, time.Time{}},
		"wrong types":      {`{"aud":7,"exp":"soon","iss":[],"sub":{},"azp":1}`, nil, time.Time{}},
		"negative expiry":  {`{"exp":-5}`, nil, time.Time{}},
		"expiry too large": {`{"exp":1e300}`, nil, time.Time{}},
	}
	for name, tt := range tests {
		got, err := token.Decode(join(`{"alg":"none"}`, tt.payload, ""))
		if err != nil || !reflect.DeepEqual(got.Audience, tt.aud) || !got.Expiry.Equal(tt.expiry) || got.Issuer+got.Subject+got.AuthorizedParty != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestDecodeIsTolerant(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"bearer":             "Bearer " + sample,
		"bearer twice":       "Bearer bearer " + sample,
		"header":             "Authorization: Bearer " + sample,
		"header in quotes":   `"Authorization: Bearer ` + sample + `"`,
		"quotes":             `"` + sample + `"`,
		"single quotes":      "'" + sample + "',",
		"newlines":           "\r\n  " + sample + "\n",
		"wrapped":            sample[:40] + "\n  " + sample[40:90] + "\r\n" + sample[90:],
		"wrapped at the end": sample[:len(sample)-4] + "\n" + sample[len(sample)-4:],
		"byte order mark":    "\ufeff" + sample,
		"hard spaces":        "\u00a0" + sample + "\u00a0",
	} {
		if got, err := token.Decode(raw); err != nil || got.AuthorizedParty != "aip-agent-1" || token.Clean(raw) != sample {
			t.Errorf("%s: %v, cleaned to %q", name, err, token.Clean(raw))
		}
	}
}

func TestDecodeRefusals(t *testing.T) {
	t.Parallel()
	parts := strings.Split(sample, ".")
	tests := map[string]struct {
		raw  string
		want error
		says string
	}{
		"nothing":             {"", token.ErrEmpty, ""},
		"only a word":         {"  \"Bearer \"\n", token.ErrEmpty, ""},
		"opaque":              {"gho_0123456789abcdef", token.ErrNotJWT, "opaque"},
		"two parts":           {parts[0] + "." + parts[1], token.ErrNotJWT, "found 2 parts"},
		"four parts":          {sample + ".x", token.ErrNotJWT, "found 4 parts"},
		"encrypted":           {"a.b.c.d.e", token.ErrEncrypted, "5 parts"},
		"two tokens":          {sample + "\n" + sample, token.ErrNotJWT, "2 words"},
		"two with the word":   {sample + " Bearer " + sample, token.ErrNotJWT, "3 words"},
		"huge":                {strings.Repeat("x", 1<<20+1), token.ErrNotJWT, "1048577 bytes"},
		"header not base64":   {"a+b=." + parts[1] + "." + parts[2], token.ErrMalformed, "character 2 of the header"},
		"payload cut off":     {parts[0] + "." + b64("abc") + "x." + parts[2], token.ErrMalformed, "cut off"},
		"signature padded":    {parts[0] + "." + parts[1] + ".YQ==", token.ErrMalformed, "of the signature"},
		"payload not JSON":    {join(`{}`, `hello`, ""), token.ErrMalformed, "payload is not a JSON object"},
		"payload an array":    {join(`{}`, `[1]`, ""), token.ErrMalformed, "payload is not a JSON object"},
		"payload null":        {join(`{}`, `null`, ""), token.ErrMalformed, "payload is not a JSON object"},
		"payload not closed":  {join(`{}`, `{"a":1`, ""), token.ErrMalformed, "payload is not a JSON object"},
		"more after payload":  {join(`{}`, `{}]`, ""), token.ErrMalformed, "follows"},
		"payload not UTF-8":   {join(`{}`, "{\"a\":\"\xff\"}", ""), token.ErrMalformed, "not UTF-8"},
		"empty header":        {"." + parts[1] + ".", token.ErrMalformed, "header is empty"},
		"a claim twice":       {join(`{}`, `{"iss":"a","iss":"b"}`, ""), token.ErrMalformed, `payload has "iss" twice`},
		"not even characters": {"\xff.\x80.\x81", token.ErrNotJWT, "no UTF-8 text"},
		"UTF-16":              {"\xff\xfee\x00y\x00", token.ErrNotJWT, "PowerShell"},
	}
	for name, tt := range tests {
		_, err := token.Decode(tt.raw)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, expected %v that says %q", name, err, tt.want, tt.says)
		} else if len(tt.raw) > 20 && strings.Contains(err.Error(), tt.raw[:20]) {
			t.Errorf("%s: the error quotes the token: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample)
	f.Add("Bearer a.b.c")
	f.Add("\xff.\n.'")
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := token.Decode(raw)
		if (err == nil) != (d.Claims != nil) {
			t.Errorf("claims %v with error %v", d.Claims, err)
		}
	})
}
