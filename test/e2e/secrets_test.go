package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// tokens are JSON Web Tokens, or enough of one to tell: the form that a header and a payload have.
var tokens = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.`)

// asked names files and folders that are to hold a token, because the script asks for one there; in nothing else that is written
// may one be: asked FILE...
func asked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: asked FILE...")
	}
	for _, arg := range args {
		ts.Value(witnessKey{}).(*witness).ask(ts.MkAbs(arg))
	}
}

// witnessKey is under which a script finds its witness.
type witnessKey struct{}

// recorded is a test of testscript whose log is kept whole and searched.
type recorded struct {
	*testing.T
	witness *witness
}

// Run runs a script.
func (t *recorded) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) {
		f(&recorded{T: t})
	})
}

// Verbose keeps all that commands print in the log.
func (*recorded) Verbose() bool { return true }

// Log searches the log of a script, and shows as much of it as helps.
func (t *recorded) Log(args ...any) {
	text := fmt.Sprint(args...)
	if t.witness != nil {
		for _, err := range t.witness.searchLog(text) {
			t.Error(err)
		}
	}
	const most = 8 << 10
	if over := len(text) - most; over > 0 && !testing.Verbose() {
		text = "[...]\n" + text[over:]
	}
	t.T.Log(text)
}

// searched looks for secrets in what a command of a test printed, besides a token that it was asked for.
func searched(t *testing.T, line, result, progress string) {
	t.Helper()
	everything.Lock()
	secrets := maps.Clone(everything.secrets)
	everything.Unlock()
	if !printed.MatchString("> exec aip-dev " + line) {
		progress += result
	}
	if err := searchFor([]byte(progress), secrets); err != nil {
		t.Errorf("the output of aip-dev %s holds %v", line, err)
	}
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
