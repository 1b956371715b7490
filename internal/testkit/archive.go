package testkit

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
)

// File is a file in an archive.
type File struct{ Name, Content string }

// Tar returns a tar archive of files.
func Tar(t testing.TB, files ...File) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Size: int64(len(f.Content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.Content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// ImageArchive returns an image of one layer as `docker save` writes it, and its id. No tag makes it one that was
// pulled by its digest alone.
func ImageArchive(t testing.TB, tag, architecture string, layer ...File) (archive []byte, id string) {
	t.Helper()
	content := Tar(t, layer...)
	digest := sha256.Sum256(content)
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(digest[:])}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(config)
	name := hex.EncodeToString(sum[:])
	tags := "null"
	if tag != "" {
		tags = fmt.Sprintf("[%q]", tag)
	}
	return Tar(t,
		File{name + ".json", string(config)},
		File{"layer/layer.tar", string(content)},
		File{"manifest.json", fmt.Sprintf(`[{"Config":"%s.json","RepoTags":%s,"Layers":["layer/layer.tar"]}]`, name, tags)},
	), "sha256:" + name
}
