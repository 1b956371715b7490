package github_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/gateway/github"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// asking returns a client of a server, with a token in a file.
func asking(t testing.TB, g *testkit.GitHub, token string) *github.Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := github.New(github.Options{URL: g.URL + "/", TokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContext(t *testing.T) {
	t.Parallel()
	g := testkit.NewGitHub(t)
	c := asking(t, g, testkit.GitHubToken)
	main := map[string]any{"owner": "acme", "repo": "shop", "branch": "main", "openPRCount": int64(2), "ciStatus": "success"}
	with := func(more map[string]any) map[string]any {
		out := map[string]any{}
		for _, m := range []map[string]any{main, more} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	for uri, want := range map[string]map[string]any{
		"github://acme/shop":                          main,
		"github://acme/shop/main":                     main,
		"github://acme/shop/a%2Fb":                    with(map[string]any{"branch": "a/b", "openPRCount": int64(0)}),
		"github://acme/shop/main/deploy/a b.yaml":     with(map[string]any{"filePath": "deploy/a b.yaml", "fileContent": "replicas: 3\n"}),
		"github://acme/shop/main/deploy/a%20b.yaml":   with(map[string]any{"filePath": "deploy/a b.yaml", "fileContent": "replicas: 3\n"}),
		"github://acme/shop/main/deploy/missing.yaml": with(map[string]any{"filePath": "deploy/missing.yaml"}),
		"github://acme/shop/main/deploy":              with(map[string]any{"filePath": "deploy"}),
		"github://acme/shop/main/large":               with(map[string]any{"filePath": "large"}),
	} {
		if got, err := c.Context(t.Context(), uri); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v\nexpected %v", uri, got, err, want)
		}
	}
	for _, r := range g.Asked() {
		if r.Method != http.MethodGet || r.Header.Get("X-Github-Api-Version") == "" || r.Header.Get("Accept") != "application/vnd.github+json" {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
	}
	for n := range 2 {
		g.OpenPulls(n)
		if got, err := c.Context(t.Context(), "github://acme/shop"); err != nil || got["openPRCount"] != int64(n) {
			t.Errorf("%d open: %v, %v", n, got, err)
		}
	}
}

func TestCIStatus(t *testing.T) {
	t.Parallel()
	g := testkit.NewGitHub(t)
	c := asking(t, g, testkit.GitHubToken)
	for _, tt := range []struct {
		runs     []string
		state    string
		statuses []string
		want     any
	}{
		{nil, "pending", nil, nil},
		{[]string{"success"}, "pending", nil, "success"},
		{[]string{"success", ""}, "pending", nil, "pending"},
		{[]string{"", "timed_out"}, "success", []string{"success"}, "failure"},
		{[]string{"cancelled"}, "pending", nil, "failure"},
		{[]string{"something_new"}, "pending", nil, "failure"},
		{nil, "success", []string{"success"}, "success"},
		{[]string{"success"}, "pending", []string{"pending"}, "pending"},
		{[]string{"success"}, "failure", []string{"error", "success"}, "failure"},
	} {
		g.CheckRuns(tt.runs...)
		g.Statuses(tt.state, tt.statuses...)
		if got, err := c.Context(t.Context(), "github://acme/shop"); err != nil || got["ciStatus"] != tt.want {
			t.Errorf("%q and %s %q: %v, %v, expected %v", tt.runs, tt.state, tt.statuses, got["ciStatus"], err, tt.want)
		}
	}
}

// Whatever cannot be asked is an error, which says what to do, and never a context with less in it.
func TestErrors(t *testing.T) {
	t.Parallel()
	g := testkit.NewGitHub(t)
	c := asking(t, g, testkit.GitHubToken)
	fails := func(c *github.Client, uri, want string) {
		t.Helper()
		if got, err := c.Context(t.Context(), uri); err == nil || got != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, expected %s", uri, got, err, want)
		}
	}
	for _, uri := range []string{
		"k8s://a/b", "github://acme", "github:///shop", "github://acme/", "github://acme/shop/", "github://acme/shop/main/",
		"github://acme/..", "github://acme/shop/main/../x", "github://acme/shop/main/a%2F..%2Fx", "github://acme/sh%2Fop", "github://acme/shop/%zz", "github://acme/sh%0aop",
	} {
		fails(c, uri, "expected github://OWNER/REPO")
	}
	fails(c, "github://acme/other", "it does not exist or the token may not see it")
	fails(c, "github://acme/shop/gone", "it does not exist or the token may not see it")
	fails(asking(t, g, "wrong"), "github://acme/shop", "does not accept the token of --github-token-file")
	fails(nil, "github://acme/shop", "--github-api-url")
	unread, err := github.New(github.Options{URL: g.URL, TokenFile: filepath.Join(t.TempDir(), "gone")})
	if err != nil {
		t.Fatal(err)
	}
	fails(unread, "github://acme/shop", "read the token")
	for _, part := range []string{"commits/main/status", "commits/main/check-runs", "contents/deploy/a b.yaml", "branches/main"} {
		g := testkit.NewGitHub(t)
		g.Answer("repos/acme/shop/"+part, http.StatusForbidden)
		fails(asking(t, g, testkit.GitHubToken), "github://acme/shop/main/deploy/a b.yaml", "used up until X-RateLimit-Reset 1700000000")
		g.Answer("repos/acme/shop/"+part, http.StatusInternalServerError)
		fails(asking(t, g, testkit.GitHubToken), "github://acme/shop/main/deploy/a b.yaml", "GitHub answers 500")
		g.Answer("repos/acme/shop/"+part, "no object")
		fails(asking(t, g, testkit.GitHubToken), "github://acme/shop/main/deploy/a b.yaml", "decode GitHub's answer")
	}
	g.Answer("repos/acme/shop/commits/main/check-runs", map[string]any{"total_count": 2, "check_runs": []any{map[string]any{"status": "completed", "conclusion": "success"}}})
	fails(c, "github://acme/shop", "GitHub sent 1 of 2 check runs")
	g.Delay("repos/acme/shop/", time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := c.Context(ctx, "github://acme/shop"); err == nil {
		t.Errorf("a server that does not answer: %v", got)
	}
}

// A token never goes in the clear to another machine.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []github.Options{
		{URL: "http://api.example", TokenFile: "t"}, {URL: "api.github.com"}, {URL: "ftp://x"}, {URL: "https://user:pw@x"}, {URL: "https://x?a=b"}, {TokenFile: "t"},
	} {
		if c, err := github.New(o); err == nil || c != nil {
			t.Errorf("%+v: %v", o, c)
		}
	}
	for _, o := range []github.Options{{URL: "https://api.github.com", TokenFile: "t"}, {URL: "http://api.example"}, {URL: "http://127.0.0.1:1", TokenFile: "t"}} {
		if c, err := github.New(o); err != nil || c == nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if c, err := github.New(github.Options{}); err != nil || c != nil {
		t.Errorf("without a URL: %v, %v", c, err)
	}
}
