package authn_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/gateway/authn"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		token  string
		class  error
	}{
		"usual":                      {[]string{"Bearer a.b.c"}, "a.b.c", nil},
		"lower case":                 {[]string{"bearer a.b.c"}, "a.b.c", nil},
		"upper case":                 {[]string{"BEARER a.b.c"}, "a.b.c", nil},
		"more spaces":                {[]string{"Bearer   a.b.c"}, "a.b.c", nil},
		"all of b64token":            {[]string{"Bearer aZ09-._~+/=="}, "aZ09-._~+/==", nil},
		"the longest":                {[]string{"Bearer " + strings.Repeat("a", 16<<10)}, strings.Repeat("a", 16<<10), nil},
		"no header":                  {nil, "", authn.ErrNoToken},
		"empty header":               {[]string{""}, "", authn.ErrNoToken},
		"scheme alone":               {[]string{"Bearer"}, "", authn.ErrNoToken},
		"scheme and spaces":          {[]string{"Bearer   "}, "", authn.ErrNoToken},
		"another scheme":             {[]string{"Basic YTpi"}, "", authn.ErrNoToken},
		"scheme that begins alike":   {[]string{"Bearerx a.b.c"}, "", authn.ErrNoToken},
		"no scheme":                  {[]string{"a.b.c"}, "", authn.ErrNoToken},
		"tab":                        {[]string{"Bearer\ta.b.c"}, "", authn.ErrNoToken},
		"two headers":                {[]string{"Bearer a.b.c", "Bearer d.e.f"}, "", authn.ErrMalformed},
		"two headers, one of them":   {[]string{"Basic YTpi", "Bearer d.e.f"}, "", authn.ErrMalformed},
		"two equal headers":          {[]string{"Bearer a.b.c", "Bearer a.b.c"}, "", authn.ErrMalformed},
		"comma":                      {[]string{"Bearer a.b.c,Bearer d.e.f"}, "", authn.ErrMalformed},
		"comma and space":            {[]string{"Bearer a.b.c, Basic YTpi"}, "", authn.ErrMalformed},
		"Bearer twice":               {[]string{"Bearer Bearer a.b.c"}, "", authn.ErrMalformed},
		"quoted":                     {[]string{`Bearer "a.b.c"`}, "", authn.ErrMalformed},
		"padding in the middle":      {[]string{"Bearer a=b"}, "", authn.ErrMalformed},
		"new line":                   {[]string{"Bearer a.b.c\n"}, "", authn.ErrMalformed},
		"zero byte":                  {[]string{"Bearer a.b.c\x00"}, "", authn.ErrMalformed},
		"letters of other alphabets": {[]string{"Bearer а.b.c"}, "", authn.ErrMalformed},
		"too long":                   {[]string{"Bearer " + strings.Repeat("a", 16<<10+1)}, "", authn.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := authn.BearerToken(http.Header{"Authorization": c.values})
			if token != c.token || !errors.Is(err, c.class) {
				t.Errorf("found %.40q, %v; expected %.40q, %v", token, err, c.token, c.class)
			}
		})
	}
}

// TestBearerTokenElsewhere: RFC 6750 knows two more places for a token; neither counts here.
func TestBearerTokenElsewhere(t *testing.T) {
	t.Parallel()
	h := http.Header{"Proxy-Authorization": {"Bearer a.b.c"}, "X-Authorization": {"Bearer a.b.c"}, "Cookie": {"access_token=a.b.c"}}
	if token, err := authn.BearerToken(h); !errors.Is(err, authn.ErrNoToken) {
		t.Errorf("found %q, %v", token, err)
	}
}

func FuzzBearerToken(f *testing.F) {
	for _, seed := range []string{"Bearer a.b.c", "bearer  x", "Bearer", "Bearer a,b", "Bearer \x00", "Basic a", "Bearer ="} {
		f.Add(seed)
	}
	b64token := regexp.MustCompile(`^[A-Za-z0-9\-._~+/]*=*$`)
	f.Fuzz(func(t *testing.T, value string) {
		token, err := authn.BearerToken(http.Header{"Authorization": {value}})
		switch {
		case err != nil && (token != "" || !errors.Is(err, authn.ErrNoToken) && !errors.Is(err, authn.ErrMalformed)):
			t.Errorf("%q: found %q, %v", value, token, err)
		case err != nil && len(token) > 0 && strings.Contains(err.Error(), token):
			t.Errorf("%q: the error holds the token: %v", value, err)
		case err == nil && (token == "" || !b64token.MatchString(token) || !strings.HasSuffix(value, token) || !strings.EqualFold(value[:7], "bearer ")):
			t.Errorf("%q: found %q", value, token)
		}
	})
}
