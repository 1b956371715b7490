package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// A bundle is a tar archive (USTAR) whose every byte follows from its manifest and the contents of its entries:
//
//	bundle.json          the manifest, padded with spaces to manifestSize
//	bundle.json.sha256   its SHA-256, as sha256sum writes it
//	node.tar.zst ...     the entries, in the order of places
//
// The first two are the same in every format, so that any version can tell a damaged bundle from a newer one.
// docs/bundle.md describes it for people.

// BundleFormat is the version of the format that this program reads and writes.
const BundleFormat = 1

// Kind says what an entry of a bundle is for.
type Kind string

// Kinds of entries. A bundle has one of each.
const (
	KindNode             Kind = "node"
	KindKeycloak         Kind = "keycloak"
	KindGateway          Kind = "gateway"
	KindChart            Kind = "chart"
	KindKeycloakManifest Kind = "manifest"
)

// place is where an entry lies. Images are archives as `docker save` writes them, compressed with Zstandard.
type place struct {
	kind  Kind
	name  string
	image bool
}

// places are the entries of a bundle in their order. Names are never taken from a file.
func places() []place {
	return []place{
		{KindNode, "node.tar.zst", true},
		{KindKeycloak, "keycloak.tar.zst", true},
		{KindGateway, "gateway.tar.zst", true},
		{KindChart, "chart.tgz", false},
		{KindKeycloakManifest, "keycloak.yaml", false},
	}
}

const (
	manifestName = "bundle.json"
	sumName      = manifestName + ".sha256"
	// manifestSize is what the manifest takes when it is written: its place is kept until the entries are known.
	manifestSize = 16 << 10
	// maxManifest is the largest manifest that is read, of any format.
	maxManifest = 1 << 20
	// maxEntry is what a header of USTAR can say.
	maxEntry = 1<<33 - 1
	// maxFile is the largest entry that is read into memory.
	maxFile = 16 << 20
	// block is what a tar archive is made of; it ends with two empty ones.
	block = 512
)

// Errors that callers tell apart.
var (
	// ErrNotBundle says that a file is no bundle at all.
	ErrNotBundle = errors.New("not a bundle of aip-dev")
	// ErrNewerBundle says that a bundle has a format that this program does not know.
	ErrNewerBundle = errors.New("the bundle has a newer format")
	// ErrTruncated says that the end of a bundle is missing.
	ErrTruncated = errors.New("the bundle is cut short")
	// ErrDamaged says that a bundle is not as it was written.
	ErrDamaged = errors.New("the bundle is damaged")
	// ErrBundleExists says that a file of the wanted name is there already.
	ErrBundleExists = errors.New("the file is there already")
	// ErrBundleBusy says that another process writes the same bundle right now.
	ErrBundleBusy = errors.New("another process is writing this bundle")
	// ErrUnfit says that an image cannot be part of a bundle.
	ErrUnfit = errors.New("the image does not fit into the bundle")
)

// SumError says that an entry of a bundle has another checksum than the manifest says. It is ErrDamaged.
type SumError struct {
	// Entry is the name of the entry.
	Entry string
	// Found and Expected are SHA-256 digests in hexadecimal.
	Found, Expected string
}

// Error says what was found and what was expected.
func (e *SumError) Error() string {
	return fmt.Sprintf("%s: found sha256 %s, expected %s", e.Entry, e.Found, e.Expected)
}

// Unwrap returns ErrDamaged.
func (e *SumError) Unwrap() error { return ErrDamaged }

// Manifest says what is in a bundle.
type Manifest struct {
	// Format is BundleFormat.
	Format int `json:"format"`
	// Version is that of the program that wrote the bundle, as `aip-dev version` prints it.
	Version string `json:"version"`
	// Architecture is that of the images, as Go names it.
	Architecture string `json:"architecture"`
	// Kubernetes is the version in the node image.
	Kubernetes string `json:"kubernetes"`
	// Entries are one of each kind, in the order of the file.
	Entries []Entry `json:"entries"`
}

// Entry is one file in a bundle.
type Entry struct {
	// Name is its name in the tar archive.
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Reference is the name of an image with its tag; of a chart its name and version; of a manifest its image.
	Reference string `json:"reference"`
	// Size is in bytes, as it lies in the bundle.
	Size int64 `json:"size"`
	// SHA256 is the digest of these bytes in hexadecimal.
	SHA256 string `json:"sha256"`
	// Archive is the size of an image's archive in bytes, before compression.
	Archive int64 `json:"archive,omitempty"`
	// IDs are the digests under which an engine may know an image: of its configuration, and of its OCI manifest
	// where the archive has one.
	IDs []string `json:"ids,omitempty"`
	// Untagged says that the archive does not name the image, as engines write it for one that was pulled by its digest
	// alone. Whoever loads it names it.
	Untagged bool `json:"untagged,omitempty"`
}

