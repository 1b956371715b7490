// Package frame draws the lines between the parts of a page, with words in them.
package frame

import (
	"fmt"

	"github.com/aip-dev/aip-dev/tui/part/pager"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Rule draws a line of width columns, with a joint at one of them where a wall begins or ends; joint may be empty.
func Rule(look theme.Theme, width int, joint string, at int) string {
	if joint == "" {
		return look.Dim.Render(text.Fill(look.Rule, width))
	}
	return look.Dim.Render(text.Fill(look.Rule, at) + joint + text.Fill(look.Rule, width-at-1))
}

// Inlay draws a line with words in it, near its beginning.
func Inlay(look theme.Theme, words string, width int) string {
	if words == "" || width < 6 {
		return look.Dim.Render(text.Fill(look.Rule, width))
	}
	words = text.Cut(words, width-4, look.Cut)
	return look.Dim.Render(text.Fill(look.Rule, 1)+" ") + words + look.Dim.Render(" "+text.Fill(look.Rule, width-text.Width(words)-3))
}

// Double draws a line with words on both sides of a wall that ends in it or, where joint is empty, at both ends.
func Double(look theme.Theme, width int, left, right, joint string, wall int) string {
	leftWidth := wall
	if joint == "" {
		leftWidth = max(width-text.Width(right)-4, 0)
	}
	rightWidth := width - leftWidth - text.Width(joint)
	return Inlay(look, left, leftWidth) + look.Dim.Render(joint) + Inlay(look, right, rightWidth)
}

// Place says how much of a text is on the screen; open is the key that shows it where it has no room.
func Place(look theme.Theme, p pager.Pager, open string) string {
	switch {
	case p.Len() == 0:
		return ""
	case p.Height() == 0:
		return fmt.Sprintf("%s shows all %d lines", open, p.Len())
	case p.Above() == 0 && p.Below() == 0:
		return fmt.Sprintf("all %d lines", p.Len())
	case p.Below() == 0:
		return fmt.Sprintf("end, %s %d above", look.Up, p.Above())
	case p.Above() == 0:
		return fmt.Sprintf("%s %d more lines", look.Down, p.Below())
	default:
		return fmt.Sprintf("%s %d above, %s %d more lines", look.Up, p.Above(), look.Down, p.Below())
	}
}
