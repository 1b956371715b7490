package images

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/aip-dev/aip-dev/internal/testkit"
)

const (
	nodeReference     = "example.org/node:v1.37.2"
	keycloakReference = "example.org/keycloak:26"
)

// nobodyTold drops progress.
func nobodyTold(int64) {}

// from returns what writes an archive.
func from(archive []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(archive)
		return err
	}
}

// nodeArchive is an image as a kind node has it, as far as a bundle looks.
func nodeArchive(t *testing.T, tag string) []byte {
	t.Helper()
	archive, _ := testkit.ImageArchive(t, tag, "amd64",
		testkit.File{Name: "etc/hosts", Content: "x"}, testkit.File{Name: "kind/version", Content: "v1.37.2\n"})
	return archive
}

// fill puts a small image or file of every kind into a bundle.
func fill(t *testing.T, w *BundleWriter) {
	t.Helper()
	keycloak, _ := testkit.ImageArchive(t, keycloakReference, "amd64", testkit.File{Name: "a", Content: strings.Repeat("keycloak ", 999)})
	gateway, _ := testkit.ImageArchive(t, "example.org/gateway:dev-1", "amd64", testkit.File{Name: "a", Content: "gateway"})
	for _, i := range []struct {
		kind      Kind
		reference string
		archive   []byte
	}{
		{KindNode, nodeReference, nodeArchive(t, nodeReference)},
		{KindKeycloak, keycloakReference, keycloak},
		{KindGateway, "example.org/gateway:dev-1", gateway},
	} {
		if _, err := w.Image(t.Context(), i.kind, i.reference, from(i.archive), nobodyTold); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.File(t.Context(), KindChart, "chart 1", []byte("a chart")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.File(t.Context(), KindKeycloakManifest, keycloakReference, []byte("a manifest")); err != nil {
		t.Fatal(err)
	}
}

// written returns the path of a complete bundle.
func written(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aip.bundle")
	w, err := NewBundle(path, "v1", false)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, w)
	if err := errors.Join(w.Finish(false), w.Abandon()); err != nil {
		t.Fatal(err)
	}
	return path
}

// opened returns the bundle at path.
func opened(t *testing.T, path string) *Bundle {
	t.Helper()
	b, err := OpenBundle(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// only checks that a folder holds these files and nothing else.
func only(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if strings.Join(found, " ") != strings.Join(names, " ") {
		t.Errorf("found %q, expected %q", found, names)
	}
}

// TestBundle writes a bundle and reads it back: every image comes out as it went in.
func TestBundle(t *testing.T) {
	t.Parallel()
	path := written(t)
	only(t, filepath.Dir(path), "aip.bundle")
	b := opened(t, path)
	if b.Version != "v1" || b.Architecture != "amd64" || b.Kubernetes != "v1.37.2" || b.Format != BundleFormat {
		t.Errorf("found %+v", b.Manifest)
	}
	var last int64
	if err := b.Verify(t.Context(), func(done, total int64) { last = total - done }); err != nil || last != 0 {
		t.Errorf("%v, and %d bytes were not told", err, last)
	}
	for _, reference := range []string{nodeReference, keycloakReference} {
		kind := map[string]Kind{nodeReference: KindNode, keycloakReference: KindKeycloak}[reference]
		var out bytes.Buffer
		if err := b.WriteImage(t.Context(), kind, &out); err != nil {
			t.Fatal(err)
		}
		if e := b.Entry(kind); e.Reference != reference || e.Archive != int64(out.Len()) || !e.Is(configOf(t, out.Bytes(), reference)) || e.Untagged {
			t.Errorf("found %+v for %s with %d bytes", e, reference, out.Len())
		}
	}
	if content, err := b.File(t.Context(), KindChart); err != nil || string(content) != "a chart" {
		t.Errorf("%q, %v; expected the chart", content, err)
	}
}

// configOf reads an archive as a registry client does and returns the digest of the image's configuration.
func configOf(t *testing.T, archive []byte, reference string) string {
	t.Helper()
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	var image v1.Image
	image, err = tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, &tag)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// TestRealGateway: the image that this package makes is one that a bundle takes.
func TestRealGateway(t *testing.T) {
	t.Parallel()
	made := image(t, self(t))
	var archive bytes.Buffer
	if err := made.Write(&archive, "0.1.0"); err != nil {
		t.Fatal(err)
	}
	found, err := scan(&archive, false)
	if err != nil || !found.named(made.Reference()) || !found.named("example.org/gateway:0.1.0") || found.system != "linux" {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestEveryByteCounts flips one byte at a time, in every part of the file: each flip is found, and the entry named.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	path := written(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := opened(t, path)
	bad := filepath.Join(t.TempDir(), "bad.bundle")
	flip := func(at int64) error {
		data := bytes.Clone(good)
		data[at] ^= 1
		if err := os.WriteFile(bad, data, 0o600); err != nil {
			t.Fatal(err)
		}
		damaged, err := OpenBundle(bad)
		if err != nil {
			return err
		}
		defer func() { _ = damaged.Close() }()
		return damaged.Verify(t.Context(), func(int64, int64) {})
	}
	for at := int64(0); at < int64(len(good)); at += 61 {
		if err := flip(at); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotBundle) && !errors.Is(err, ErrTruncated) {
			t.Errorf("byte %d of %d: %v", at, len(good), err)
		}
	}
	for _, e := range b.Entries {
		for _, at := range []int64{0, e.Size / 2, e.Size - 1} {
			var sum *SumError
			if err := flip(b.starts[e.Kind] + at); !errors.As(err, &sum) || sum.Entry != e.Name || sum.Expected != e.SHA256 || sum.Found == e.SHA256 {
				t.Errorf("byte %d of %s: %v", at, e.Name, err)
			}
		}
	}
	var sum *SumError
	if err := flip(block + 20); !errors.As(err, &sum) || sum.Entry != manifestName {
		t.Errorf("in the manifest: %v", err)
	}
}

// TestTruncated cuts a bundle at every length: it is told that its end is missing, or that it is none.
func TestTruncated(t *testing.T) {
	t.Parallel()
	path := written(t)
	size := opened(t, path).Size
	for length := size - 1; length >= 0; length -= 257 {
		if err := os.Truncate(path, length); err != nil {
			t.Fatal(err)
		}
		wanted := ErrTruncated
		if length < block {
			wanted = ErrNotBundle
		}
		if _, err := OpenBundle(path); !errors.Is(err, wanted) {
			t.Errorf("%d of %d bytes: %v, expected %v", length, size, err, wanted)
		}
	}
}

// TestChangedUnderway: what was verified and then changed does not come out as an image.
func TestChangedUnderway(t *testing.T) {
	t.Parallel()
	path := written(t)
	b := opened(t, path)
	if err := b.Verify(t.Context(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	e := b.Entry(KindKeycloak)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("changed"), b.starts[e.Kind]+e.Size/2); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	var sum *SumError
	if err := b.WriteImage(t.Context(), e.Kind, io.Discard); !errors.As(err, &sum) || sum.Entry != e.Name {
		t.Errorf("%v, expected a wrong checksum", err)
	}
	broken := errors.New("the reader is gone")
	if err := b.WriteImage(t.Context(), KindNode, failing{broken}); !errors.Is(err, broken) {
		t.Errorf("%v, expected what the writer said", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.WriteImage(ended, KindNode, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected the end of the context", err)
	}
}

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestNotABundle: other files are told apart from damaged bundles.
func TestNotABundle(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, content := range map[string][]byte{
		"empty": nil, "text": []byte(strings.Repeat("text ", 999)), "zeros": make([]byte, 4096),
		"tar": testkit.Tar(t, testkit.File{Name: "other.json", Content: "{}"}),
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBundle(path); !errors.Is(err, ErrNotBundle) {
			t.Errorf("%s: %v, expected ErrNotBundle", name, err)
		}
	}
	if _, err := OpenBundle(folder); !errors.Is(err, ErrNotBundle) {
		t.Errorf("a folder: %v, expected ErrNotBundle", err)
	}
	if _, err := OpenBundle(filepath.Join(folder, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
