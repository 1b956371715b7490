package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/gateway/authz"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for pattern, c := range map[string]struct{ yes, no string }{ // separated by spaces
		"k8s://prod/*/deployment/*": {"k8s://prod/default/deployment/api k8s://prod//deployment/", "k8s://prod/a/b/deployment/x k8s://prod/default/deployment k8s://prod/default/deployment/a/b"},
		"k8s://**":                  {"k8s:// k8s://a k8s://a/b/c", "k8s:/ git://a"},
		"**/api":                    {"/api a/b/api", "api/x"},
		"a.b+c(d)^$|":               {"a.b+c(d)^$|", "axb+c(d)^$|"},
		"v?":                        {"v1 vä", "v v/ v12"},
		"v[0-9][!a]":                {"v1b v9é", "v1a vab v1/ v1"},
		`[\^x]`:                     {`\ ^ x`, "y"},
		"{prod,test}/{a,b{1,2}}/*":  {"prod/a/x test/b2/", "dev/a/x prod/b/x prod/b3/x"},
		`\*\{a\,b\}`:                {"*{a,b}", "x{a,b} *a"},
		"a,b":                       {"a,b", "a b"},
		"***":                       {"a/b", ""},
		"":                          {"", "a"},
	} {
		p, err := authz.Pattern(pattern)
		if err != nil {
			t.Errorf("%q: %v", pattern, err)
			continue
		}
		for uri := range strings.SplitSeq(c.yes, " ") {
			if !p.MatchString(uri) {
				t.Errorf("%q does not match %q", pattern, uri)
			}
		}
		for uri := range strings.SplitSeq(c.no, " ") {
			if uri != "" && p.MatchString(uri) {
				t.Errorf("%q matches %q", pattern, uri)
			}
		}
	}
	for _, pattern := range []string{"k8s://[", "[]", "[!]", "{a", "a}", `a\`, "[z-a]", "[/]", "[+-0]", strings.Repeat("a", 5000)} {
		if _, err := authz.Pattern(pattern); err == nil || len(err.Error()) > 400 {
			t.Errorf("%.20q: %v", pattern, err)
		}
	}
}

// Hole: a matcher that goes back to try again takes exponential time over a URI that an agent chooses.
// Attack: a long segment against a pattern with many stars.
// Proof: it takes no time to speak of.
func TestPatternBomb(t *testing.T) {
	t.Parallel()
	p, err := authz.Pattern(strings.Repeat("*a", 20) + "b")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if p.MatchString(strings.Repeat("a", 100_000)) {
		t.Error("it matches")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
