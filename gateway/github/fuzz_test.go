package github_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/gateway/github"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// FuzzTarget: hole: an agent chooses the URI, and the gateway asks with its own token. Attack: any URI. Proof: no question
// leaves the part of the API that is about the repository that the URI names, and the token goes to nobody else.
func FuzzTarget(f *testing.F) {
	g := testkit.NewGitHub(f)
	c := asking(f, g, testkit.GitHubToken)
	for _, uri := range []string{
		"github://acme/shop", "github://acme/shop/a%2Fb/deploy/a b.yaml", "github://acme/shop/main/../../../user", "github://acme/..%2f..%2fuser",
		"github://acme/shop?x=y#z", "github://acme/shop/main/%2e%2e/%2e%2e", "github://a@evil.example/shop", "github://acme/shop/\u2028/x",
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		before := len(g.Asked())
		found, err := c.Context(t.Context(), uri)
		if (found == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", uri, found, err)
		}
		owner, repo, _ := strings.Cut(strings.TrimPrefix(uri, github.Scheme), "/")
		repo, _, _ = strings.Cut(repo, "/")
		for _, r := range g.Asked()[before:] {
			parts := strings.Split(r.URL.EscapedPath(), "/")
			if len(parts) < 4 || parts[1] != "repos" || !strings.EqualFold(unescaped(t, parts[2]), unescaped(t, owner)) ||
				!strings.EqualFold(unescaped(t, parts[3]), unescaped(t, repo)) {
				t.Fatalf("%q asked for %s", uri, r.URL)
			}
		}
	})
}

func unescaped(t *testing.T, part string) string {
	t.Helper()
	out, err := url.PathUnescape(part)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
