package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// self is the test's own program, which is static as the product is.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func image(t *testing.T, path string) Image {
	t.Helper()
	i, err := Gateway(path, "example.org/gateway", runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestGateway reads the archive back as a cluster would: one layer with the program, which nobody in particular runs.
func TestGateway(t *testing.T) {
	t.Parallel()
	made := image(t, self(t))
	var archive bytes.Buffer
	if err := made.Write(&archive, "released"); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("example.org/gateway:released")
	if err != nil {
		t.Fatal(err)
	}
	read, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := read.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := config.Config; len(c.Entrypoint) != 1 || c.Entrypoint[0] != "/aip-dev" || c.User != "65532:65532" || config.OS != "linux" || config.Architecture != runtime.GOARCH {
		t.Errorf("found %+v of %s/%s", c, config.OS, config.Architecture)
	}
	layers, err := read.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v; expected one", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(content)
	for {
		h, err := files.Next()
		if err != nil {
			t.Fatalf("the program is not in the layer: %v", err)
		}
		if h.Name != "aip-dev" {
			continue
		}
		inside, err := io.ReadAll(files)
		if err != nil || !bytes.Equal(inside, program) || h.Mode != 0o755 {
			t.Errorf("%d bytes with mode %o, %v; expected %d with mode 755", len(inside), h.Mode, err, len(program))
		}
		return
	}
}

// TestReproducible: the same program gives the same tag, wherever it lies and whenever it was written.
func TestReproducible(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	copied, changed := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "changed")
	for path, content := range map[string][]byte{copied: program, changed: append(program, 0)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := image(t, self(t))
	if second := image(t, copied); second.Reference() != first.Reference() {
		t.Errorf("%s and %s, expected the same", first.Reference(), second.Reference())
	}
	if other := image(t, changed); other.Reference() == first.Reference() {
		t.Errorf("another program has the reference %s as well", other.Reference())
	}
}

// TestNotLinux: what no container could run is refused before it is in one.
func TestNotLinux(t *testing.T) {
	t.Parallel()
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	of := func(name, begins string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, append([]byte(begins), make([]byte, 4096)...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct{ path, architecture string }{
		"another architecture": {self(t), other},
		"a script":             {of("script", "#!/bin/sh\n"), runtime.GOARCH},
		"shared libraries":     {"/bin/sh", runtime.GOARCH},
		// How programs begin on macOS and on Windows: debug/macho.Magic64, and the header of MS-DOS before that of debug/pe.
		"a program of macOS":   {of("darwin", "\xcf\xfa\xed\xfe"), runtime.GOARCH},
		"a program of Windows": {of("windows.exe", "MZ"), runtime.GOARCH},
		"no content":           {"/dev/null", runtime.GOARCH},
	} {
		if _, err := Gateway(c.path, "example.org/gateway", c.architecture); !errors.Is(err, ErrNotLinux) {
			t.Errorf("%s: %v, expected ErrNotLinux", name, err)
		}
	}
	if _, err := Gateway(filepath.Join(t.TempDir(), "none"), "example.org/gateway", runtime.GOARCH); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
