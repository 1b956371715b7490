package safetext

import "unicode"

// The block of control pictures: U+2400 + c shows the control character c.
// Source: https://www.unicode.org/charts/PDF/U2400.pdf
const (
	pictures        = '\u2400'
	pictureOfDelete = '\u2421'
)

// hazardous reports whether r must not reach a terminal as it is.
func hazardous(r rune) bool {
	switch {
	case r == ' ':
		return false
	case !unicode.IsGraphic(r):
		// Controls, formats (bidi controls, zero-width joiners, tags), line separators, private use, surrogates,
		// unassigned.
		return true
	case unicode.Is(unicode.Zs, r):
		return r != ideographicSpace
	default:
		return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
			unicode.Is(disguises, r)
	}
}

// ideographicSpace is the space of Chinese and Japanese text. It is as wide as a letter and hides nothing.
const ideographicSpace = '\u3000'

// disguises are characters that are visible or take room, but deceive: blanks that are no spaces, punctuation
// that passes for the separators of a URI, letters in costume, and characters that change the width of the one
// before, with which neighbouring columns could be moved.
//
//nolint:gochecknoglobals // a constant in all but syntax
var disguises = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x02d0, Hi: 0x02d0, Stride: 1}, // triangular colon
		{Lo: 0x0589, Hi: 0x0589, Stride: 1}, // Armenian full stop, a colon
		{Lo: 0x1160, Hi: 0x11ff, Stride: 1}, // conjoining Hangul vowels and finals
		{Lo: 0x2024, Hi: 0x2024, Stride: 1}, // one dot leader
		{Lo: 0x2044, Hi: 0x2044, Stride: 1}, // fraction slash
		{Lo: 0x2215, Hi: 0x2216, Stride: 1}, // division slash, set minus
		{Lo: 0x2236, Hi: 0x2236, Stride: 1}, // ratio
		{Lo: 0x2571, Hi: 0x2572, Stride: 1}, // box drawings that are slashes
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // Braille blank
		{Lo: 0x29f5, Hi: 0x29f9, Stride: 1}, // big slashes
		{Lo: 0xa789, Hi: 0xa789, Stride: 1}, // modifier letter colon
		{Lo: 0xd7b0, Hi: 0xd7fb, Stride: 1}, // conjoining Hangul, extended
		{Lo: 0xfdfa, Hi: 0xfdfd, Stride: 1}, // ligatures of whole phrases
		{Lo: 0xfe52, Hi: 0xfe55, Stride: 1}, // small full stop, semicolon, colon
		{Lo: 0xff0e, Hi: 0xff0f, Stride: 1}, // full-width full stop and slash
		{Lo: 0xff1a, Hi: 0xff1a, Stride: 1}, // full-width colon
		{Lo: 0xff21, Hi: 0xff3a, Stride: 1}, // full-width Latin capitals
		{Lo: 0xff41, Hi: 0xff5a, Stride: 1}, // full-width Latin small letters
	},
	R32: []unicode.Range32{
		{Lo: 0x1d400, Hi: 0x1d7ff, Stride: 1}, // mathematical letters and digits
		{Lo: 0x1f1e6, Hi: 0x1f1ff, Stride: 1}, // regional indicators
		{Lo: 0x1f3fb, Hi: 0x1f3ff, Stride: 1}, // skin tones
	},
}

// imitatesLatin reports whether r is a letter of an alphabet with many letters that look like Latin ones.
// Source: https://www.unicode.org/Public/security/latest/confusables.txt
func imitatesLatin(r rune) bool {
	return r > unicode.MaxASCII &&
		unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Coptic, unicode.Lisu)
}

// mixesAlphabets reports whether word has both Latin letters and letters that imitate them.
func mixesAlphabets(word []rune) bool {
	var latin, other bool
	for _, r := range word {
		latin = latin || unicode.Is(unicode.Latin, r)
		other = other || imitatesLatin(r)
	}
	return latin && other
}
