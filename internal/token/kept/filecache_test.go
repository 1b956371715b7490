package kept_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/token/kept"
)

var start = time.Unix(1_700_000_000, 0)

func TestFileCache(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "tokens")
	now := start
	clock := func() time.Time { return now }
	cache := kept.NewFileCache(dir, clock)
	tok := kept.Token{Raw: "kept", Expiry: start.Add(300 * time.Second)}
	if _, ok := cache.Get("aip", "agent"); ok {
		t.Error("an empty cache has a token")
	}
	if err := cache.Put("aip", "agent", tok); err != nil {
		t.Fatal(err)
	}
	other := kept.NewFileCache(dir, clock) // another process
	if got, ok := other.Get("aip", "agent"); !ok || got.Raw != "kept" || !got.Expiry.Equal(tok.Expiry) {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, key := range [][2]string{{"aip", "other"}, {"other", "agent"}, {"aipagent", ""}, {"../../x", "agent"}} {
		if _, ok := cache.Get(key[0], key[1]); ok {
			t.Errorf("%v has the token of another", key)
		}
	}
	if folder, file := mode(t, dir), mode(t, onlyFile(t, dir)); folder != 0o700 || file != 0o600 {
		t.Errorf("modes %o and %o, expected 700 and 600", folder, file)
	}
	if now = start.Add(270 * time.Second); !stale(cache) {
		t.Error("the token is handed out 30 s before its end")
	}
	now = start
	if err := cache.Remove("aip", "agent"); err != nil || !stale(cache) {
		t.Errorf("removed: %v", err)
	}
	if err := cache.Remove("aip", "agent"); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

func stale(c *kept.FileCache) bool {
	_, ok := c.Get("aip", "agent")
	return !ok
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	return filepath.Join(dir, entries[0].Name())
}

func TestFileCacheTrustsNobody(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, file string) error{
		"open to the group":  func(_ *testing.T, f string) error { return os.Chmod(f, 0o640) },
		"writable by others": func(_ *testing.T, f string) error { return os.Chmod(f, 0o602) },
		"not JSON":           func(_ *testing.T, f string) error { return os.WriteFile(f, []byte("{"), 0o600) },
		"of another client":  func(_ *testing.T, f string) error { return replace(f, `"agent"`, `"admin"`) },
		"far too large":      func(_ *testing.T, f string) error { return os.Truncate(f, 1<<20) },
		"a link": func(_ *testing.T, f string) error {
			return errors.Join(os.Rename(f, f+".real"), os.Symlink(f+".real", f))
		},
		"a folder": func(_ *testing.T, f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o700)) },
		"of another user": func(_ *testing.T, f string) error {
			if os.Geteuid() != 0 {
				return os.Remove(f) // only root can give files away
			}
			return os.Chown(f, 12345, -1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "tokens")
			cache := kept.NewFileCache(dir, func() time.Time { return start })
			if err := cache.Put("aip", "agent", kept.Token{Raw: "kept", Expiry: start.Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			if err := spoil(t, onlyFile(t, dir)); err != nil {
				t.Fatal(err)
			}
			if !stale(cache) {
				t.Error("the file is trusted")
			}
		})
	}
}

func replace(file, old, with string) error {
	blob, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, bytes.ReplaceAll(blob, []byte(old), []byte(with)), 0o600)
}

func TestFileCacheWrap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cache, minted := kept.NewFileCache(dir, func() time.Time { return start }), 0
	life := time.Hour
	mint := func(context.Context) (kept.Token, error) {
		minted++
		return kept.Token{Raw: fmt.Sprintf("t%d", minted), Expiry: start.Add(life)}, nil
	}
	for range 2 { // two processes
		if got, err := cache.Wrap("aip", "agent", mint)(t.Context()); err != nil || got.Raw != "t1" {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if mode(t, dir) != 0o700 {
		t.Errorf("the folder stayed open: %o", mode(t, dir))
	}
	life = 20 * time.Second
	if got, err := cache.Wrap("aip", "short", mint)(t.Context()); err != nil || got.Raw != "t2" {
		t.Errorf("short-lived: %v, %v", got, err)
	}
	if _, err := os.ReadDir(dir); err != nil || filepath.Dir(onlyFile(t, dir)) != dir {
		t.Errorf("a token too short to keep was kept: %v", err)
	}
	blocked := kept.NewFileCache(filepath.Join(onlyFile(t, dir), "below-a-file"), func() time.Time { return start })
	if got, err := blocked.Wrap("aip", "agent", mint)(t.Context()); err != nil || got.Raw != "t3" {
		t.Errorf("unwritable cache: %v, %v", got, err)
	}
	if err := blocked.Put("aip", "agent", kept.Token{Raw: "t"}); err == nil || strings.Contains(err.Error(), "t3") {
		t.Errorf("Put into an unwritable cache: %v", err)
	}
	down := errors.New("down")
	if _, err := cache.Wrap("aip", "none", func(context.Context) (kept.Token, error) { return kept.Token{}, down })(t.Context()); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

func TestFileCacheManyWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			cache := kept.NewFileCache(dir, func() time.Time { return start })
			raw := strings.Repeat(fmt.Sprintf("%02d", i), 2000)
			if err := cache.Put("aip", "agent", kept.Token{Raw: raw, Expiry: start.Add(time.Hour)}); err != nil {
				t.Error(err)
			}
			got, ok := cache.Get("aip", "agent")
			if !ok || len(got.Raw) != 4000 || strings.Trim(got.Raw, got.Raw[:2]) != "" {
				t.Error("a torn or missing file was read")
			}
		})
	}
	wg.Wait()
	onlyFile(t, dir)
}
