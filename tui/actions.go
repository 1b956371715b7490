package tui

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/atotto/clipboard"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/palette"
	"github.com/aip-dev/aip-dev/tui/part/keys"
)

// press is what the palette asks for when an action is a key of the page below.
type press struct{ key tea.KeyMsg }

// visiting is what the palette asks for when an action opens a page.
type visiting struct{ entry page.Entry }

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
	add := func(k page.Key, do tea.Msg) {
		all = append(all, palette.Action{Name: k.Help().Desc, Key: k.Help().Key, Off: k.Off, Do: do})
	}
	for _, k := range r.top().Keys() {
		if msg, ok := keys.Press(k.Keys()[0]); ok {
			add(k, press{msg})
		}
	}
	for _, e := range r.entries {
		add(page.Key{Binding: e.Key}, visiting{e})
	}
	for _, k := range []page.Key{{Binding: r.keys.help}, {Binding: r.keys.quit}} {
		if msg, ok := keys.Press(k.Keys()[0]); ok {
			add(k, press{msg})
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
