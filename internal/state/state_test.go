package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// folder returns a made folder of an environment.
func folder(t *testing.T) Folder {
	t.Helper()
	f := In(t.TempDir(), "aip")
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		xdg, home, want string
	}{
		"xdg":          {"/x/state", "/home/a", "/x/state/aip-dev"},
		"home":         {"", "/home/a", "/home/a/.local/state/aip-dev"},
		"neither":      {"", "", ""},
		"relative xdg": {"state", "/home/a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"XDG_STATE_HOME": c.xdg, "HOME": c.home}
			got, err := Root(func(key string) string { return env[key] })
			if got != c.want || (c.want == "") != errors.Is(err, ErrUnusable) {
				t.Errorf("got %q and %v, expected %q", got, err, c.want)
			}
		})
	}
}

func TestMakeIsForThisUserAlone(t *testing.T) {
	t.Parallel()
	f := In(filepath.Join(t.TempDir(), "state", "aip-dev"), "aip")
	if f.Exists() {
		t.Error("it is there before it was made")
	}
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.Path, 0o755); err != nil { // as an older program or a person may have left it
		t.Fatal(err)
	}
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{f.Path: 0o700, filepath.Dir(f.Path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, expected %o (%v)", path, info.Mode(), want, err)
		}
	}
	if entries, err := os.ReadDir(f.Path); err != nil || len(entries) != 0 {
		t.Errorf("making it left %v (%v)", entries, err)
	}
}

// Whoever runs the tests: a file where the folder should be cannot be used by anybody.
func TestUnusable(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "aip"), "a file")
	f := In(root, "aip")
	_, factsErr := f.Facts()
	_, lockErr := f.Lock()
	_, listErr := List(f.Path)
	for call, err := range map[string]error{
		"Make": f.Make(), "Facts": factsErr, "Lock": lockErr, "List": listErr,
		"Save": f.Save(bootstrap.Facts{}),
	} {
		if !errors.Is(err, ErrUnusable) || errors.Is(err, ErrNotThere) {
			t.Errorf("%s: %v, expected that the folder cannot be used", call, err)
		}
		if err != nil && !strings.Contains(err.Error(), f.Path) {
			t.Errorf("%s does not name the folder: %v", call, err)
		}
	}
	if f.Exists() {
		t.Error("a file counts as a folder")
	}
}

func TestNotReadable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("modes do not bind the superuser")
	}
	f := folder(t)
	if err := os.Chmod(f.Path, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(f.Path, 0o700); err != nil {
			t.Error(err)
		}
	})
	if _, err := f.Facts(); !errors.Is(err, ErrUnusable) {
		t.Errorf("got %v", err)
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"as written":    {`{"version": 1, "name": "aip", "cluster": {"version": "v1.37.2"}}`, nil},
		"unknown field": {`{"version": 1, "later": true}`, nil},
		"newer":         {`{"version": 2, "cluster": ["another shape"]}`, ErrNewer},
		"empty":         {"", ErrDamaged},
		"cut off":       {`{"version": 1, "clus`, ErrDamaged},
		"another shape": {`{"version": 1, "cluster": "x"}`, ErrDamaged},
		"no version":    {`{}`, ErrDamaged},
		"null":          {`null`, ErrDamaged},
		"a list":        {`[1]`, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := folder(t)
			write(t, f.factsFile(), c.content)
			facts, err := f.Facts()
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("got %v, expected %v", err, c.want)
			}
			if err != nil && (facts.Name != "" || !strings.Contains(err.Error(), f.Path)) {
				t.Errorf("facts %+v with %v", facts, err)
			}
		})
	}
	if _, err := In(t.TempDir(), "aip").Facts(); !errors.Is(err, ErrNotThere) {
		t.Errorf("absent: %v", err)
	}
}

func TestSaveAndFacts(t *testing.T) {
	t.Parallel()
	f := folder(t)
	want := bootstrap.Facts{
		Cluster: bootstrap.ClusterFacts{Kind: "embedded", GatewayPort: 8080},
		Proof:   bootstrap.ProofFacts{Of: "x", At: time.Unix(7, 0).UTC()},
		Timing:  bootstrap.TimingFacts{Total: time.Second, Steps: map[string]time.Duration{"cluster": time.Second}},
	}
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := f.Facts()
	if err != nil {
		t.Fatal(err)
	}
	want.Version, want.Name = bootstrap.FactsVersion, "aip"
	if g, w := encode(t, got), encode(t, want); g != w {
		t.Errorf("got %s, expected %s", g, w)
	}
	if info, err := os.Stat(f.factsFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, expected 0600 (%v)", info.Mode(), err)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A reader beside a writer never sees half of the facts, and nothing but the file is left.
func TestSaveIsAtomic(t *testing.T) {
	t.Parallel()
	f := folder(t)
	const rounds = 200
	save := func(n int) {
		if err := f.Save(bootstrap.Facts{Cluster: bootstrap.ClusterFacts{Why: strings.Repeat(fmt.Sprint(n%10), 20000)}}); err != nil {
			t.Error(err)
		}
	}
	save(0)
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(done)
		for n := range rounds {
			save(n)
		}
	})
	reads := 0
	for ended := false; !ended; reads++ {
		select {
		case <-done:
			ended = true
		default:
		}
		facts, err := f.Facts()
		if why := facts.Cluster.Why; err != nil || len(why) != 20000 || strings.Trim(why, why[:1]) != "" {
			t.Fatalf("read %d: %d characters, %v", reads, len(why), err)
		}
	}
	group.Wait()
	if entries, err := os.ReadDir(f.Path); err != nil || len(entries) != 1 {
		t.Errorf("%d files are left, expected 1 (%v)", len(entries), err)
	}
}

// A write that fails leaves the old file and nothing beside it.
func TestWriteFileThatFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.MkdirAll(filepath.Join(target, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(target, []byte("x")); !errors.Is(err, ErrUnusable) {
		t.Errorf("over a folder: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left beside the target: %v (%v)", entries, err)
	}
}

func TestListAndRemove(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if names, err := List(filepath.Join(root, "absent")); err != nil || names != nil {
		t.Errorf("absent: %v, %v", names, err)
	}
	for _, name := range []string{"b", "a", "Not-A-Name"} {
		if err := In(root, name).Make(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "file"), "")
	if names, err := List(root); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("got %v, %v", names, err)
	}
	f := In(root, "a")
	if err := f.Save(bootstrap.Facts{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := List(root); err != nil || !slices.Equal(names, []string{"b"}) {
		t.Errorf("after a was removed: %v, %v", names, err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	f := In("/root", "aip")
	for got, want := range map[string]string{
		f.Path: "/root/aip", f.Kubeconfig(): "/root/aip/kubeconfig", f.Tokens(): "/root/aip/tokens", f.Log("up"): "/root/aip/up.log",
	} {
		if got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
	}
}
