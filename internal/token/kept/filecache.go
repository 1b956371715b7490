package kept

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// maxFile is more than any token takes.
const maxFile = 256 << 10

// FileCache keeps tokens on disk until 30 seconds before they expire, one file of mode 0600 for each client of each
// environment, in a folder of mode 0700. Files that others could have read or written are ignored. It may be used by
// several processes at a time.
type FileCache struct {
	dir string
	now func() time.Time
}

// NewFileCache returns a cache in dir, which is created when the first token is kept. now may be nil for time.Now.
func NewFileCache(dir string, now func() time.Time) *FileCache {
	if now == nil {
		now = time.Now
	}
	return &FileCache{dir: dir, now: now}
}

type cachedToken struct {
	Env    string    `json:"env"`
	Client string    `json:"client"`
	Token  string    `json:"token"`
	Expiry time.Time `json:"expiry"`
}

// path is the file of one client; the name is a hash, because environments and clients are named by people.
func (c *FileCache) path(env, client string) string {
	sum := sha256.Sum256([]byte(env + "\x00" + client))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:16])+".json")
}

// Get returns the kept token of a client when it is there, private and fresh.
func (c *FileCache) Get(env, client string) (Token, bool) {
	blob, ok := readPrivate(c.path(env, client))
	if !ok {
		return Token{}, false
	}
	var kept cachedToken
	if err := json.Unmarshal(blob, &kept); err != nil || kept.Env != env || kept.Client != client {
		return Token{}, false
	}
	t := Token{Raw: kept.Token, Expiry: kept.Expiry}
	return t, t.Fresh(c.now())
}

// Put keeps a token. The file appears whole or not at all.
func (c *FileCache) Put(env, client string, t Token) error {
	if err := c.prepare(); err != nil {
		return fmt.Errorf("keep the token of %s: %w", client, err)
	}
	blob, err := json.Marshal(cachedToken{Env: env, Client: client, Token: t.Raw, Expiry: t.Expiry})
	if err != nil {
		return fmt.Errorf("keep the token of %s: %w", client, err)
	}
	if err := writeAtomically(c.path(env, client), blob); err != nil {
		return fmt.Errorf("keep the token of %s: %w", client, err)
	}
	return nil
}

// Remove forgets a token; one that is not there is no error.
func (c *FileCache) Remove(env, client string) error {
	if err := os.Remove(c.path(env, client)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the token of %s: %w", client, err)
	}
	return nil
}

// Wrap returns a function that asks mint only when there is no kept token, and keeps what it gets. A cache that cannot
// be written costs time, not the token, so that failure is not reported.
func (c *FileCache) Wrap(env, client string, mint func(context.Context) (Token, error)) func(context.Context) (Token, error) {
	return func(ctx context.Context) (Token, error) {
		if t, ok := c.Get(env, client); ok {
			return t, nil
		}
		t, err := mint(ctx)
		if err != nil {
			return Token{}, err
		}
		if t.Fresh(c.now()) {
			_ = c.Put(env, client, t) // see above
		}
		return t, nil
	}
}

// prepare makes the folder and takes away what others may do in it.
func (c *FileCache) prepare() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	info, err := os.Stat(c.dir)
	if err != nil {
		return fmt.Errorf("look at folder: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(c.dir, 0o700); err != nil {
		return fmt.Errorf("close folder to others: %w", err)
	}
	return nil
}

// readPrivate reads a regular file that belongs to the user and is closed to everybody else.
func readPrivate(path string) ([]byte, bool) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || info.Size() > maxFile || !ownedByUser(info) {
		return nil, false
	}
	blob, err := os.ReadFile(path)
	return blob, err == nil
}

func writeAtomically(path string, blob []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	_, err = f.Write(blob)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error that matters is the first one
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}
