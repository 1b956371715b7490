// Package state is the folder in which one environment keeps what it must remember: facts, kubeconfig, logs, and the
// data of an embedded cluster. Commands open it by the environment's name.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// Errors that callers tell apart.
var (
	// ErrNotThere says that no environment of this name has state.
	ErrNotThere = errors.New("the environment is not there")
	// ErrNewer says that a newer version of the program wrote the folder.
	ErrNewer = errors.New("the state folder was written by a newer version of aip-dev")
	// ErrUnusable says that the folder cannot be read or written by this user.
	ErrUnusable = errors.New("the state folder cannot be used")
	// ErrDamaged says that the facts cannot be decoded.
	ErrDamaged = errors.New("the facts file is damaged")
	// ErrBusy says that another command changes the environment right now.
	ErrBusy = errors.New("another aip-dev command is changing this environment")
)

// Root returns the folder that holds one folder per environment: $XDG_STATE_HOME/aip-dev, else
// ~/.local/state/aip-dev. Source: https://specifications.freedesktop.org/basedir-spec/latest/
func Root(getenv func(string) string) (string, error) {
	base := getenv("XDG_STATE_HOME")
	if base == "" {
		home := getenv("HOME")
		if home == "" {
			return "", fmt.Errorf("%w: neither XDG_STATE_HOME nor HOME is set", ErrUnusable)
		}
		base = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(base) {
		return "", fmt.Errorf("%w: XDG_STATE_HOME is %q, expected an absolute path", ErrUnusable, base)
	}
	return filepath.Join(base, "aip-dev"), nil
}

// Folder is the state folder of one environment.
type Folder struct {
	// Path is absolute.
	Path string
	// Name is the environment's name.
	Name string
}

// In returns the folder of the environment called name. It touches nothing.
func In(root, name string) Folder { return Folder{Path: filepath.Join(root, name), Name: name} }

// List returns the names of the environments that have state below root.
func List(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && bootstrap.ValidateName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Make makes the folder (0700) when it is absent and checks that it can be written.
func (f Folder) Make() error {
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if err := os.Chmod(f.Path, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	probe, err := os.CreateTemp(f.Path, ".probe-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return nil
}

// Exists reports whether the folder is there.
func (f Folder) Exists() bool {
	info, err := os.Stat(f.Path)
	return err == nil && info.IsDir()
}

// Kubeconfig is the path of the administrator's access (0600).
func (f Folder) Kubeconfig() string { return filepath.Join(f.Path, "kubeconfig") }

// Tokens is the folder (0700) of cached tokens.
func (f Folder) Tokens() string { return filepath.Join(f.Path, "tokens") }

// Log returns the path of a log by its name, for example serve or up.
func (f Folder) Log(name string) string { return filepath.Join(f.Path, name+".log") }

// Journal is the path of the journal of decisions. It is beside the folder and not in it: what reviewers decided is
// theirs, and outlives the environment.
func (f Folder) Journal() string { return f.Path + ".journal" }

func (f Folder) factsFile() string { return filepath.Join(f.Path, "facts.json") }

// Facts reads what the environment remembers. The error is ErrNotThere, ErrNewer, ErrDamaged or ErrUnusable.
func (f Folder) Facts() (bootstrap.Facts, error) {
	data, err := os.ReadFile(f.factsFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bootstrap.Facts{}, fmt.Errorf("%w: no state in %s", ErrNotThere, f.Path)
	case err != nil:
		return bootstrap.Facts{}, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return bootstrap.Facts{}, fmt.Errorf("%w: %s: %w", ErrDamaged, f.factsFile(), err)
	}
	if version.Version < 1 {
		return bootstrap.Facts{}, fmt.Errorf("%w: %s has no version", ErrDamaged, f.factsFile())
	}
	if version.Version > bootstrap.FactsVersion {
		return bootstrap.Facts{}, fmt.Errorf("%w: %s has version %d, this program knows %d",
			ErrNewer, f.factsFile(), version.Version, bootstrap.FactsVersion)
	}
	var facts bootstrap.Facts
	if err := json.Unmarshal(data, &facts); err != nil {
		return bootstrap.Facts{}, fmt.Errorf("%w: %s: %w", ErrDamaged, f.factsFile(), err)
	}
	return facts, nil
}

// Save keeps facts. A reader sees the old facts or the new ones, never half of them.
func (f Folder) Save(facts bootstrap.Facts) error {
	facts.Version, facts.Name = bootstrap.FactsVersion, f.Name
	data, err := json.MarshalIndent(facts, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the facts: %w", err)
	}
	return WriteFile(f.factsFile(), append(data, '\n'))
}

// WriteFile writes data to a file of a state folder, as ReplaceFile does. The error is ErrUnusable.
func WriteFile(path string, data []byte) error {
	if err := ReplaceFile(path, data); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return nil
}

// ReplaceFile writes data to path (0600) so that a reader sees the old file or the new one.
func ReplaceFile(path string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	_, err = temporary.Write(data)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// Remove deletes the folder and everything in it.
func (f Folder) Remove() error {
	if err := os.RemoveAll(f.Path); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return nil
}

// Lock keeps other commands from changing the environment until the returned function is called. The kernel frees
// the lock when the process ends, however it ends. The error is ErrBusy when another process holds it.
func (f Folder) Lock() (unlock func(), err error) {
	file, err := lockFile(filepath.Join(f.Path, "command.lock"))
	if err != nil {
		return nil, err
	}
	return func() { _ = file.Close() }, nil // closing frees the lock; a failure leaves it to the kernel
}

func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := "another process"
		if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 {
			holder = "process " + strings.TrimSpace(string(pid))
		}
		_ = file.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s)", ErrBusy, holder)
		}
		return nil, fmt.Errorf("%w: lock %s: %w", ErrUnusable, path, err)
	}
	if err := errors.Join(file.Truncate(0), writePID(file)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, errors.Join(err, file.Close()))
	}
	return file, nil
}

func writePID(file *os.File) error {
	_, err := fmt.Fprintf(file, "%d\n", os.Getpid())
	return err
}
