package keycloak_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
)

// TestDiffOf sorts the findings of a real comparison by what they are about.
func TestDiffOf(t *testing.T) {
	t.Parallel()
	d := keycloak.Diff{Findings: []string{
		"realm aip: disabled", "client a: absent", "client b: disabled", "client b: secret differs", "client b: audience mapper absent",
		`client c: audience mapper: included.custom.audience is "x", expected "y"`,
	}}
	for part, want := range map[keycloak.Part]string{
		keycloak.PartRealm: "0", keycloak.PartClient: "1 2", keycloak.PartSecret: "3", keycloak.PartMapper: "4 5",
	} {
		var got []string
		for _, f := range d.Of(part) {
			got = append(got, string(rune('0'+slices.Index(d.Findings, f))))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("part %d: found %v, expected %s", part, got, want)
		}
	}
}
