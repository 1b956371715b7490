package progress

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync"
)

// fileLimit is the size at which a file of events is set aside. One file is set aside, so twice the limit is kept.
const fileLimit = 1 << 20

// file keeps events as lines of JSON.
type file struct {
	path  string
	limit int64

	mu   sync.Mutex
	f    *os.File
	size int64
	err  error
}

// OpenFile returns a renderer that appends each Event as one line of JSON to the file path, which it makes when it is
// absent (0600). A file of 1 MiB is set aside as path.1, in place of the one set aside before. What looks like a token
// or a password is taken out of the texts, wherever they came from.
func OpenFile(path string) (Renderer, error) { return openFile(path, fileLimit) }

func openFile(path string, limit int64) (*file, error) {
	f := &file{path: path, limit: limit}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *file) open() error {
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of the run: %w", err)
	}
	info, err := opened.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("look at the log of the run: %w", err), opened.Close())
	}
	f.f, f.size = opened, info.Size()
	return nil
}

func (f *file) Emit(e Event) {
	e.Text, e.Failure = withoutSecrets(e.Text), withoutSecrets(e.Failure)
	line, err := encode(e)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil || f.err != nil {
		return
	}
	if err != nil {
		f.err = err
		return
	}
	if f.size > 0 && f.size+int64(len(line)) > f.limit {
		if f.err = f.setAside(); f.err != nil {
			return
		}
	}
	n, err := f.f.Write(line)
	f.size += int64(n)
	if err != nil {
		f.err = fmt.Errorf("write the log of the run: %w", err)
	}
}

// setAside begins a new file. When that fails f.f is nil.
func (f *file) setAside() error {
	err := errors.Join(f.f.Close(), os.Rename(f.path, f.path+".1"))
	f.f = nil
	if err != nil {
		return fmt.Errorf("set the log of the run aside: %w", err)
	}
	return f.open()
}

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f != nil {
		if err := f.f.Close(); err != nil && f.err == nil {
			f.err = fmt.Errorf("close the log of the run: %w", err)
		}
		f.f = nil
	}
	return f.err
}

// The patterns are compiled once and never written again.
var (
	// tokenShape is a JSON Web Token in compact form (RFC 7519 section 3); its header begins with {" in base64url.
	tokenShape = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]+){1,4}`)
	// secretShape is a named secret in a form, a query or JSON.
	secretShape = regexp.MustCompile(`(?i)(client[_-]?secret|password|access_token|refresh_token)("?\s*[=:]\s*"?)[^\s"&,;]+`)
	// bearerShape is an Authorization header (RFC 6750 section 2.1).
	bearerShape = regexp.MustCompile(`(?i)\b(bearer )[A-Za-z0-9._~+/-]{16,}=*`)
)

// withoutSecrets replaces what looks like a secret.
func withoutSecrets(s string) string {
	s = tokenShape.ReplaceAllString(s, "[token]")
	s = bearerShape.ReplaceAllString(s, "${1}[token]")
	return secretShape.ReplaceAllString(s, "${1}${2}[secret]")
}
