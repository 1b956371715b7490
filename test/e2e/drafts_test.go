package e2e

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// drafts remembers what the files below a folder held at some time: a script writes the output of one command over that of another.
type drafts struct {
	folder string
	// seen are the last sizes and times of files, by path, and texts what they held, by path and by hash.
	seen  map[string]fs.FileInfo
	texts map[string]map[[sha256.Size]byte][]byte
}

// maxDraft is more than a command prints; larger files are searched in the end, as they are then.
const maxDraft = 1 << 20

func newDrafts(folder string) *drafts {
	return &drafts{folder: folder, seen: map[string]fs.FileInfo{}, texts: map[string]map[[sha256.Size]byte][]byte{}}
}

// look reads what has changed. What is written and written over between two looks is not seen.
func (d *drafts) look() {
	if d.folder == "" {
		return
	}
	_ = filepath.WalkDir(d.folder, func(path string, entry fs.DirEntry, err error) error { // what is gone again was no draft
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // it is gone again
		}
		info, err := entry.Info()
		before := d.seen[path]
		if err != nil || info.Size() > maxDraft || before != nil && before.Size() == info.Size() && before.ModTime().Equal(info.ModTime()) {
			return nil //nolint:nilerr // it is gone again
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // it is gone again
		}
		d.seen[path] = info
		if d.texts[path] == nil {
			d.texts[path] = map[[sha256.Size]byte][]byte{}
		}
		d.texts[path][sha256.Sum256(data)] = data
		return nil
	})
}

// end searches what was remembered of each file that passes, and returns what was found.
func (d *drafts) end(passes func(path string, hash [sha256.Size]byte) bool, search func([]byte) error) (found []error) {
	for path, texts := range d.texts {
		for hash, text := range texts {
			if !passes(path, hash) {
				continue
			}
			for name, content := range contents(path, text) {
				if err := search(content); err != nil {
					found = append(found, fmt.Errorf("%s held %w", name, err))
				}
			}
		}
	}
	return found
}
