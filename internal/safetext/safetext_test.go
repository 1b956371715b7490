package safetext_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/exp/golden"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

// attacks are texts that did harm to some terminal program or its user.
var attacks = []struct{ name, text string }{ // read only
	{"colour", "\x1b[31mred\x1b[0m"},
	{"clear the screen", "a\x1b[2Jb"},
	{"cursor home", "a\x1b[Hb"},
	{"cursor up and overwrite", "deny\x1b[1A\rapprove"},
	{"erase the line", "delete prod\x1b[2K\rdelete test"},
	{"window title", "\x1b]0;owned\x07"},
	{"title report", "\x1b[21t"},
	{"clipboard by OSC 52", "\x1b]52;c;cm0gLXJmIC8=\x07"},
	{"hyperlink by OSC 8", "\x1b]8;;https://evil.example\x1b\\docs\x1b]8;;\x1b\\"},
	{"device status report", "\x1b[6n"},
	{"answerback", "\x05"},
	{"DCS request", "\x1bP$qm\x1b\\"},
	{"APC", "\x1b_Gf=100;AAAA\x1b\\"},
	{"alternate screen", "\x1b[?1049h"},
	{"mouse reports on", "\x1b[?1003h"},
	{"bracketed paste end", "\x1b[201~rm -rf /\n"},
	{"C1 CSI", "a\u009b31mb"},
	{"C1 OSC", "\u009d0;owned\u009c"},
	{"raw C1 byte", "a\x9b31mb"},
	{"carriage return", "delete prod\rdelete test"},
	{"backspace", "prod\b\b\b\btest"},
	{"delete character", "prod\x7f\x7f"},
	{"vertical tab and form feed", "a\vb\fc"},
	{"shift out", "a\x0eb\x0f"},
	{"null", "a\x00b"},
	{"bell", "\a\a\a"},
	{"next line", "a\u0085b"},
	{"line separator", "a\u2028b\u2029c"},
	{"right-to-left override", "prod/\u202etset/\u202c"},
	{"right-to-left isolate", "a\u2067b\u2069"},
	{"right-to-left mark", "a\u200fb\u061c"},
	{"zero-width space", "pro\u200bd"},
	{"zero-width joiner", "\U0001f469\u200d\U0001f4bb"},
	{"byte order mark", "\ufeffprod"},
	{"soft hyphen", "pay\u00adment"},
	{"tag characters", "ok\U000e0068\U000e0069"},
	{"variation selectors", "ok\ufe0f\U000e0100"},
	{"Hangul filler", "a\u3164b\uffa0"},
	{"no-break and thin space", "a\u00a0b\u2009c"},
	{"Braille blank", "a\u2800b"},
	{"Cyrillic in Latin", "p\u0430yment-api"},
	{"Greek in Latin", "pr\u03bfd"},
	{"mathematical letters", "\U0001d429\U0001d42b\U0001d428\U0001d41d"},
	{"division slash", "prod\u2215default"},
	{"full-width solidus", "k8s:\uff0f\uff0fprod"},
	{"tower of marks", "Z\u0351\u036b\u0343\u0344\u0360algo"},
	{"mark without a letter", " \u0301x"},
	{"overlong and truncated UTF-8", "\xc0\xaf \xe2\x80 \xf0\x9f"},
	{"surrogate", "\xed\xa0\x80"},
	{"private use", "\ue000\U000f0000"},
	{"unassigned and noncharacter", "\u0378\ufdd0\uffff"},
	{"regional indicators", "\U0001f1e9\U0001f1ea"},
	{"skin tone", "\U0001f44d\U0001f3fd"},
	{"trailing space", "aip-agent-1 "},
	{"forged heading", "idle\nWHY IT WAITS\nall policies agree"},
	{"no attack, living languages", "größe, naïve, 日本語　だ, Привет, हिन्दी, עברית, ✓ 🚀"},
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, a := range attacks {
		fmt.Fprintf(&b, "%s\n  text   %s\n  Line   %s\n  ID     %s\n", a.name, strconv.QuoteToASCII(a.text),
			safetext.Line(a.text), safetext.ID(a.text))
		for _, line := range safetext.Block(a.text) {
			fmt.Fprintf(&b, "  Block  %s\n", line)
		}
	}
	golden.RequireEqual(t, []byte(b.String()))
}

func TestBlockLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"one", []string{"one"}},
		{"one\n", []string{"one"}},
		{"one\n\n", []string{"one", ""}},
		{"\n", []string{""}},
		{"one\r\ntwo", []string{"one", "two"}},
		{"one\rtwo", []string{"one␍two"}},
		{"\tone", []string{"    one"}},
	} {
		got := safetext.Block(c.text)
		if len(got) != len(c.want) || strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("Block(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestPlainTextIsUntouched(t *testing.T) {
	t.Parallel()
	const s = `scale-down k8s://prod/default/deployment/payment-api {"a": [1, "x"]} ~`
	if got := safetext.Line(s); got != s {
		t.Errorf("Line(%q) = %q", s, got)
	}
	if got := safetext.ID("k8s://prod/a b"); got != "k8s://prod/a b" {
		t.Errorf("ID = %q", got)
	}
}

// harm names the first thing in s that may not reach a terminal.
func harm(s string) string {
	if !utf8.ValidString(s) {
		return "invalid UTF-8"
	}
	for _, r := range s {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r <= 0x9f:
			return fmt.Sprintf("control %U", r)
		case unicode.In(r, unicode.Bidi_Control, unicode.Join_Control, unicode.Cf, unicode.Zl, unicode.Zp):
			return fmt.Sprintf("invisible %U", r)
		case unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
			return fmt.Sprintf("ignorable %U", r)
		case unicode.In(r, unicode.Co, unicode.Cs, unicode.Noncharacter_Code_Point):
			return fmt.Sprintf("not a character %U", r)
		}
	}
	return ""
}

func FuzzHarmless(f *testing.F) {
	for _, a := range attacks {
		f.Add(a.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := safetext.Line(s)
		if h := harm(line); h != "" {
			t.Errorf("Line(%q) = %q: %s", s, line, h)
		}
		block := safetext.Block(s)
		for _, l := range block {
			if h := harm(l); h != "" {
				t.Errorf("Block(%q) has %q: %s", s, l, h)
			}
		}
		if want := strings.Count(s, "\n"); len(block) < want {
			t.Errorf("Block(%q) has %d lines, want at least %d", s, len(block), want)
		}
		for _, r := range safetext.ID(s) {
			if r < ' ' || r > '~' {
				t.Errorf("ID(%q) has %U", s, r)
			}
		}
	})
}

// Two different names must not look the same, whatever is in them, unless one spells out an escape.
func FuzzNamesStayApart(f *testing.F) {
	f.Add("aip-agent-1", "aip-agent-1 ")
	f.Add("prod", "pr\u043ed")
	f.Add("a\x00", "a")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b || strings.Contains(a+b, `\`) {
			t.Skip()
		}
		if safetext.ID(a) == safetext.ID(b) {
			t.Errorf("ID(%q) == ID(%q) == %q", a, b, safetext.ID(a))
		}
	})
}

func BenchmarkBlockMegabyte(b *testing.B) {
	text := strings.Repeat("größe of the thing \x1b[31m and so on\n", 1<<20/40)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		safetext.Block(text)
	}
}
