// Package description is what was asked for when an environment was made, in the file environment.yaml of its state folder. It
// stands apart from the rest of the folder because YAML takes a library, and what reads facts has to start fast.
package description

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/state"
)

func file(f state.Folder) string { return filepath.Join(f.Path, "environment.yaml") }

// Save keeps what was asked for, so that the environment can be started again as it was.
func Save(f state.Folder, e bootstrap.Environment) error {
	e.Clients = slices.Clone(e.Clients)
	for i := range e.Clients {
		e.Clients[i].Secret = "" // kept in Kubernetes alone
	}
	data, err := yaml.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode the description: %w", err)
	}
	return state.WriteFile(file(f), data)
}

// Read returns what was asked for last, without the clients' secrets. The error is state.ErrNotThere, ErrNewer,
// ErrDamaged or ErrUnusable.
func Read(f state.Folder) (bootstrap.Environment, error) {
	data, err := os.ReadFile(file(f))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bootstrap.Environment{}, fmt.Errorf("%w: no state in %s", state.ErrNotThere, f.Path)
	case err != nil:
		return bootstrap.Environment{}, fmt.Errorf("%w: %w", state.ErrUnusable, err)
	}
	var e bootstrap.Environment
	if err := yaml.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("%w: %s: %w", state.ErrDamaged, file(f), err)
	}
	if e.Version == "" {
		return e, fmt.Errorf("%w: %s has no version", state.ErrDamaged, file(f))
	}
	if e.Version != bootstrap.EnvironmentVersion {
		return e, fmt.Errorf("%w: %s has version %q, this program knows %q", state.ErrNewer, file(f), e.Version, bootstrap.EnvironmentVersion)
	}
	return e, nil
}
