package images

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// part is a file in a bundle that was put together by hand.
type part struct {
	name    string
	content []byte
}

// forged writes a file of parts behind a manifest whose checksum is right, as somebody with ill intent would.
func forged(t *testing.T, manifest []byte, parts ...part) string {
	t.Helper()
	digest := sha256.Sum256(manifest)
	all := append([]part{{manifestName, manifest}, {sumName, []byte(sumLine(hex.EncodeToString(digest[:])))}}, parts...)
	var out bytes.Buffer
	for _, p := range all {
		head, err := header(p.name, int64(len(p.content)))
		if err != nil {
			t.Fatal(err)
		}
		out.Write(head)
		out.Write(p.content)
		out.Write(make([]byte, padded(int64(len(p.content)))-int64(len(p.content))))
	}
	out.Write(make([]byte, 2*block))
	path := filepath.Join(t.TempDir(), "forged.bundle")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// partsOf takes a good bundle apart.
func partsOf(t *testing.T) (Manifest, []part) {
	t.Helper()
	path := written(t)
	b := opened(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var parts []part
	for _, e := range b.Entries {
		parts = append(parts, part{e.Name, data[b.starts[e.Kind] : b.starts[e.Kind]+e.Size]})
	}
	return b.Manifest, parts
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestForged: a bundle whose checksums are right and whose layout is not what the format says is refused.
func TestForged(t *testing.T) {
	t.Parallel()
	m, parts := partsOf(t)
	if _, err := OpenBundle(forged(t, marshal(t, m), parts...)); err != nil {
		t.Fatalf("one that is right was refused: %v", err)
	}
	with := func(change func(m *Manifest, p []part) []part) string {
		copied := m
		copied.Entries = append([]Entry(nil), m.Entries...)
		changed := change(&copied, append([]part(nil), parts...))
		return forged(t, marshal(t, copied), changed...)
	}
	entry := func(change func(e *Entry)) string {
		return with(func(m *Manifest, p []part) []part { change(&m.Entries[1]); return p })
	}
	for name, c := range map[string]struct {
		path string
		want error
	}{
		"reordered in the file": {with(func(_ *Manifest, p []part) []part { p[0], p[1] = p[1], p[0]; return p }), ErrDamaged},
		"reordered in both": {with(func(m *Manifest, p []part) []part {
			p[0], p[1] = p[1], p[0]
			m.Entries[0], m.Entries[1] = m.Entries[1], m.Entries[0]
			return p
		}), ErrDamaged},
		"extra entry": {with(func(_ *Manifest, p []part) []part { return append(p, part{"extra", []byte("x")}) }), ErrDamaged},
		"extra in the manifest": {with(func(m *Manifest, p []part) []part {
			m.Entries = append(m.Entries, m.Entries[4])
			return append(p, p[4])
		}), ErrDamaged},
		"duplicate":       {with(func(m *Manifest, p []part) []part { m.Entries[1] = m.Entries[0]; p[1] = p[0]; return p }), ErrDamaged},
		"missing entry":   {with(func(m *Manifest, p []part) []part { m.Entries = m.Entries[:4]; return p[:4] }), ErrDamaged},
		"missing content": {with(func(_ *Manifest, p []part) []part { return p[:4] }), ErrTruncated},
		"path traversal": {with(func(m *Manifest, p []part) []part {
			m.Entries[1].Name, p[1].name = "../../etc/passwd", "../../etc/passwd"
			return p
		}), ErrDamaged},
		"traversal in the file":  {with(func(_ *Manifest, p []part) []part { p[1].name = "/etc/passwd"; return p }), ErrDamaged},
		"option as a reference":  {entry(func(e *Entry) { e.Reference = "--output=x:y" }), ErrDamaged},
		"reference of a digest":  {entry(func(e *Entry) { e.Reference = "a@" + e.IDs[0] }), ErrDamaged},
		"reference without tag":  {entry(func(e *Entry) { e.Reference = "example.org/node" }), ErrDamaged},
		"no ids":                 {entry(func(e *Entry) { e.IDs = nil }), ErrDamaged},
		"option as an id":        {entry(func(e *Entry) { e.IDs = []string{"--help"} }), ErrDamaged},
		"no digest":              {entry(func(e *Entry) { e.SHA256 = "" }), ErrDamaged},
		"negative size":          {entry(func(e *Entry) { e.Size = -1 }), ErrDamaged},
		"enormous size":          {entry(func(e *Entry) { e.Size = 1 << 60 }), ErrDamaged},
		"larger than the file":   {entry(func(e *Entry) { e.Size = 1 << 30 }), ErrTruncated},
		"enormous chart":         {with(func(m *Manifest, p []part) []part { m.Entries[3].Size = 1 << 30; return p }), ErrDamaged},
		"untagged Keycloak":      {entry(func(e *Entry) { e.Untagged = true }), ErrDamaged},
		"version with an escape": {with(func(m *Manifest, p []part) []part { m.Version = "\x1b[2J"; return p }), ErrDamaged},
		"newer":                  {forged(t, []byte(`{"format": 2, "entries": "of another kind"}`)), ErrNewerBundle},
		"format 0":               {forged(t, []byte(`{}`)), ErrDamaged},
		"not JSON":               {forged(t, []byte(`entries:`)), ErrDamaged},
		"unknown field":          {forged(t, []byte(`{"format": 1, "colour": "red"}`)), ErrDamaged},
		"huge manifest":          {forged(t, append(marshal(t, m), bytes.Repeat([]byte(" "), maxManifest)...), parts...), ErrDamaged},
	} {
		if _, err := OpenBundle(c.path); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", name, err, c.want)
		}
	}
}

// TestUnpacksToMore: an entry that unpacks to more than the manifest says ends there.
func TestUnpacksToMore(t *testing.T) {
	t.Parallel()
	m, parts := partsOf(t)
	m.Entries[1].Archive -= 512
	b := opened(t, forged(t, marshal(t, m), parts...))
	var out bytes.Buffer
	if err := b.WriteImage(t.Context(), KindKeycloak, &out); !errors.Is(err, ErrDamaged) || int64(out.Len()) > m.Entries[1].Archive+1 {
		t.Errorf("%v after %d bytes", err, out.Len())
	}
}
