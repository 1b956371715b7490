package help_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/bubbles/key"
	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/internal/drive"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/help"
	"github.com/aip-dev/aip-dev/tui/theme"
)

func bound(shown, does string, keys ...string) page.Key {
	return page.Key{Binding: key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, does))}
}

func TestLines(t *testing.T) {
	t.Parallel()
	off := bound("a", "approve", "a")
	off.Off = "gateway away"
	h := help.New(theme.New(theme.Options{Profile: termenv.Ascii}),
		help.Section{Title: "Keys", Keys: []page.Key{
			off, bound("j", "row down", "down", "j"), bound("pgdn", "page", "pgdown"), bound("J", "on", "J", "shift+down"),
			bound("ctrl-a", "all", "ctrl+a"), bound("k", "row up", "up", "k"), bound("pgup", "back", "pgup"),
		}},
		help.Section{Title: "Signs", Signs: []page.Sign{{Sign: "✓", Means: "approved"}}})
	h.Resize(60, 20)
	want := `
 Keys
   a           approve  not now: gateway away
   j           row down, also arrow down
   pgdn        page
   J           on, also shift-down
   ctrl-a      all
   k           row up, also arrow up
   pgup        back

 Signs
   ✓           approved`
	if got := h.View(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestScrollsAndLeaves(t *testing.T) {
	t.Parallel()
	h := help.New(theme.New(theme.Options{Profile: termenv.Ascii}), help.Section{Title: "Keys", Keys: []page.Key{
		bound("a", "first", "a"), bound("b", "second", "b"), bound("c", "last", "c"),
	}})
	h.Resize(20, 3)
	if strings.Contains(h.View(), "last") || len(h.Keys()) != 2 {
		t.Errorf("%d keys, %q", len(h.Keys()), h.View())
	}
	for range 9 {
		h.Update(drive.Key("j"))
	}
	if !strings.Contains(h.View(), "last") {
		t.Errorf("%q", h.View())
	}
	for _, l := range strings.Split(h.View(), "\n") {
		if len([]rune(l)) > 20 {
			t.Errorf("too wide: %q", l)
		}
	}
	if cmd := h.Update(drive.Key("q")); cmd == nil {
		t.Error("q does not leave")
	} else if _, back := cmd().(page.Back); !back {
		t.Error("q does something else than leave")
	}
}
