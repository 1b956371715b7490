package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOption(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"two arguments":  {[]string{"--root", "/r", "create", "--bundle", "/b", "id"}, "/b"},
		"one argument":   {[]string{"create", "--bundle=/b", "id"}, "/b"},
		"short":          {[]string{"run", "-b", "/b", "id"}, "/b"},
		"absent":         {[]string{"kill", "id"}, ""},
		"without value":  {[]string{"create", "--bundle"}, ""},
		"only a similar": {[]string{"create", "--bundles", "/b"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := option(test.args, "--bundle", "-b"); got != test.want {
				t.Errorf("option(%q) = %q, want %q", test.args, got, test.want)
			}
		})
	}
}

// What the machine has stays, what it cannot have goes, and everything else in the file stays as it was.
func TestBound(t *testing.T) {
	t.Parallel()
	had, err := granted()
	if err != nil {
		t.Fatal(err)
	}
	const never = "CAP_THAT_NO_KERNEL_HAS"
	path := filepath.Join(t.TempDir(), "config.json")
	before := map[string]any{
		"ociVersion": "1.0.2",
		"linux":      map[string]any{"limit": json.Number("9223372036854771712")},
		"process": map[string]any{
			"args":         []string{"sh"},
			"capabilities": map[string]any{"bounding": append([]string{never}, had...), "ambient": []string{never}},
		},
	}
	data, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bound(path, func(document map[string]any) any { return document["process"] }); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	var after struct {
		OCIVersion string
		Linux      struct{ Limit int64 }
		Process    struct {
			Args         []string
			Capabilities map[string][]string
		}
	}
	if err := json.Unmarshal(data, &after); err != nil {
		t.Fatal(err)
	}
	if got := after.Process.Capabilities; !slices.Equal(got["bounding"], had) || len(got["ambient"]) != 0 {
		t.Errorf("capabilities = %v, want bounding %v and no ambient", got, had)
	}
	if after.OCIVersion != "1.0.2" || after.Linux.Limit != 9223372036854771712 || !slices.Equal(after.Process.Args, []string{"sh"}) {
		t.Errorf("the rest of the file changed: %s", data)
	}
}

func TestBoundWithoutFile(t *testing.T) {
	t.Parallel()
	err := bound(filepath.Join(t.TempDir(), "absent.json"), func(document map[string]any) any { return document })
	if !os.IsNotExist(err) {
		t.Errorf("bound of an absent file: %v, want that it does not exist", err)
	}
}
