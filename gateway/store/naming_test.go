package store_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/aip-dev/aip-dev/gateway/store"
)

func TestLabelValue(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                             "",
		"aip-agent-1":                  "aip-agent-1",
		"a@b/c d":                      "a-b-c-d",
		"--x..":                        "x",
		"Ünïcode":                      "n-code",
		strings.Repeat("a", 70):        strings.Repeat("a", 63),
		strings.Repeat("a", 62) + "/b": strings.Repeat("a", 62),
	} {
		got := store.LabelValue(in)
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if faults := validation.IsValidLabelValue(got); len(faults) > 0 {
			t.Errorf("%q: %v", got, faults)
		}
	}
}

func TestClassification(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":               "",
		"deploy":         "deploy",
		"deploy/prod":    "deploy/prod",
		"Deploy/ProdEnv": "deploy/prodenv",
		"a b/c__d/e":     "a-b/c-d-e",
		"1st/2nd":        "x-1st/x-2nd",
		" lead/trail ":   "lead/trail",
		"/only":          "/only",
	} {
		if got := store.Classification(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestProfileNamesDiffer(t *testing.T) {
	t.Parallel()
	a, b := store.ProfileName("agent.one"), store.ProfileName("agent-one")
	if a == b {
		t.Errorf("both are %s", a)
	}
	for _, identity := range []string{"", "!!!", strings.Repeat("x.", 60)} {
		name := store.ProfileName(identity)
		if faults := validation.IsDNS1123Subdomain(name); len(faults) > 0 || len(name) > 63 {
			t.Errorf("%q: %q %v", identity, name, faults)
		}
	}
	if got := store.ProfileName("agent"); got != "agent-d4f0bc5a" {
		t.Errorf("got %s", got)
	}
}
