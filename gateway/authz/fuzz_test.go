package authz

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// FuzzGoverning: whatever pattern an administrator writes and whatever URI an agent sends, a star stays within its segment,
// and what is no glob matches nothing.
func FuzzGoverning(f *testing.F) {
	for _, seed := range [][2]string{
		{"k8s://prod/*/deployment/*", "k8s://prod/default/deployment/api"}, {"k8s://**", "k8s://a/b/c"}, {"*", "a/b"}, {"[", "["}, {"{a,b}", "a"},
		{"", ""}, {"**", ""}, {`\*`, "*"}, {"a/*", "a/b/c"}, {"?", "/"}, {"{", "{"}, {"k8s://prod/{a,b{c,d}}/*", "k8s://prod/bc/x"}, {"[!/]*", "a/"},
		{strings.Repeat("*a", 20), strings.Repeat("a", 100)},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, uri string) {
		if len(pattern) > 200 || len(uri) > 2000 {
			return
		}
		resources := []v1alpha1.GovernedResource{{Spec: v1alpha1.GovernedResourceSpec{URIPattern: pattern, PermittedActions: []string{"a"}}}}
		found := Governing(resources, uri) != nil
		admission := Admit(resources, true, "agent", "a", uri)
		if admission.Allowed != found {
			t.Errorf("governed is %t, admitted is %t", found, admission.Allowed)
		}
		if Admit(resources, true, "agent", "b", uri).Allowed {
			t.Error("an action that is not permitted was admitted")
		}
		plain := !strings.ContainsAny(pattern, `*?[]{}\,!-`) && utf8.ValidString(pattern) && utf8.ValidString(uri)
		if plain && found != (pattern == uri) {
			t.Errorf("%q without a star matches %q: %t", pattern, uri, found)
		}
		stars := !strings.ContainsAny(pattern, `?[]{}\,!-`) && !strings.Contains(pattern, "**")
		if stars && found && strings.Count(pattern, "/") != strings.Count(uri, "/") {
			t.Errorf("%q matches %q across a slash", pattern, uri)
		}
	})
}
