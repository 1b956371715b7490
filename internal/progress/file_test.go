package progress

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFileAppends(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "up.log")
	for range 2 {
		f, err := OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range proven() {
			f.Emit(e)
		}
		for range 2 {
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		f.Emit(proven()[0])
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if want := 2 * len(proven()); len(lines) != want {
		t.Errorf("%d lines after two runs, expected %d", len(lines), want)
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, expected 0600 (%v)", info.Mode(), err)
	}
}

func TestFileIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 4096
	path := filepath.Join(t.TempDir(), "up.log")
	f, err := openFile(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		f.Emit(at(i, Output, "gateway", strings.Repeat("x", 50)))
	}
	last := at(1001, End, "", "the last one")
	f.Emit(last)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d files, expected 2 (%v)", len(entries), err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Size() > limit || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info, err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(data), "\"the last one\"}\n") {
		t.Errorf("the newest event is not the last line (%v)", err)
	}
}

func TestFileThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	if _, err := OpenFile(filepath.Join(t.TempDir(), "absent", "up.log")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, expected that the folder is not there", err)
	}
}

func TestFileKeepsNoSecret(t *testing.T) {
	t.Parallel()
	const (
		jwt    = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
		secret = "s3cr3t-value"
	)
	path := filepath.Join(t.TempDir(), "up.log")
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"401 for " + jwt, "Authorization: Bearer " + jwt, "Authorization: Bearer 0123456789abcdef0123" + secret,
		"grant_type=client_credentials&client_secret=" + secret + "&x=1", `{"clientSecret": "` + secret + `", "id": 1}`,
		`{"access_token":"` + secret + `"}`, "password: " + secret,
	} {
		f.Emit(at(0, Output, "identity", text))
		f.Emit(took(0, Failed, "identity", text, 1))
	}
	const harmless = "secret oidc-client-aip-agent-1: the password was asked for, a Bearer token is expected"
	f.Emit(at(0, Note, "identity", harmless))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{jwt, secret, "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ"} {
		if strings.Contains(string(data), bad) {
			t.Errorf("%s is in the file:\n%s", bad, data)
		}
	}
	if !strings.Contains(string(data), harmless) || !strings.Contains(string(data), "&x=1") {
		t.Errorf("more than the secrets is gone:\n%s", data)
	}
}
