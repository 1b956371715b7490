package main

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// screen is what a terminal shows of a program that writes whole lines, as package paint does: each begins with the
// place of its first column.
type screen struct {
	lines []string
	row   int
	// rest is the beginning of a sequence whose end has not come.
	rest string
}

// Write takes in what the program wrote.
func (s *screen) write(data string) {
	data = s.rest + data
	s.rest = ""
	for data != "" {
		sequence, width, n, state := ansi.DecodeSequence(data, ansi.NormalState, nil)
		if state != ansi.NormalState && n == len(data) {
			s.rest = data
			return
		}
		data = data[n:]
		switch {
		case width > 0:
			s.lines[s.row] += sequence
		case strings.HasPrefix(sequence, "\x1b["):
			s.control(sequence)
		}
	}
}

// control does what a control sequence asks for, of those that place and clear text.
func (s *screen) control(sequence string) {
	parameters, final := sequence[2:len(sequence)-1], sequence[len(sequence)-1]
	switch final {
	case 'H':
		row, _, _ := strings.Cut(parameters, ";")
		n, _ := strconv.Atoi(row) // without a number it is the first
		s.row = min(max(n-1, 0), len(s.lines)-1)
		s.lines[s.row] = ""
	case 'J':
		from := s.row
		if parameters == "2" {
			from = 0
		}
		clear(s.lines[from:])
	case 'm':
		s.lines[s.row] += sequence
	}
}

// text is the whole screen with its colours.
func (s *screen) text() string { return strings.Join(s.lines, "\n") }
