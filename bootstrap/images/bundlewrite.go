package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// BundleWriter writes a bundle, an entry a call, in the order of their kinds. Nothing has the bundle's name until
// Finish; Abandon takes away what was written.
type BundleWriter struct {
	path     string
	manifest Manifest
	// file has the bundle's name and partSuffix, and is locked, so that two writers cannot share it.
	file *os.File
	// end is where the next entry begins.
	end int64
}

// partSuffix ends the name of a bundle that is being written. What a killed process left is taken over by the next.
const partSuffix = ".part"

// NewBundle begins a bundle at path. version is that of this program. Without force a file that is there already is
// ErrBundleExists.
func NewBundle(path, version string, force bool) (*BundleWriter, error) {
	w := &BundleWriter{path: path, manifest: Manifest{Format: BundleFormat, Version: version}}
	if err := w.free(force); err != nil {
		return nil, err
	}
	file, err := openPart(path + partSuffix)
	if err != nil {
		return nil, err
	}
	w.file = file
	w.end = block + manifestSize + block + padded(int64(len(sumLine(hex.EncodeToString(make([]byte, sha256.Size))))))
	return w, nil
}

// free looks whether the bundle may be written to its path.
func (w *BundleWriter) free(force bool) error {
	info, err := os.Stat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write the bundle: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is no regular file", ErrBundleExists, w.path)
	case !force:
		return fmt.Errorf("%w: %s, %d bytes", ErrBundleExists, w.path, info.Size())
	}
	return nil
}

// openPart opens and locks the file that becomes the bundle, and empties it.
func openPart(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644) // made to be carried; it holds no secret
	if err != nil {
		return nil, fmt.Errorf("write the bundle: %w", err)
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrBundleBusy, path), file.Close())
	}
	var here, there os.FileInfo
	if err == nil {
		here, err = file.Stat()
	}
	if err == nil {
		there, err = os.Stat(path)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(here, there) {
		// Between opening and locking it another process finished it.
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrBundleBusy, path), file.Close())
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err != nil {
		return nil, fmt.Errorf("write the bundle: %w", errors.Join(err, file.Close()))
	}
	return file, nil
}

// Image adds an image: write writes its archive, as `docker save` does. told receives how many bytes of the archive
// have come. The error is ErrUnfit when the archive is not what the bundle needs there.
func (w *BundleWriter) Image(ctx context.Context, kind Kind, reference string, write func(w io.Writer) error, told func(done int64)) (Entry, error) {
	e := Entry{Kind: kind, Reference: reference}
	out := w.section(ctx)
	found, size, err := pack(out, kind == KindNode, write, told)
	if err != nil {
		return e, fmt.Errorf("put %s into the bundle: %w", reference, err)
	}
	if err := w.fits(kind, found); err != nil {
		return e, fmt.Errorf("put %s into the bundle: %w", reference, err)
	}
	e.Archive, e.IDs, e.Untagged = size, found.ids, !found.named(reference)
	return w.add(e, out)
}

// pack compresses what write writes into out and looks at it on the way.
func pack(out io.Writer, node bool, write func(w io.Writer) error, told func(done int64)) (contents, int64, error) {
	encoder, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return contents{}, 0, err
	}
	read, passed := io.Pipe()
	type result struct {
		contents
		err error
	}
	scanned := make(chan result, 1)
	go func() {
		found, err := scan(read, node)
		if err == nil {
			_, err = io.Copy(io.Discard, read) // what follows the archive's end
		}
		_ = read.CloseWithError(err) // it returns no error
		scanned <- result{found, err}
	}()
	archive := &tally{w: io.MultiWriter(encoder, passed), told: told}
	wrote := write(archive)
	_ = passed.CloseWithError(wrote) // it returns no error
	closed := encoder.Close()
	r := <-scanned
	// A writer that failed is the cause of what its source says of the broken pipe.
	for _, err := range []error{archive.err, wrote, closed, r.err} {
		if err != nil {
			return contents{}, 0, err
		}
	}
	return r.contents, archive.done, nil
}