// Is reports whether an engine's id of an image is one of this entry.
func (e Entry) Is(id string) bool {
	return slices.Contains(e.IDs, id)
}

// Entry returns the entry of a kind.
func (m Manifest) Entry(kind Kind) Entry {
	for _, e := range m.Entries {
		if e.Kind == kind {
			return e
		}
	}
	return Entry{} // validate holds that every kind is there
}

// The patterns below are compiled once and never written again.
var (
	hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)
	imageID   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	plainWord = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}$`)
)

// validate returns why a manifest cannot be one of this format. It does no I/O.
func (m Manifest) validate() error {
	for what, word := range map[string]string{"version": m.Version, "architecture": m.Architecture, "kubernetes": m.Kubernetes} {
		if !plainWord.MatchString(word) {
			return fmt.Errorf("%s: found %q, expected one word", what, word)
		}
	}
	wanted := places()
	if len(m.Entries) != len(wanted) {
		return fmt.Errorf("found %d entries, expected %d", len(m.Entries), len(wanted))
	}
	for i, e := range m.Entries {
		if err := e.validate(wanted[i]); err != nil {
			return fmt.Errorf("entries[%d]: %w", i, err)
		}
	}
	return nil
}

func (e Entry) validate(p place) error {
	switch {
	case e.Kind != p.kind:
		return fmt.Errorf("found kind %q, expected %q", e.Kind, p.kind)
	case e.Name != p.name:
		return fmt.Errorf("found name %q, expected %q", e.Name, p.name)
	case e.Size < 1 || e.Size > maxEntry:
		return fmt.Errorf("size: found %d, expected 1 to %d", e.Size, int64(maxEntry))
	case !hexDigest.MatchString(e.SHA256):
		return fmt.Errorf("sha256: found %q, expected 64 digits", e.SHA256)
	case !p.image && e.Size > maxFile:
		return fmt.Errorf("size: found %d, expected at most %d", e.Size, maxFile)
	case p.image:
		return e.validateImage()
	}
	return nil
}

func (e Entry) validateImage() error {
	if e.Archive < 1 {
		return fmt.Errorf("archive: found %d, expected the size of an archive", e.Archive)
	}
	if len(e.IDs) == 0 {
		return errors.New("ids: found none, expected the image's id")
	}
	if e.Untagged && e.Kind != KindNode {
		return fmt.Errorf("%w: its archive does not name it %s", ErrUnfit, e.Reference)
	}
	for _, id := range e.IDs {
		if !imageID.MatchString(id) {
			return fmt.Errorf("ids: found %q, expected sha256: and 64 digits", id)
		}
	}
	// It becomes an argument of the engine's command.
	if tag, err := name.NewTag(e.Reference); err != nil || strings.HasPrefix(e.Reference, "-") || !strings.HasSuffix(e.Reference, ":"+tag.TagStr()) {
		return fmt.Errorf("reference: found %q, expected the name of an image with a tag", e.Reference)
	}
	return nil
}

// Tagged returns the reference without a digest, under which a bundle keeps an image: engines do not load digests of
// registries. A reference that has nothing but a digest gets a tag made of it.
func Tagged(reference string) string {
	base, digest, found := strings.Cut(reference, "@")
	if tagged := strings.LastIndexByte(base, ':') > strings.LastIndexByte(base, '/'); tagged {
		return base
	}
	if !found {
		return base + ":latest"
	}
	_, digits, _ := strings.Cut(digest, ":")
	return base + ":digest-" + digits[:min(len(digits), tagDigits)]
}

// header is the header of a file in a bundle. Nothing in it depends on when and by whom it was written.
func header(name string, size int64) ([]byte, error) {
	var out bytes.Buffer
	err := tar.NewWriter(&out).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	if err != nil {
		return nil, fmt.Errorf("write the header of %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// padded is how much of a tar archive a content of size bytes takes.
func padded(size int64) int64 { return (size + block - 1) / block * block }

// sumLine is the content of sumName, as sha256sum writes it.
func sumLine(digest string) string { return digest + "  " + manifestName + "\n" }

// encode writes a manifest so that it takes exactly manifestSize.
func (m Manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the manifest of the bundle: %w", err)
	}
	if len(data) >= manifestSize {
		return nil, fmt.Errorf("the manifest of the bundle takes %d bytes, expected less than %d", len(data), manifestSize)
	}
	return append(append(data, bytes.Repeat([]byte(" "), manifestSize-len(data)-1)...), '\n'), nil
}
