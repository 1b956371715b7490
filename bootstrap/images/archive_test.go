package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"

	"github.com/aip-dev/aip-dev/internal/testkit"
)

// TestScanOCI reads an archive as newer engines write it: an OCI layout with compressed layers, of which the last one
// that has the version counts.
func TestScanOCI(t *testing.T) {
	t.Parallel()
	digest := func(content string) string {
		sum := sha256.Sum256([]byte(content))
		return hex.EncodeToString(sum[:])
	}
	version := func(v string) []byte { return testkit.Tar(t, testkit.File{Name: "./kind/version", Content: v}) }
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	if _, err := zip.Write(version("v1.36.0")); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	last := encoder.EncodeAll(version("v1.37.2\n"), nil)
	config := `{"architecture":"arm64","os":"linux"}`
	manifest := "sha256:" + digest("manifest")
	archive := testkit.Tar(t,
		testkit.File{Name: "index.json", Content: fmt.Sprintf(`{"manifests":[{"digest":%q},{"digest":"odd"}]}`, manifest)},
		testkit.File{Name: "blobs/sha256/first", Content: zipped.String()},
		testkit.File{Name: "blobs/sha256/last", Content: string(last)},
		testkit.File{Name: "blobs/sha256/" + digest(config), Content: config},
		testkit.File{Name: "manifest.json", Content: fmt.Sprintf(
			`[{"Config":"blobs/sha256/%s","RepoTags":["docker.io/kindest/node:v1"],"Layers":["blobs/sha256/first","blobs/sha256/last"]}]`, digest(config))},
	)
	found, err := scan(bytes.NewReader(archive), true)
	if err != nil {
		t.Fatal(err)
	}
	if found.kubernetes != "v1.37.2" || found.architecture != "arm64" || !found.named("kindest/node:v1") || found.named("kindest/node:v2") ||
		fmt.Sprint(found.ids) != fmt.Sprintf("[sha256:%s %s]", digest(config), manifest) {
		t.Errorf("found %+v", found)
	}
}

// TestScanLinkedLayer: older engines write a layer that is there twice as a link.
func TestScanLinkedLayer(t *testing.T) {
	t.Parallel()
	layer := testkit.Tar(t, testkit.File{Name: "kind/version", Content: "v1.37.2"})
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, h := range []struct {
		header  tar.Header
		content []byte
	}{
		{tar.Header{Typeflag: tar.TypeReg, Name: "a/layer.tar", Size: int64(len(layer))}, layer},
		{tar.Header{Typeflag: tar.TypeSymlink, Name: "b/layer.tar", Linkname: "../a/layer.tar"}, nil},
		{tar.Header{Typeflag: tar.TypeReg, Name: "c.json", Size: 2}, []byte("{}")},
		{tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: 47}, []byte(`[{"Config":"c.json","Layers":["b/layer.tar"]} ]`)},
	} {
		if err := w.WriteHeader(&h.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(h.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := scan(&archive, true); err != nil || found.kubernetes != "v1.37.2" {
		t.Errorf("%+v, %v; expected the version in the linked layer", found, err)
	}
}

func TestPackChart(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"Chart.yaml": {Data: []byte("name: c")}, "templates/a.yaml": {Data: []byte("a: b")}}
	packed, err := PackChart(files, "c")
	if err != nil {
		t.Fatal(err)
	}
	again, err := PackChart(files, "c")
	if err != nil || !bytes.Equal(packed, again) {
		t.Errorf("the same files gave another archive (%v)", err)
	}
	plain, err := unzip(packed)
	if err != nil {
		t.Fatal(err)
	}
	var stored bytes.Buffer
	zip, err := gzip.NewWriterLevel(&stored, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zip.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if !SameChart(packed, stored.Bytes()) {
		t.Error("another compression makes another chart")
	}
	files["values.yaml"] = &fstest.MapFile{Data: []byte("x: y")}
	if other, err := PackChart(files, "c"); err != nil || SameChart(packed, other) || SameChart(packed, []byte("no archive")) {
		t.Errorf("another chart is the same (%v)", err)
	}
}