// fits reports why an image cannot be in one bundle with those before it.
func (w *BundleWriter) fits(kind Kind, c contents) error {
	if c.system != "linux" {
		return fmt.Errorf("%w: it is for %q, expected linux", ErrUnfit, c.system)
	}
	if kind == KindNode {
		if c.kubernetes == "" {
			return fmt.Errorf("%w: it has no file /%s, expected the image of a kind node", ErrUnfit, nodeVersion)
		}
		w.manifest.Kubernetes, w.manifest.Architecture = c.kubernetes, c.architecture
	}
	if c.architecture != w.manifest.Architecture {
		return fmt.Errorf("%w: it is for %s, expected %s as the node image", ErrUnfit, c.architecture, w.manifest.Architecture)
	}
	return nil
}

// File adds a file that is no image.
func (w *BundleWriter) File(ctx context.Context, kind Kind, reference string, content []byte) (Entry, error) {
	out := w.section(ctx)
	if _, err := out.Write(content); err != nil {
		return Entry{}, fmt.Errorf("put %s into the bundle: %w", reference, err)
	}
	return w.add(Entry{Kind: kind, Reference: reference}, out)
}

// Architecture is that of the images so far.
func (w *BundleWriter) Architecture() string { return w.manifest.Architecture }

// add writes the header of an entry whose content is written.
func (w *BundleWriter) add(e Entry, out *section) (Entry, error) {
	next := places()[len(w.manifest.Entries)]
	e.Name, e.Size, e.SHA256 = next.name, out.at-out.from, out.sum()
	if err := e.validate(next); err != nil {
		return e, fmt.Errorf("put %s into the bundle: %w", e.Reference, err)
	}
	head, err := header(e.Name, e.Size)
	if err != nil {
		return e, err
	}
	if _, err := w.file.WriteAt(head, w.end); err != nil {
		return e, fmt.Errorf("write the bundle: %w", err)
	}
	w.end += block + padded(e.Size)
	w.manifest.Entries = append(w.manifest.Entries, e)
	return e, nil
}

// Finish writes the manifest and gives the bundle its name, over a file that is there already when force was asked for.
func (w *BundleWriter) Finish(force bool) error {
	if err := w.manifest.validate(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	data, err := w.manifest.encode()
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	sum := []byte(sumLine(hex.EncodeToString(digest[:])))
	at := int64(0)
	for _, part := range []struct {
		name    string
		content []byte
	}{{manifestName, data}, {sumName, sum}} {
		head, err := header(part.name, int64(len(part.content)))
		if err != nil {
			return err
		}
		if _, err := w.file.WriteAt(append(head, part.content...), at); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
		at += block + padded(int64(len(part.content)))
	}
	err = errors.Join(w.file.Truncate(w.end+2*block), w.free(force)) //nolint:mnd // the two empty blocks at the end
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		err = os.Rename(w.file.Name(), w.path)
	}
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	err = w.file.Close()
	w.file = nil
	return err
}

// Abandon ends the writing and leaves nothing behind. After Finish it does nothing.
func (w *BundleWriter) Abandon() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(os.Remove(w.file.Name()), w.file.Close())
	w.file = nil
	if err != nil {
		return fmt.Errorf("take away the unfinished bundle: %w", err)
	}
	return nil
}

// section returns a writer to the content of the next entry.
func (w *BundleWriter) section(ctx context.Context) *section {
	from := w.end + block
	return &section{ctx: ctx, file: w.file, from: from, at: from, digest: sha256.New()}
}

// section writes to a place in a file and digests what it writes. It ends when its context does.
type section struct {
	ctx      context.Context //nolint:containedctx // io.Writer has no other place for it
	file     *os.File
	from, at int64
	digest   hash.Hash
}

// Write writes p behind what was written before.
func (s *section) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.file.WriteAt(p, s.at)
	s.at += int64(n)
	_, _ = s.digest.Write(p[:n]) // a hash returns no error
	return n, err
}

func (s *section) sum() string { return hex.EncodeToString(s.digest.Sum(nil)) }

// tally counts what passes and keeps the first error.
type tally struct {
	w    io.Writer
	done int64
	told func(done int64)
	err  error
}

// Write passes p on.
func (t *tally) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.done += int64(n)
	if err != nil && t.err == nil {
		t.err = err
	}
	t.told(t.done)
	return n, err
}
