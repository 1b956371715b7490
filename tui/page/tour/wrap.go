package tour

import (
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/tui/part/text"
)

const (
	// valueColumn is where values stand behind their names, further how far what follows a line is set in.
	valueColumn = 13
	further     = 4
)

// wrapped sets a line in width columns. What does not fit goes on below the value, or below the name where a word of
// the value is too long for that.
func wrapped(line string, width int) []string {
	if text.Width(line) <= width {
		return []string{line}
	}
	lead, value := "", line
	if strings.HasPrefix(line, "  ") && len(line) > valueColumn && line[valueColumn-1] == ' ' {
		lead, value = line[:valueColumn], line[valueColumn:]
	}
	room := width - valueColumn
	fits := !slices.ContainsFunc(strings.Fields(value), func(word string) bool { return text.Width(word) > room })
	if lead != "" && fits {
		return indented(lead, text.Wrap(value, max(room, 1)), valueColumn)
	}
	if lead != "" {
		return append([]string{strings.TrimRight(lead, " ")}, indented(text.Spaces(further), text.Wrap(value, max(width-further, 1)), further)...)
	}
	first := text.Wrap(value, max(width, 1))[0]
	rest := text.Wrap(strings.TrimSpace(strings.TrimPrefix(value, first)), max(width-further, 1))
	return append([]string{first}, indented(text.Spaces(further), rest, further)...)
}

// indented puts lead before the first line and spaces before the others.
func indented(lead string, lines []string, columns int) []string {
	for i, l := range lines {
		if i == 0 {
			lines[i] = lead + l
			continue
		}
		lines[i] = text.Spaces(columns) + l
	}
	return lines
}
