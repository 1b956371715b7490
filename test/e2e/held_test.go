package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// held holds on to the files that environments write, by links to them, because `down` removes them: logs, facts, descriptions. A
// link grows with its file.
type held struct {
	root, folder string
	// files are those that were linked last, by path.
	files map[string]fs.FileInfo
	links []link
	errs  []error
}

// link is a file that is held.
type link struct{ of, at string }

func holdOn(root string) *held {
	folder, err := os.MkdirTemp("", "aip-held-")
	return &held{root: root, folder: folder, files: map[string]fs.FileInfo{}, errs: []error{err}}
}

// look links what is new: a file that was not there, or that another took the place of.
func (h *held) look() {
	err := filepath.WalkDir(h.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return unlessGone(err)
		}
		switch {
		case !entry.IsDir() && !entry.Type().IsRegular():
			return nil
		case keeps(path) && entry.IsDir():
			return fs.SkipDir
		case keeps(path), entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return unlessGone(err)
		}
		if h.files[path] != nil && os.SameFile(h.files[path], info) {
			return nil
		}
		at := filepath.Join(h.folder, strconv.Itoa(len(h.links)))
		if err := os.Link(path, at); err != nil {
			return unlessGone(err)
		}
		h.files[path], h.links = info, append(h.links, link{path, at})
		return nil
	})
	h.errs = append(h.errs, err)
}

// unlessGone returns an error but that of a file that is gone again.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// end searches what is held and no more where it was, lets go of all, and returns what was found.
func (h *held) end(search func([]byte) error) []error {
	found := []error{}
	for _, l := range h.links {
		was, err := os.Stat(l.at)
		if err != nil {
			h.errs = append(h.errs, err)
			continue
		}
		if is, err := os.Stat(l.of); err == nil && os.SameFile(is, was) {
			continue // it is searched there
		}
		data, err := os.ReadFile(l.at)
		h.errs = append(h.errs, err)
		if err := search(data); err != nil {
			found = append(found, fmt.Errorf("%s, which is gone, held %w", l.of, err))
		}
	}
	h.links = nil
	if err := errors.Join(append(h.errs, os.RemoveAll(h.folder))...); err != nil {
		found = append(found, err)
	}
	h.errs = nil
	return found
}
