package text_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/tui/part/text"
)

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s     string
		width int
		want  string
	}{
		{"abc", 5, "abc  "},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日… "},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := text.Fit(c.s, c.width, "…"); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.s, c.width, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, s string
		width   int
		want    []string
	}{
		{"fits", "one two", 7, []string{"one two"}},
		{"empty", "", 7, []string{""}},
		{"at a space", "one two three", 8, []string{"one two", "three"}},
		{"space falls on the edge", "one two", 3, []string{"one", "two"}},
		{"long word", "abcdefgh", 3, []string{"abc", "def", "gh"}},
		{"path", "prod/web/deployment/cart", 21, []string{"prod/web/deployment/", "cart"}},
		{"path with a long end", "a/bcdefgh", 6, []string{"a/bcde", "fgh"}},
		{"indent", "  one two", 6, []string{"  one", "  two"}},
		{"indent of more than half", "      one", 6, []string{"      ", "one"}},
		{"wide", "日本語日本", 5, []string{"日本", "語日", "本"}},
		{"wider than the room", "日", 1, []string{"日"}},
		{"no room", "a", 0, nil},
	} {
		if got := text.Wrap(c.s, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%s: Wrap(%q, %d) = %q, want %q", c.name, c.s, c.width, got, c.want)
		}
	}
}

func FuzzWrapKeepsEverything(f *testing.F) {
	f.Add("one two  three", 4)
	f.Add("    indented 日本語", 9)
	f.Fuzz(func(t *testing.T, s string, width int) {
		if width < 2 || width > 200 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' && r < '\u3040' || r > '\u30ff' }) {
			t.Skip()
		}
		lines := text.Wrap(s, width)
		for _, line := range lines {
			if text.Width(line) > width {
				t.Errorf("Wrap(%q, %d): %q is too wide", s, width, line)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if got := bare(strings.Join(lines, "")); got != bare(s) {
			t.Errorf("Wrap(%q, %d) lost something: %q", s, width, lines)
		}
	})
}

func TestCutPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path  string
		width int
		want  string
	}{
		{"prod/web/deployment/cart", 24, "prod/web/deployment/cart"},
		{"prod/web/deployment/cart", 23, "…/web/deployment/cart"},
		{"prod/web/deployment/cart", 20, "…/deployment/cart"},
		{"prod/web/deployment/cart", 7, "…/cart"},
		{"prod/web/deployment/cart", 5, "…/ca…"},
		{"prod/web/deployment/", 8, "…/deplo…"},
		{"nothing-to-split", 8, "nothing…"},
		{"prod/x", 0, ""},
		{"delete prod/web/deployment/cart", 24, "delete …/deployment/cart"},
		{"delete prod/web/deployment/cart", 13, "delete …/cart"},
		{"delete prod/web/deployment/cart", 9, "delete p…"},
	} {
		if got := text.CutPath(c.path, c.width, "…"); got != c.want {
			t.Errorf("CutPath(%q, %d) = %q, want %q", c.path, c.width, got, c.want)
		}
	}
}
