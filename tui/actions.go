package tui

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/atotto/clipboard"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/palette"
	"github.com/aip-dev/aip-dev/tui/part/keys"
)

// What the palette asks for: a key of the page below, another page, or the end.
type (
	press    struct{ key tea.KeyMsg }
	visiting struct{ entry page.Entry }
	quitting struct{}
)

// everywhere are the keys that work on every page.
func (r *root) everywhere() []page.Key {
	all := []page.Key{{Binding: r.keys.palette}, {Binding: r.keys.help}}
	for _, e := range r.entries {
		all = append(all, page.Key{Binding: e.Key})
	}
	return append(all, page.Key{Binding: r.keys.quit}, page.Key{Binding: r.keys.kill})
}

// actions is everything that can be done here and now: the keys of the page, the other pages, help and the end.
func (r *root) actions() []palette.Action {
	var all []palette.Action
	for _, k := range append(r.top().Keys(), page.Key{Binding: r.keys.help}) {
		all = append(all, pressing(k)...)
	}
	for _, e := range r.entries {
		all = append(all, palette.Action{Name: e.Key.Help().Desc, Key: e.Key.Help().Key, Do: visiting{e}})
	}
	for _, k := range []key.Binding{r.keys.quit, r.keys.kill} {
		all = append(all, palette.Action{Name: k.Help().Desc, Key: k.Help().Key, Do: quitting{}})
	}
	return all
}

// pressing are the actions of a key: one, or one for each of its names where they differ.
func pressing(k page.Key) []palette.Action {
	var all []palette.Action
	for i, name := range k.Keys() {
		msg, ok := keys.Press(name)
		switch {
		case !ok:
		case k.Each == nil:
			return []palette.Action{{Name: k.Help().Desc, Key: k.Help().Key, Off: k.Off, Do: press{msg}}}
		case i < len(k.Each):
			all = append(all, palette.Action{Name: safetext.Line(k.Each[i]), Key: name, Off: k.Off, Do: press{msg}})
		}
	}
	return all
}

// recentLimit is how many chosen actions are remembered.
const recentLimit = 8

// choose does what was chosen in the palette, which goes away first. A key that decides opens the same form as ever.
func (r *root) choose(a palette.Action) tea.Cmd {
	r.back()
	r.recent = append([]string{a.Name}, slices.DeleteFunc(r.recent, func(name string) bool { return name == a.Name })...)
	r.recent = r.recent[:min(len(r.recent), recentLimit)]
	switch do := a.Do.(type) {
	case press:
		return r.press(do.key)
	case visiting:
		return r.visit(do.entry)
	case quitting:
		return r.quit()
	default:
		return nil
	}
}

// visit opens a page, on the first one: pages do not pile up.
func (r *root) visit(e page.Entry) tea.Cmd {
	r.stack = r.stack[:1]
	return r.open(e.New())
}

// copyLimit ends the programs that own the clipboard of this machine.
const copyLimit = 2 * time.Second

// copy puts a text into the clipboard, in every way that may work: through the terminal, which also reaches the
// person's own machine over SSH, through tmux, and through the programs of this machine.
func (r *root) copy(c page.Copy) tea.Cmd {
	sequence, fits := r.osc.Copy(c.Text)
	native := r.live(func(ctx context.Context) tea.Msg {
		done := fits
		switch {
		case !r.Native:
		case r.osc.Tmux:
			ctx, cancel := context.WithTimeout(ctx, copyLimit)
			defer cancel()
			load := exec.CommandContext(ctx, "tmux", "load-buffer", "-w", "-")
			load.Stdin = strings.NewReader(c.Text)
			done = load.Run() == nil || done
		case !clipboard.Unsupported:
			done = clipboard.WriteAll(c.Text) == nil || done
		}
		if !done {
			return page.Notice{Level: page.Alert, Text: "not copied: " + c.What + " is too long for this terminal's clipboard"}
		}
		return page.Notice{Text: "copied " + c.What}
	})
	return tea.Batch(r.say(sequence), native)
}
