package prompt_test

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

func typed(p *prompt.Prompt, s string) {
	p.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(s)})
}

func TestEveryPrintableKey(t *testing.T) {
	t.Parallel()
	p := prompt.New(theme.New(theme.Options{}), 200)
	var want strings.Builder
	for r := ' '; r <= '~'; r++ {
		typed(&p, string(r))
		want.WriteRune(r)
	}
	if p.Value() != want.String() {
		t.Errorf("typed %q, got %q", want.String(), p.Value())
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	p := prompt.New(theme.New(theme.Options{}), 10)
	typed(&p, strings.Repeat("x", 1<<20))
	if len(p.Value()) != 10 || !p.Full() {
		t.Errorf("%d characters, full %t", len(p.Value()), p.Full())
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	bare := theme.New(theme.Options{Profile: termenv.Ascii, ASCII: true})
	for _, c := range []struct {
		name, value string
		left        int
		width       int
		want        string
	}{
		{"empty", "", 0, 10, "_"},
		{"caret at the end", "abc", 0, 10, "abc_"},
		{"caret inside", "abc", 1, 10, "ab_c"},
		{"too long, end", "abcdefgh", 0, 5, "~fgh_"},
		{"too long, start", "abcdefgh", 8, 5, "_abc~"},
		{"too long, inside", "abcdefgh", 4, 5, "~cd_e"},
		{"pasted escapes", "a\u202eb\u200b", 0, 40, `a\u202eb\u200b_`},
	} {
		p := prompt.New(bare, 100)
		p.SetValue(c.value)
		for range c.left {
			p.Update(tea.KeyMsg{Type: tea.KeyLeft})
		}
		if got := p.View(c.width); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestViewIsNeverTooWide(t *testing.T) {
	t.Parallel()
	for _, profile := range []termenv.Profile{termenv.Ascii, termenv.ANSI} {
		p := prompt.New(theme.New(theme.Options{Profile: profile}), 100)
		p.SetValue("日本語 and more \u202e text")
		for width := range 40 {
			if got := text.Width(p.View(width)); got > width {
				t.Errorf("profile %d: %d columns in %d", profile, got, width)
			}
		}
	}
}
