package description_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/state/description"
)

func folder(t *testing.T) state.Folder {
	t.Helper()
	f := state.In(t.TempDir(), "aip")
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDescriptionKeepsNoSecret(t *testing.T) {
	t.Parallel()
	f := folder(t)
	want := bootstrap.Default()
	want.Ports.Gateway = 9000
	if err := description.Save(f, want); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(f.Path, "environment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := description.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil || got.Ports != want.Ports || len(got.Clients) != len(want.Clients) {
		t.Errorf("got %+v (%v)", got, err)
	}
	for i, c := range bootstrap.Default().Clients {
		if strings.Contains(string(data), c.Secret) || got.Clients[i].Secret != "" {
			t.Errorf("the secret of %s is kept", c.ID)
		}
		if want.Clients[i].Secret != c.Secret {
			t.Errorf("saving took the secret of %s away from the caller", c.ID)
		}
	}
}

func TestDescriptionErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"newer": {"version: aip-dev/v2\n", state.ErrNewer}, "no version": {"name: aip\n", state.ErrDamaged},
		"not YAML": {"version: [", state.ErrDamaged}, "another shape": {"- 1\n", state.ErrDamaged}, "empty": {"", state.ErrDamaged},
	} {
		f := folder(t)
		if err := os.WriteFile(filepath.Join(f.Path, "environment.yaml"), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := description.Read(f); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, expected %v", name, err, c.want)
		}
	}
	if _, err := description.Read(folder(t)); !errors.Is(err, state.ErrNotThere) {
		t.Errorf("absent: %v", err)
	}
}

// TestUnusable has a file where the folder should be, which nobody can use.
func TestUnusable(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "aip"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := state.In(root, "aip")
	_, err := description.Read(f)
	for call, err := range map[string]error{"Read": err, "Save": description.Save(f, bootstrap.Default())} {
		if !errors.Is(err, state.ErrUnusable) || !strings.Contains(err.Error(), f.Path) {
			t.Errorf("%s: %v, expected that the folder cannot be used", call, err)
		}
	}
}
