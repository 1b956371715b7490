package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"

	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/help"
	"github.com/aip-dev/aip-dev/tui/page/run"
	"github.com/aip-dev/aip-dev/tui/part/keys"
)

// rebind gives actions the keys that people wish for, and refuses wishes that cannot be met. Enter never decides
// anything.
func (r *root) rebind() error {
	for words, names := range r.Keys {
		if strings.HasPrefix(words, "approve") || words == "deny" {
			if slices.Contains(strings.Fields(names), "enter") {
				return failure.New(failure.Usage, nil, "keys: enter is wanted for %q, and Enter never decides anything", words)
			}
		}
	}
	ours, first := r.ours(), bindings(r.top())
	pages := []page.Page{help.New(r.look), run.New(run.Options{Look: r.look})}
	for _, e := range r.entries {
		pages = append(pages, e.New())
	}
	together := [][]*key.Binding{slices.Concat(ours, first)}
	for _, p := range pages {
		together = append(together, slices.Concat(ours, bindings(p)))
	}
	if err := keys.Check(r.Keys, together...); err != nil {
		return failure.Wrap(err, failure.Usage, nil, "")
	}
	keys.Give(r.Keys, ours, first...)
	keys.Give(r.Keys, first, ours...)
	return nil
}

// ours are the keys that work on every page.
func (r *root) ours() []*key.Binding {
	all := r.keys.all()
	for i := range r.entries {
		all = append(all, &r.entries[i].Key)
	}
	return all
}

func bindings(p page.Page) []*key.Binding {
	if p, ok := p.(page.Rebindable); ok {
		return p.Bindings()
	}
	return nil
}
