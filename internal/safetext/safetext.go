package safetext

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tabStop is the number of spaces that stand for a tab in a Block.
const tabStop = 4

// maxMarks is how many combining marks one letter may carry. Living languages need one or two; a tower of them draws
// over the lines above and below.
const maxMarks = 2

// Line returns s as one line of text for people. Control characters become their pictures (ESC is ␛, a line break
// ␊), every other invisible, reordering or malformed part becomes an escape such as \u202e or \xff, and so do the
// foreign letters in a word that mixes look-alike alphabets.
func Line(s string) string {
	if plain(s) {
		return s
	}
	var w writer
	w.out.Grow(len(s) + len(s)/4)
	w.text(s)
	return w.out.String()
}

// Block returns the lines of s, each made harmless as by Line. \n and \r\n end a line, a line break at the end of s
// adds no empty line, and tabs become spaces. It returns nil for the empty string.
func Block(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		lines[i] = Line(strings.ReplaceAll(line, "\t", strings.Repeat(" ", tabStop)))
	}
	return lines
}

// ID returns s as a name on which people decide: of an agent, an action, a target. Names have no business with
// anything but printable ASCII (RFC 3986 section 2 for URIs), so all else becomes escapes, and so do spaces that
// padding would hide.
func ID(s string) string {
	if !hidesSpace(s) {
		return ASCII(s)
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ' || s[i+1] == ' ') {
			escapeByte(&b, ' ')
			continue
		}
		b.WriteByte(s[i])
	}
	return ASCII(b.String())
}

// ASCII returns s with everything but printable ASCII as escapes, for terminals that show nothing else.
func ASCII(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f:
			escapeByte(&b, s[i])
		case r > 0x7f:
			escapeRune(&b, r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// plain reports whether s is printable ASCII throughout.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// hidesSpace reports whether s has spaces at its ends or two in a row.
func hidesSpace(s string) bool {
	return strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.Contains(s, "  ")
}

// writer collects harmless text. A word is held back until its end is known, because whether its letters are
// look-alikes depends on all of them.
type writer struct {
	out   strings.Builder
	word  []rune
	marks int
}

func (w *writer) text(s string) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			w.endWord()
			escapeByte(&w.out, s[i])
		case unicode.IsMark(r) && w.fits(r):
			w.word = append(w.word, r)
			w.marks++
		case (unicode.IsLetter(r) || unicode.IsDigit(r)) && !hazardous(r):
			w.word = append(w.word, r)
			w.marks = 0
		default:
			w.endWord()
			w.single(r)
		}
		i += size
	}
	w.endWord()
}

// fits reports whether the word can carry the mark r.
func (w *writer) fits(r rune) bool {
	return len(w.word) > 0 && w.marks < maxMarks && !hazardous(r)
}

// endWord writes the word held back.
func (w *writer) endWord() {
	mixed := mixesAlphabets(w.word)
	for _, r := range w.word {
		if mixed && imitatesLatin(r) {
			escapeRune(&w.out, r)
			continue
		}
		w.out.WriteRune(r)
	}
	w.word, w.marks = w.word[:0], 0
}

// single writes a rune that belongs to no word.
func (w *writer) single(r rune) {
	switch {
	case r < ' ':
		w.out.WriteRune(pictures + r)
	case r == 0x7f:
		w.out.WriteRune(pictureOfDelete)
	case unicode.IsMark(r) || hazardous(r):
		escapeRune(&w.out, r)
	default:
		w.out.WriteRune(r)
	}
}

func escapeByte(b *strings.Builder, c byte) {
	const digits = "0123456789abcdef"
	b.WriteString(`\x`)
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&0xf])
}

func escapeRune(b *strings.Builder, r rune) {
	hex := strconv.FormatInt(int64(r), 16)
	if len(hex) > 4 {
		b.WriteString(`\U` + strings.Repeat("0", 8-len(hex)) + hex)
		return
	}
	b.WriteString(`\u` + strings.Repeat("0", 4-len(hex)) + hex)
}
