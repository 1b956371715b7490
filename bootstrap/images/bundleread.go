package images

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Bundle is a bundle that was opened. Its manifest and its layout are as they were written; what its entries hold is
// known after Verify.
type Bundle struct {
	Manifest
	Path string
	// Size is that of the file, in bytes.
	Size int64
	// SHA256 is the digest of the manifest in hexadecimal. As the manifest holds the digests of all entries, it stands
	// for the whole bundle.
	SHA256 string

	file *os.File
	// starts are where the contents of the entries begin.
	starts map[Kind]int64
}

// OpenBundle opens a bundle and checks all of it but the contents of its entries. The error is ErrNotBundle,
// ErrNewerBundle, ErrTruncated or ErrDamaged, or that of the file.
func OpenBundle(path string) (*Bundle, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Path: path, file: file, starts: map[Kind]int64{}}
	if err := b.open(); err != nil {
		_ = file.Close() // nothing was written
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// Close closes the file.
func (b *Bundle) Close() error { return b.file.Close() }

func (b *Bundle) open() error {
	info, err := b.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no regular file", ErrNotBundle)
	}
	b.Size = info.Size()
	size, err := b.manifestSize()
	if err != nil {
		return err
	}
	data, end, err := b.content(manifestName, 0, size)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	b.SHA256 = hex.EncodeToString(digest[:])
	wanted := sumLine(b.SHA256)
	sum, end, err := b.content(sumName, end, int64(len(wanted)))
	if err != nil {
		return err
	}
	if string(sum) != wanted {
		return &SumError{Entry: manifestName, Found: b.SHA256, Expected: string(sum[:len(b.SHA256)])}
	}
	if err := b.decode(data); err != nil {
		return err
	}
	return b.layout(end)
}

// manifestSize returns the size of the manifest, by which a bundle is known.
func (b *Bundle) manifestSize() (int64, error) {
	head := make([]byte, block)
	n, err := b.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	h, err := tar.NewReader(bytes.NewReader(head[:n])).Next()
	if err != nil {
		return 0, fmt.Errorf("%w: it does not begin with %s", ErrNotBundle, manifestName)
	}
	if h.Name != manifestName || h.Typeflag != tar.TypeReg {
		return 0, fmt.Errorf("%w: it begins with %q, expected %s", ErrNotBundle, h.Name, manifestName)
	}
	if h.Size > maxManifest {
		return 0, fmt.Errorf("%w: %s takes %d bytes, expected at most %d", ErrDamaged, manifestName, h.Size, maxManifest)
	}
	return h.Size, nil
}

// content returns a file at a place in the bundle, and where the next one begins.
func (b *Bundle) content(name string, at, size int64) (data []byte, next int64, err error) {
	if err := b.header(name, at, size); err != nil {
		return nil, 0, err
	}
	data = make([]byte, size)
	if _, err := b.file.ReadAt(data, at+block); err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", name, err)
	}
	return data, at + block + padded(size), nil
}

// header checks that a file of this name and size lies at a place, with nothing but zeros up to the next one.
func (b *Bundle) header(name string, at, size int64) error {
	next := at + block + padded(size)
	if next > b.Size {
		return fmt.Errorf("%w: found %d bytes, expected at least %d", ErrTruncated, b.Size, next)
	}
	wanted, err := header(name, size)
	if err != nil {
		return err
	}
	found := make([]byte, block)
	if _, err := b.file.ReadAt(found, at); err != nil {
		return fmt.Errorf("read the header of %s: %w", name, err)
	}
	if !bytes.Equal(found, wanted) {
		h, err := tar.NewReader(bytes.NewReader(found)).Next()
		if err != nil {
			return fmt.Errorf("%w: the header of %s is not as it was written", ErrDamaged, name)
		}
		return fmt.Errorf("%w: found %q with %d bytes, expected %q with %d", ErrDamaged, h.Name, h.Size, name, size)
	}
	return b.zeros(name, at+block+size, next)
}

func (b *Bundle) zeros(name string, from, to int64) error {
	rest := make([]byte, to-from)
	if _, err := b.file.ReadAt(rest, from); err != nil {
		return fmt.Errorf("read the end of %s: %w", name, err)
	}
	if len(bytes.Trim(rest, "\x00")) > 0 {
		return fmt.Errorf("%w: found bytes behind the end of %s, expected zeros", ErrDamaged, name)
	}
	return nil
}

// decode reads the manifest.
func (b *Bundle) decode(data []byte) error {
	var newest struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &newest); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, manifestName, err)
	}
	if newest.Format > BundleFormat {
		return fmt.Errorf("%w: found %d, this program knows up to %d", ErrNewerBundle, newest.Format, BundleFormat)
	}
	if newest.Format != BundleFormat {
		return fmt.Errorf("%w: %s: format: found %d, expected %d", ErrDamaged, manifestName, newest.Format, BundleFormat)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b.Manifest); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, manifestName, err)
	}
	if err := b.validate(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, manifestName, err)
	}
	return nil
}

