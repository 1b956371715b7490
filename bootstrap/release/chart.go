package release

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	helm "helm.sh/helm/v3/pkg/release"
)

// load reads a chart from its folder.
func load(folder fs.FS) (*chart.Chart, error) {
	var files []*loader.BufferedFile
	err := fs.WalkDir(folder, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".helmignore" {
			return err
		}
		data, err := fs.ReadFile(folder, path)
		files = append(files, &loader.BufferedFile{Name: path, Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the chart: %w", err)
	}
	chrt, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load the chart: %w", err)
	}
	if err := chrt.Validate(); err != nil {
		return nil, fmt.Errorf("check the chart: %w", err)
	}
	return chrt, nil
}

func chartName(c *chart.Chart) string {
	if c == nil || c.Metadata == nil {
		return "none"
	}
	return c.Metadata.Name + "-" + c.Metadata.Version
}

// sameChart reports whether a release's chart renders what chrt renders. Files are compared in the order of their
// names, wherever the chart was read from. Definitions do not count, because they are not part of a release; nor do
// hidden files, which ordinary helm stores along.
func sameChart(rel *helm.Release, chrt *chart.Chart) bool {
	type content struct {
		Metadata         *chart.Metadata
		Templates, Files []*chart.File
		Schema           []byte
	}
	of := func(c *chart.Chart) content {
		return content{c.Metadata, byName(c.Templates), byName(c.Files), c.Schema}
	}
	return same(of(rel.Chart), of(chrt)) && sameDefaults(rel, chrt)
}

// sameDefaults compares the charts' own values where none was given: `helm upgrade --reuse-values` stores given
// values as the chart's own.
func sameDefaults(rel *helm.Release, chrt *chart.Chart) bool {
	for _, l := range leaves(chrt.Values) {
		if _, given := lookup(rel.Config, l.path); given {
			continue
		}
		if have, ok := lookup(rel.Chart.Values, l.path); !ok || !same(have, l.value) {
			return false
		}
	}
	return true
}

func byName(files []*chart.File) []*chart.File {
	files = slices.Clone(files)
	files = slices.DeleteFunc(files, func(f *chart.File) bool {
		return strings.HasPrefix(f.Name, ".") || strings.HasPrefix(f.Name, "crds/")
	})
	slices.SortFunc(files, func(a, b *chart.File) int { return strings.Compare(a.Name, b.Name) })
	return files
}
