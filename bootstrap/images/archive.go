package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/klauspost/compress/zstd"
)

// contents is what an archive of one image says of it.
type contents struct {
	ids []string
	// tags are the names that the archive gives to the image.
	tags         []string
	architecture string
	system       string
	// kubernetes is the version that a node image of kind states, "" for other images.
	kubernetes string
}

// Limits of what is kept of an archive while it passes by: configurations and manifests are small, layers are not.
const (
	smallFile = 1 << 20
	keepFiles = 64 << 20
)

// nodeVersion is the file in a node image that names its Kubernetes version.
// Source: https://pkg.go.dev/sigs.k8s.io/kind/pkg/cluster/nodeutils#KubeVersion
const nodeVersion = "kind/version"

// passing is what was kept of an archive.
type passing struct {
	small map[string][]byte
	kept  int64
	// links are symbolic links by their name, which engines use for layers that are there twice.
	links map[string]string
	// versions are contents of nodeVersion by the layer that has it.
	versions map[string]string
}

// scan reads an archive as `docker save` writes it, in either of its forms, in one pass. node says that it is one of a
// kind node. Source: https://github.com/moby/moby/blob/v28.0.0/image/spec/v1.2.md
func scan(r io.Reader, node bool) (contents, error) {
	p := passing{small: map[string][]byte{}, links: map[string]string{}, versions: map[string]string{}}
	files := tar.NewReader(r)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return contents{}, fmt.Errorf("read the image's archive: %w", err)
		}
		if err := p.take(h, files, node); err != nil {
			return contents{}, fmt.Errorf("read the image's archive: %w", err)
		}
	}
	return p.contents()
}

// take keeps what is needed of one file.
func (p *passing) take(h *tar.Header, content io.Reader, node bool) error {
	file := path.Clean(h.Name)
	switch {
	case h.Typeflag == tar.TypeSymlink:
		p.links[file] = path.Join(path.Dir(file), h.Linkname) //nolint:gosec // the name of an entry in memory; nothing is extracted
		return nil
	case h.Typeflag != tar.TypeReg:
		return nil
	case h.Size <= smallFile:
		if p.kept += h.Size; p.kept > keepFiles {
			return fmt.Errorf("more than %d MiB of small files, expected an image", keepFiles>>20)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		p.small[file], content = data, bytes.NewReader(data)
	}
	if node {
		if version := versionInLayer(content); version != "" {
			p.versions[file] = version
		}
	}
	return nil
}

// contents puts together what the files say.
func (p *passing) contents() (contents, error) {
	var described []struct {
		Config   string   `json:"Config"`
		RepoTags []string `json:"RepoTags"`
		Layers   []string `json:"Layers"`
	}
	if err := json.Unmarshal(p.small["manifest.json"], &described); err != nil || len(described) != 1 {
		return contents{}, fmt.Errorf("%w: its archive describes %d images, expected one", ErrUnfit, len(described))
	}
	config, found := p.small[path.Clean(described[0].Config)]
	var about struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	if err := json.Unmarshal(config, &about); err != nil || !found {
		return contents{}, fmt.Errorf("%w: its archive has no configuration %q", ErrUnfit, described[0].Config)
	}
	digest := sha256.Sum256(config)
	c := contents{
		ids: []string{"sha256:" + hex.EncodeToString(digest[:])}, tags: described[0].RepoTags,
		architecture: about.Architecture, system: about.OS,
	}
	var index struct {
		Manifests []struct {
			Digest string `json:"digest"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(p.small["index.json"], &index); err == nil {
		for _, m := range index.Manifests {
			if imageID.MatchString(m.Digest) && !slices.Contains(c.ids, m.Digest) {
				c.ids = append(c.ids, m.Digest)
			}
		}
	}
	for _, layer := range slices.Backward(described[0].Layers) {
		layer = path.Clean(layer)
		if target, linked := p.links[layer]; linked {
			layer = target
		}
		if c.kubernetes = p.versions[layer]; c.kubernetes != "" {
			break
		}
	}
	return c, nil
}

// named reports whether the archive gives the image this name.
func (c contents) named(reference string) bool {
	wanted, err := name.NewTag(reference)
	return err == nil && slices.ContainsFunc(c.tags, func(tag string) bool {
		found, err := name.NewTag(tag)
		return err == nil && found.Name() == wanted.Name()
	})
}

// versionInLayer returns what nodeVersion holds in a layer, or "" when there is none or it is no layer.
func versionInLayer(r io.Reader) string {
	plain, done := uncompressed(bufio.NewReader(r))
	defer done()
	files := tar.NewReader(plain)
	for {
		h, err := files.Next()
		if err != nil {
			return ""
		}
		if path.Clean(h.Name) != nodeVersion || h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(files, block))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
}

// uncompressed returns what a layer holds, by the first bytes of it. done frees what was needed for it.
func uncompressed(r *bufio.Reader) (plain io.Reader, done func()) {
	first, _ := r.Peek(4) //nolint:mnd // the longest of the signatures; a shorter file has none
	switch {
	case bytes.HasPrefix(first, []byte{0x1f, 0x8b}):
		if unzip, err := gzip.NewReader(r); err == nil {
			return unzip, func() { _ = unzip.Close() } // nothing was written
		}
	case bytes.Equal(first, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		if decoder, err := zstd.NewReader(r); err == nil {
			return decoder, decoder.Close
		}
	}
	return r, func() {}
}
