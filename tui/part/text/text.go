// Package text measures, cuts, pads and wraps text in terminal columns. Everything that is drawn beside something else
// goes through it.
package text

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Width returns how many columns s takes. Attributes take none.
func Width(s string) int { return ansi.StringWidth(s) }

// Cut returns s if it fits in width columns, else its beginning, ended by mark.
func Cut(s string, width int, mark string) string {
	if width <= 0 {
		return ""
	}
	if Width(s) <= width {
		return s
	}
	return ansi.Truncate(s, width, mark)
}

// CutPath returns s if it fits in width columns, else without the first segments of the path that is its last word, with mark
// in their place, because it is by the end that paths differ. Only if the last segment is too long the end of that goes, too.
func CutPath(s string, width int, mark string) string {
	word := strings.LastIndexByte(s, ' ') + 1
	lead, path := s[:word], s[word:]
	for Width(lead+path) > width {
		_, rest, more := strings.Cut(path, "/")
		if !more || rest == "" {
			break
		}
		lead, path = s[:word]+mark+"/", rest
	}
	if Width(lead) >= width {
		return Cut(s, width, mark)
	}
	return Cut(lead+path, width, mark)
}

// Fit returns s cut or padded with spaces to exactly width columns.
func Fit(s string, width int, mark string) string {
	s = Cut(s, width, mark)
	return s + Spaces(width-Width(s))
}

// Spaces returns n spaces, none for a negative n.
func Spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

// Fill returns as much of the one-column text s as fills width.
func Fill(s string, width int) string { return strings.Repeat(s, max(width, 0)) }

// Wrap returns the lines of s, each at most width columns, broken between words where that is possible. Nothing is
// left out but the spaces at which a line is broken. Further lines are indented like the first, as long as that leaves
// half of the width.
func Wrap(s string, width int) []string {
	if width <= 0 {
		return nil
	}
	indent := len(s) - len(strings.TrimLeft(s, " "))
	if indent > width/2 {
		indent = 0
	}
	margin := s[:indent]
	var lines []string
	for rest := s[indent:]; ; {
		head, tail := split(rest, width-indent)
		lines = append(lines, margin+head)
		if tail == "" {
			return lines
		}
		rest = tail
	}
}

// split returns the part of s that fits in width columns and what follows it.
func split(s string, width int) (head, tail string) {
	used, end, space := 0, 0, -1
	for end < len(s) {
		size, columns := next(s[end:])
		if used+columns > width && end > 0 {
			break
		}
		if s[end] == ' ' {
			space = end
		}
		used += columns
		end += size
	}
	switch {
	case end == len(s):
		return s, ""
	case s[end] == ' ':
		return s[:end], strings.TrimLeft(s[end:], " ")
	case space > 0 && strings.TrimLeft(s[:space], " ") != "":
		return s[:space], s[space+1:]
	default:
		// Paths and URIs are broken after a slash, unless that leaves half of the line empty.
		if slash := strings.LastIndexByte(s[:end], '/') + 1; slash > end/2 {
			end = slash
		}
		return s[:end], s[end:]
	}
}

// next returns how many bytes and columns the first character of s takes.
func next(s string) (size, columns int) {
	if s[0] < 0x80 && (len(s) == 1 || s[1] < 0x80) {
		return 1, 1
	}
	cluster, columns := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	return len(cluster), columns
}

// Count writes how many of something there are, in the right number: 1 request, 2 requests.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
