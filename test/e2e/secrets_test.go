package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// tokens are JSON Web Tokens, or enough of one to tell: the form that a header and a payload have.
var tokens = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.`)

// secretless searches everything that was written so far for tokens, for their signatures and for secrets: the folder of the
// script, and the state folder but for what is there to keep them, which nobody else may read. Files named are those whose
// content was asked for. Archives are searched as well: secretless ASKED... -- SECRET...
func secretless(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: secretless ASKED... -- SECRET...")
	}
	asked, secrets := map[string]bool{}, []string(nil)
	for i, arg := range args {
		if arg == "--" {
			secrets = args[i+1:]
			break
		}
		asked[ts.MkAbs(arg)] = true
	}
	var values [][]byte
	for file := range asked { // the third part of a token is its signature
		if parts := strings.Split(strings.TrimSpace(ts.ReadFile(file)), "."); len(parts) == 3 && parts[2] != "" {
			values = append(values, []byte(parts[2]))
		}
	}
	for _, s := range secrets {
		values = append(values, []byte(s))
	}
	searched := 0
	for _, root := range []string{ts.Getenv("WORK"), ts.Getenv("XDG_STATE_HOME")} {
		ts.Check(filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // the environment lives on
			}
			if err != nil || entry.IsDir() && keeps(entry.Name()) {
				return skip(err)
			}
			if !entry.Type().IsRegular() || asked[path] || entry.Name() == "kubeconfig" {
				return nil
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return nil //nolint:nilerr // it is gone, or a lock
			}
			searched++
			for name, content := range contents(path, data) {
				if found := tokens.Find(content); found != nil {
					ts.Fatalf("%s holds a token", name)
				}
				for _, value := range values {
					if bytes.Contains(content, value) {
						ts.Fatalf("%s holds a secret or a signature that was not asked for", name)
					}
				}
			}
			return nil
		}))
	}
	if searched < 5 {
		ts.Fatalf("only %d files were searched", searched)
	}
}

// keeps reports whether a folder of the state is there to keep what is secret: kept tokens, the store, certificates.
func keeps(name string) bool {
	return name == "tokens" || name == "etcd" || name == "pki" || name == ".tmp"
}

func skip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

// contents returns what a file holds by name, the files of a compressed archive each.
func contents(path string, data []byte) map[string][]byte {
	out := map[string][]byte{path: data}
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return out
	}
	archive := tar.NewReader(zipped)
	for {
		header, err := archive.Next()
		if err != nil {
			return out
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return out
		}
		out[path+": "+header.Name] = content
	}
}