// layout checks that the entries lie where the manifest says, and nothing else does.
func (b *Bundle) layout(at int64) error {
	end := at + 2*block //nolint:mnd // the two empty blocks at the end
	for _, e := range b.Entries {
		end += block + padded(e.Size)
	}
	if b.Size < end {
		return fmt.Errorf("%w: found %d bytes, expected %d", ErrTruncated, b.Size, end)
	}
	for _, e := range b.Entries {
		if err := b.header(e.Name, at, e.Size); err != nil {
			return err
		}
		b.starts[e.Kind] = at + block
		at += block + padded(e.Size)
	}
	if b.Size > end {
		return fmt.Errorf("%w: found %d bytes, expected %d", ErrDamaged, b.Size, end)
	}
	return b.zeros("the bundle", at, end)
}

// Verify compares the contents of all entries with their checksums. The error joins one *SumError per wrong entry.
// told receives how many bytes of all have been read.
func (b *Bundle) Verify(ctx context.Context, told func(done, total int64)) error {
	var done, total int64
	for _, e := range b.Entries {
		total += e.Size
	}
	var wrong []error
	for _, e := range b.Entries {
		before := done
		err := b.Check(ctx, e.Kind, func(n int64) { told(before+n, total) })
		var sum *SumError
		if err != nil && !errors.As(err, &sum) {
			return err
		}
		wrong = append(wrong, err)
		done += e.Size
	}
	return errors.Join(wrong...)
}

// Check compares the content of one entry with its checksum; the error is a *SumError when they differ. told receives
// how many bytes have been read.
func (b *Bundle) Check(ctx context.Context, kind Kind, told func(done int64)) error {
	return b.read(ctx, b.Entry(kind), io.Discard, told)
}

// read writes the bytes of an entry to w and compares them with their checksum.
func (b *Bundle) read(ctx context.Context, e Entry, w io.Writer, told func(done int64)) error {
	digest := sha256.New()
	// Zeros follow each entry, so one that ends early is one that the file ended in.
	from := io.NewSectionReader(b.file, b.starts[e.Kind], e.Size)
	n, err := io.Copy(&tally{w: io.MultiWriter(digest, w), told: told}, untilDone{ctx, from})
	if err != nil {
		return fmt.Errorf("%s: read %s: %w", b.Path, e.Name, err)
	}
	if n != e.Size {
		return fmt.Errorf("%s: %w: %s has %d bytes, expected %d", b.Path, ErrTruncated, e.Name, n, e.Size)
	}
	if found := hex.EncodeToString(digest.Sum(nil)); found != e.SHA256 {
		return fmt.Errorf("%s: %w", b.Path, &SumError{Entry: e.Name, Found: found, Expected: e.SHA256})
	}
	return nil
}

// File returns the content of an entry that is no image, verified.
func (b *Bundle) File(ctx context.Context, kind Kind) ([]byte, error) {
	var out bytes.Buffer
	if err := b.read(ctx, b.Entry(kind), &out, func(int64) {}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// maxWindow is the most memory that decompressing an entry may take; what this package writes takes 4 MiB.
const maxWindow = 8 << 20

// WriteImage writes an image to w as an archive that engines and nodes load. What it reads is verified once more: when
// the error is not nil, w has got something else than the image and the reader behind it has to be told.
func (b *Bundle) WriteImage(ctx context.Context, kind Kind, w io.Writer) error {
	e := b.Entry(kind)
	read, write := io.Pipe()
	verified := make(chan error, 1)
	go func() {
		err := b.read(ctx, e, write, func(int64) {})
		_ = write.CloseWithError(err) // it returns no error
		verified <- err
	}()
	n, err := unpack(w, read, e.Archive)
	if err != nil {
		_, _ = io.Copy(io.Discard, read) // a wrong checksum is the better reason
	}
	_ = read.CloseWithError(errEnough) // it returns no error
	if wrong := <-verified; wrong != nil && !errors.Is(wrong, errEnough) {
		return wrong
	}
	if err != nil {
		return fmt.Errorf("%s: unpack %s: %w", b.Path, e.Name, err)
	}
	if n != e.Archive {
		return fmt.Errorf("%s: %w: %s unpacks to %d bytes or more, expected %d", b.Path, ErrDamaged, e.Name, n, e.Archive)
	}
	return nil
}

// errEnough ends the reading of an entry of which enough was read.
var errEnough = errors.New("no more is needed")

// unpack decompresses r into w, at most one byte more than expected.
func unpack(w io.Writer, r io.Reader, expected int64) (int64, error) {
	decoder, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return 0, err
	}
	defer decoder.Close()
	return io.Copy(w, io.LimitReader(decoder, expected+1))
}

// untilDone is a reader that fails once a context ends.
type untilDone struct {
	ctx context.Context //nolint:containedctx // io.Reader has no other place for it
	io.Reader
}

// Read reads, or fails when the context has ended.
func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
