//go:build unix

package kept_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/internal/token/kept"
)

// TestFileCacheDoesNotWaitForAPipe has a pipe in the place of the file, which nobody ever writes to.
func TestFileCacheDoesNotWaitForAPipe(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tokens")
	cache := kept.NewFileCache(dir, func() time.Time { return start })
	if err := cache.Put("aip", "agent", kept.Token{Raw: "kept", Expiry: start.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	file := onlyFile(t, dir)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if !stale(cache) {
		t.Error("a pipe is trusted")
	}
}
