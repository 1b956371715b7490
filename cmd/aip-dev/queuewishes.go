package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/tui/page/queue"
)

// wishes are what people may choose about the review queue, in $XDG_CONFIG_HOME/aip-dev/tui.yaml.
type wishes struct {
	// Keys maps the words of an action to the keys that do it.
	Keys map[string]string `json:"keys,omitempty"`
	// Tabs come after those that everybody has.
	Tabs []queue.Tab `json:"tabs,omitempty"`
}

// queueWishes reads the file; there need not be any.
func (a *app) queueWishes() (wishes, error) {
	folder := a.getenv("XDG_CONFIG_HOME")
	if folder == "" {
		folder = filepath.Join(a.getenv("HOME"), ".config")
	}
	path := filepath.Join(folder, "aip-dev", "tui.yaml")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return wishes{}, nil
	}
	if err != nil {
		return wishes{}, failure.Wrap(err, failure.Usage, nil, "the queue's settings")
	}
	var w wishes
	if err := yaml.UnmarshalStrict(data, &w); err != nil {
		return wishes{}, failure.Wrap(err, failure.Usage, []string{"${EDITOR:-vi} " + path}, "%s", path)
	}
	return w, nil
}
