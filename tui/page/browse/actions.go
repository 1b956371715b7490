package browse

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
)

// Action is something that can be done on a page besides reading.
type Action struct {
	Key key.Binding
	// Each says what each of the keys does, where that differs; it may be nil.
	Each func() []string
	// Off says why nothing is done now, for the row under the cursor, which is nil where there is none; it may be nil.
	Off func(s feed.Snapshot, row *Row) string
	// Do does it, after a question if it returns one.
	Do func(msg tea.KeyMsg, row *Row) (Question, tea.Cmd)
}

// Question is what a page asks before it does something. It is shown in place of the footer, and has all keys.
type Question interface {
	// Update takes a key and reports whether the question is over.
	Update(msg tea.KeyMsg) (over bool, cmd tea.Cmd)
	Lines(width int) []string
	Keys() []page.Key
}

// row returns the row under the cursor, nil where there is none.
func (p *Page) row() *Row {
	if len(p.shown) == 0 {
		return nil
	}
	return &p.shown[p.at]
}

// act does what a key asks for.
func (p *Page) act(msg tea.KeyMsg) (cmd tea.Cmd) {
	for _, a := range p.Actions {
		if key.Matches(msg, a.Key) {
			if a.Off == nil || a.Off(p.snapshot, p.row()) == "" {
				p.question, cmd = a.Do(msg, p.row())
			}
			return cmd
		}
	}
	return nil
}

func (p *Page) answer(msg tea.KeyMsg) tea.Cmd {
	over, cmd := p.question.Update(msg)
	if over {
		p.question = nil
	}
	return cmd
}

func (p *Page) actionKeys() []page.Key {
	keys := make([]page.Key, len(p.Actions))
	for i, a := range p.Actions {
		keys[i] = page.Key{Binding: a.Key}
		if a.Off != nil {
			keys[i].Off = a.Off(p.snapshot, p.row())
		}
		if a.Each != nil {
			keys[i].Each = a.Each()
		}
	}
	return keys
}

// Bindings implements page.Rebindable.
func (p *Page) Bindings() []*key.Binding {
	k := &p.keys
	all := []*key.Binding{&k.up, &k.down, &k.first, &k.last, &k.textDown, &k.textUp, &k.open, &k.filter, &k.reload, &k.back}
	for i := range p.Actions {
		if p.Actions[i].Each == nil { // those are numbers, and stay them
			all = append(all, &p.Actions[i].Key)
		}
	}
	return all
}
