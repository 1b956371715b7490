package images

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aip-dev/aip-dev/internal/testkit"
)

// begun returns a writer and the folder that it writes to.
func begun(t *testing.T) (*BundleWriter, string) {
	t.Helper()
	folder := t.TempDir()
	w, err := NewBundle(filepath.Join(folder, "aip.bundle"), "v1", false)
	if err != nil {
		t.Fatal(err)
	}
	return w, folder
}

// TestOverwrite: a file that is there stays as it is unless force was asked for.
func TestOverwrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aip.bundle")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewBundle(path, "v1", false); !errors.Is(err, ErrBundleExists) {
		t.Errorf("%v, expected ErrBundleExists", err)
	}
	only(t, filepath.Dir(path), "aip.bundle")
	w, err := NewBundle(path, "v1", true)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, w)
	if data, err := os.ReadFile(path); err != nil || string(data) != "mine" {
		t.Errorf("before the end: %q, %v; expected what was there", data, err)
	}
	if err := w.Finish(true); err != nil {
		t.Fatal(err)
	}
	only(t, filepath.Dir(path), "aip.bundle")
	if err := opened(t, path).Verify(t.Context(), func(int64, int64) {}); err != nil {
		t.Error(err)
	}
	if _, err := NewBundle(filepath.Dir(path), "v1", true); !errors.Is(err, ErrBundleExists) {
		t.Errorf("a folder: %v, expected ErrBundleExists", err)
	}
	if _, err := NewBundle(filepath.Join(path, "none"), "v1", true); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

// TestNothingIsLeft: whatever ends the writing, no file is left.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	broken := errors.New("the engine ended")
	node := nodeArchive(t, nodeReference)
	for name, c := range map[string]struct {
		write func(cancel func()) func(io.Writer) error
		want  error
	}{
		"the source fails": {func(func()) func(io.Writer) error {
			return func(w io.Writer) error { _, _ = w.Write(node[:700]); return broken }
		}, broken},
		"interrupted": {func(cancel func()) func(io.Writer) error {
			return func(w io.Writer) error { cancel(); return from(node)(w) }
		}, context.Canceled},
		"cut short": {func(func()) func(io.Writer) error { return from(node[:600]) }, io.ErrUnexpectedEOF},
		"empty":     {func(func()) func(io.Writer) error { return from(nil) }, ErrUnfit},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		w, folder := begun(t)
		if _, err := w.Image(ctx, KindNode, nodeReference, c.write(cancel), nobodyTold); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", name, err, c.want)
		}
		cancel()
		if err := w.Abandon(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		only(t, folder)
	}
}

// TestIncomplete: a bundle without all of its entries gets no name.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	w, folder := begun(t)
	if _, err := w.Image(t.Context(), KindNode, nodeReference, from(nodeArchive(t, nodeReference)), nobodyTold); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(false); err == nil {
		t.Error("it was finished")
	}
	if err := errors.Join(w.Abandon(), w.Abandon()); err != nil {
		t.Error(err)
	}
	only(t, folder)
}

// TestTwoWriters: a bundle that is being written is left alone, and what a killed writer left is taken over.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	w, folder := begun(t)
	path := filepath.Join(folder, "aip.bundle")
	if _, err := NewBundle(path, "v1", true); !errors.Is(err, ErrBundleBusy) {
		t.Errorf("%v, expected ErrBundleBusy", err)
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+partSuffix, []byte(strings.Repeat("left over ", 1<<16)), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := NewBundle(path, "v1", false)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, w)
	if err := w.Finish(false); err != nil {
		t.Fatal(err)
	}
	only(t, folder, "aip.bundle")
	if err := opened(t, path).Verify(t.Context(), func(int64, int64) {}); err != nil {
		t.Error(err)
	}
	if err := os.Symlink(path, filepath.Join(folder, "link"+partSuffix)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewBundle(filepath.Join(folder, "link"), "v1", false); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("over a link: %v, expected ELOOP", err)
	}
}

// TestUnfit: images that an environment could not use are refused when the bundle is written.
func TestUnfit(t *testing.T) {
	t.Parallel()
	plain, _ := testkit.ImageArchive(t, nodeReference, "amd64", testkit.File{Name: "a", Content: "b"})
	other, _ := testkit.ImageArchive(t, keycloakReference, "arm64", testkit.File{Name: "a", Content: "b"})
	nameless, _ := testkit.ImageArchive(t, "", "amd64", testkit.File{Name: "a", Content: "b"})
	two := testkit.Tar(t, testkit.File{Name: "manifest.json", Content: `[{"Config":"a"},{"Config":"b"}]`})
	bare := testkit.Tar(t, testkit.File{Name: "manifest.json", Content: `[{"Config":"a.json"}]`})
	windows := testkit.Tar(t, testkit.File{Name: "manifest.json", Content: `[{"Config":"a.json"}]`}, testkit.File{Name: "a.json", Content: `{"os":"windows"}`})
	for name, archive := range map[string][]byte{"no kind node": plain, "two images": two, "no configuration": bare, "another system": windows} {
		w, _ := begun(t)
		if _, err := w.Image(t.Context(), KindNode, nodeReference, from(archive), nobodyTold); !errors.Is(err, ErrUnfit) {
			t.Errorf("%s: %v, expected ErrUnfit", name, err)
		}
	}
	for name, archive := range map[string][]byte{"another architecture": other, "without a name": nameless} {
		w, _ := begun(t)
		// A node image may come without a name: whoever loads it gives it one.
		e, err := w.Image(t.Context(), KindNode, nodeReference, from(nodeArchive(t, "")), nobodyTold)
		if err != nil || !e.Untagged {
			t.Fatalf("%+v, %v; expected an untagged node", e, err)
		}
		if _, err := w.Image(t.Context(), KindKeycloak, keycloakReference, from(archive), nobodyTold); !errors.Is(err, ErrUnfit) {
			t.Errorf("%s: %v, expected ErrUnfit", name, err)
		}
	}
}

func TestTagged(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + strings.Repeat("0123456789abcdef", 4)
	for reference, want := range map[string]string{
		"kindest/node:v1.37.0" + digest: "kindest/node:v1.37.0",
		"kindest/node:v1.37.0":          "kindest/node:v1.37.0",
		"localhost:5000/node" + digest:  "localhost:5000/node:digest-0123456789ab",
		"localhost:5000/node":           "localhost:5000/node:latest",
		"node@sha256:12":                "node:digest-12",
	} {
		if found := Tagged(reference); found != want {
			t.Errorf("%s: %s, expected %s", reference, found, want)
		}
	}
}
