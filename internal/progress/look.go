package progress

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

const (
	// signColumns is what stands before a name: two spaces, the sign and a space.
	signColumns = 4
	// leastDetail is the room below which a detail says less than no detail.
	leastDetail = 8
	// leastName keeps short plans in the columns of long ones.
	leastName = 11
)

// Colours (ECMA-48, SGR).
const (
	accent = "36"
	red    = "31"
	yellow = "33"
	dim    = "2"
)

// look draws lines of the live display. The text of events is made harmless here.
type look struct{ ascii, color bool }

func (k look) safe(s string) string {
	if !k.ascii {
		return safetext.Line(s)
	}
	return safetext.ASCII(strings.NewReplacer("→", "->", "·", "-", "…", "...").Replace(s))
}

// oneLine is safe, with the lines of s set one behind the other.
func (k look) oneLine(s string) string {
	return strings.Join(k.lines(s), " ")
}

func (k look) lines(s string) []string {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(s, "\t", " ")), "\n")
	for i, line := range lines {
		lines[i] = k.safe(strings.TrimSuffix(line, "\r"))
	}
	return lines
}

func (k look) mark() string {
	if k.ascii {
		return "..."
	}
	return "…"
}

func (k look) paint(color, s string) string {
	if !k.color || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// sign returns the sign of a step and its colour.
func (k look) sign(kind Kind, now time.Time) (sign, color string) {
	signs := map[Kind][2]string{Done: {"✓", "+"}, Failed: {"✗", "x"}, Warning: {"!", "!"}, Skipped: {"·", "."}, "": {"·", "."}, End: {"…", "?"}}
	colors := map[Kind]string{Failed: red, Warning: yellow, Skipped: dim, "": dim, End: yellow}
	if kind == Started {
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		if k.ascii {
			frames = []rune(`-\|/`)
		}
		frame := now.UnixMilli() / liveTick.Milliseconds() % int64(len(frames))
		return string(frames[frame]), accent
	}
	sign = signs[kind][0]
	if k.ascii {
		sign = signs[kind][1]
	}
	return sign, colors[kind]
}

// step returns the lines of a step: its warnings, then how it is.
func (k look) step(s *liveStep, now time.Time, column, width int) []string {
	lines := k.warnings(s, column, width)
	if s.kind == Failed {
		return append(lines, k.paragraph(Failed, s.name, s.text, column, width)...)
	}
	took := ""
	switch s.kind {
	case Started:
		took = Took(now.Sub(s.began))
	case Done, End:
		took = Took(s.took)
	}
	sign, color := k.sign(s.kind, now)
	room := width - signColumns - nameRoom(column) - len(took) - 2
	name, detail := pad(s.name, nameRoom(column)), ""
	if room < leastDetail {
		name = cut(s.name, max(1, width-signColumns-len(took)-1), k.mark())
	} else {
		detail = cut(k.oneLine(s.text), room, k.mark())
	}
	if s.kind == "" || s.kind == Skipped {
		name = k.paint(dim, name)
	}
	line := "  " + k.paint(color, sign) + " " + name + detail
	if took == "" {
		return append(lines, strings.TrimRight(line, " "))
	}
	return append(lines, pad(line, width-len(took))+k.paint(dim, took))
}

func (k look) warnings(s *liveStep, column, width int) []string {
	var lines []string
	for _, w := range s.warnings {
		lines = append(lines, k.warning(s.name, w, column, width)...)
	}
	return lines
}

func (k look) warning(step, text string, column, width int) []string {
	return k.paragraph(Warning, k.safe(step), text, column, width)
}

// paragraph sets the whole text in the column of the details, or below the name where that is too narrow.
func (k look) paragraph(kind Kind, name, text string, column, width int) []string {
	const readable = 24
	indent := signColumns + nameRoom(column)
	lead := pad(name, nameRoom(column))
	sign, color := k.sign(kind, time.Time{})
	head := "  " + k.paint(color, sign) + " "
	var lines []string
	if width-indent < readable {
		lines = append(lines, head+cut(name, max(1, width-signColumns), k.mark()))
		indent, head, lead = min(signColumns, width/2), "", ""
	}
	for _, part := range k.lines(text) {
		for row := range strings.SplitSeq(ansi.Wrap(part, max(1, width-indent), ""), "\n") {
			if head == "" {
				head = strings.Repeat(" ", indent)
			}
			lines = append(lines, strings.TrimRight(head+lead+row, " "))
			head, lead = "", ""
		}
	}
	return lines
}

// output returns a line of a library's chatter.
func (k look) output(step, text string, width int) []string {
	var lines []string
	for _, part := range k.lines(text) {
		lines = append(lines, k.paint(dim, cut("    "+k.safe(step)+": "+part, width, k.mark())))
	}
	return lines
}

// nameRoom is the width of the column of names with the space behind it.
func nameRoom(column int) int { return max(column, leastName) + 2 }
