package images

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ErrNotLinux says that the program cannot run in a container: it is not a static Linux program of the wanted
// architecture.
var ErrNotLinux = errors.New("the program cannot run in a Linux container")

// programPath is where the program lies in the image; it is the entry point.
const programPath = "aip-dev"

// nobody is the user and group of the image, by the number that the chart asks for as well.
const nobody = 65532

// tagDigits is how much of the content's digest makes the tag.
const tagDigits = 12

// Image is an image with its reference.
type Image struct {
	Repository, Tag string

	image v1.Image
	size  int64
}

// Reference is the image's name and tag.
func (i Image) Reference() string { return i.Repository + ":" + i.Tag }

// Gateway returns an image with the program at path as its one layer and entry point. Its tag is made of its content,
// so that the same program gives the same image, and another program another tag. architecture is as Go names it.
// The error is ErrNotLinux when a container could not run the program.
func Gateway(path, repository, architecture string) (Image, error) {
	if err := Runs(path, architecture); err != nil {
		return Image{}, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return Image{}, fmt.Errorf("read the program for the gateway's image: %w", err)
	}
	content, err := layer(program)
	if err != nil {
		return Image{}, fmt.Errorf("pack the program: %w", err)
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: static.NewLayer(content, types.DockerUncompressedLayer), MediaType: types.DockerUncompressedLayer,
	})
	if err != nil {
		return Image{}, fmt.Errorf("make the gateway's image: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return Image{}, fmt.Errorf("make the gateway's image: %w", err)
	}
	config.OS, config.Architecture = "linux", architecture
	config.Config = v1.Config{Entrypoint: []string{"/" + programPath}, User: fmt.Sprintf("%d:%d", nobody, nobody)}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return Image{}, fmt.Errorf("make the gateway's image: %w", err)
	}
	digest, err := image.ConfigName()
	if err != nil {
		return Image{}, fmt.Errorf("digest the gateway's image: %w", err)
	}
	return Image{Repository: repository, Tag: "dev-" + digest.Hex[:tagDigits], image: image, size: int64(len(content))}, nil
}

// machines are the ELF names of Go's architectures.
func machines() map[string]elf.Machine {
	return map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
}

// Runs returns ErrNotLinux when a Linux container of the architecture, as Go names it, could not run the program at path.
func Runs(path, architecture string) error {
	file, err := elf.Open(path)
	var format *elf.FormatError
	switch {
	case errors.As(err, &format), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %s: it is no ELF file, expected one for linux/%s", ErrNotLinux, path, architecture)
	case err != nil:
		return fmt.Errorf("read the program for the gateway's image: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	if want := machines()[architecture]; file.Machine != want {
		return fmt.Errorf("%w: %s: it is for %s, expected linux/%s", ErrNotLinux, path, file.Machine, architecture)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("%w: %s: it needs shared libraries, expected a static program (CGO_ENABLED=0)", ErrNotLinux, path)
		}
	}
	return nil
}

// layer is a tar archive of the program. Everything in it is fixed, so the same program gives the same bytes.
func layer(program []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(program) + 4096) //nolint:mnd // headers and padding
	w := tar.NewWriter(&out)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeReg, Name: programPath, Mode: 0o755, Size: int64(len(program))},
	} {
		h.ModTime, h.Format = time.Unix(0, 0), tar.FormatUSTAR
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(program); err != nil {
				return nil, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Size is how many bytes the image's layers have.
func (i Image) Size() int64 { return i.size }

// Write writes the image to w as an archive, as `docker save` does, under its own tag and the others given.
func (i Image) Write(w io.Writer, tags ...string) error {
	references := map[name.Tag]v1.Image{}
	for _, tag := range append([]string{i.Tag}, tags...) {
		reference, err := name.NewTag(i.Repository + ":" + tag)
		if err != nil {
			return fmt.Errorf("name the image: %w", err)
		}
		references[reference] = i.image
	}
	if err := tarball.MultiWrite(references, w); err != nil {
		return fmt.Errorf("write image %s: %w", i.Reference(), err)
	}
	return nil
}
