package steps

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// ContextError says that no context was asked for, or one that the kubeconfig does not have.
type ContextError struct {
	// Asked is empty when none was asked for.
	Asked string
	// Files are the kubeconfig files that were read.
	Files []string
	// Known are the contexts that are there.
	Known []string
}

// Error lists the contexts that are there.
func (e *ContextError) Error() string {
	what := "no context is named"
	if e.Asked != "" {
		what = fmt.Sprintf("context %q is not there", e.Asked)
	}
	where := strings.Join(e.Files, string(filepath.ListSeparator))
	if len(e.Known) == 0 {
		return fmt.Sprintf("%s: %s has no contexts", what, where)
	}
	return fmt.Sprintf("%s: %s has %s", what, where, strings.Join(e.Known, ", "))
}

// access is a way to a cluster: a kubeconfig with one context, all files that it names inside of it.
type access struct {
	content []byte
	server  string
}

// ownKubeconfig is the environment's copy of the context; the user's file is only read.
func (d Deps) ownKubeconfig() string { return filepath.Join(d.Dir, "kubeconfig") }

// pick returns the access of the wanted context. When the user's kubeconfig does not have it, as in a shell where
// KUBECONFIG says something else, the copy of the last time is taken, if it is of the same context.
func (d Deps) pick(e bootstrap.Existing) (access, error) {
	files := d.Kubeconfigs
	if e.Kubeconfig != "" {
		files = []string{e.Kubeconfig}
	}
	config, err := readKubeconfig(files, e.Kubeconfig != "")
	if err != nil {
		return access{}, err
	}
	if _, there := config.Contexts[e.Context]; !there || e.Context == "" {
		missing := &ContextError{Asked: e.Context, Files: files, Known: contexts(config)}
		own, err := readKubeconfig([]string{d.ownKubeconfig()}, false)
		if err != nil || e.Context == "" || own.Contexts[e.Context] == nil {
			return access{}, missing
		}
		config = own
	}
	return only(config, e.Context)
}

// readKubeconfig merges files as kubectl does. A file that is absent counts as empty unless it must be there.
func readKubeconfig(files []string, must bool) (*clientcmdapi.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: files}
	if must {
		rules = &clientcmd.ClientConfigLoadingRules{ExplicitPath: files[0]}
	}
	config, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return config, nil
}

func contexts(config *clientcmdapi.Config) []string {
	var names []string
	for name := range config.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// only returns the access of one context of config.
func only(config *clientcmdapi.Config, context string) (access, error) {
	config.CurrentContext = context
	if err := clientcmdapi.MinifyConfig(config); err != nil {
		return access{}, fmt.Errorf("read context %s: %w", context, err)
	}
	if err := clientcmdapi.FlattenConfig(config); err != nil {
		return access{}, fmt.Errorf("read the files that context %s names: %w", context, err)
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		return access{}, fmt.Errorf("encode context %s: %w", context, err)
	}
	return access{content: content, server: config.Clusters[config.Contexts[context].Cluster].Server}, nil
}

// kept reports whether the environment's copy is this access.
func (a access) kept(path string) (bool, error) {
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the environment's kubeconfig: %w", err)
	}
	return bytes.Equal(have, a.content), nil
}

// keep writes the environment's copy (0600). A reader sees the old one or the new one.
func (a access) keep(path string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // made with 0600
	if err != nil {
		return fmt.Errorf("write the environment's kubeconfig: %w", err)
	}
	_, err = temporary.Write(a.content)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the environment's kubeconfig: %w", errors.Join(err, os.Remove(temporary.Name())))
	}
	return nil
}
