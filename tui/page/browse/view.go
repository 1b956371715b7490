package browse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/frame"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Verdict returns the sign of a check's verdict, and whether its row needs a look.
func Verdict(look theme.Theme, v check.Verdict) (sign string, level page.Level) {
	switch v {
	case check.Pass:
		return look.Approved, page.Info
	case check.Warn:
		return look.Failed, page.Info
	case check.Skip:
		return look.Dot, page.Info
	default:
		return look.Denied, page.Alert
	}
}

const (
	// sideFrom is the width from which list and detail stand side by side, stackFrom the height from which one stands
	// above the other; below it the detail is one key away.
	sideFrom  = 100
	stackFrom = 12
	// nameWidth is the column of the values in a detail.
	nameWidth = 16
	// cellLimit is how many bytes of a value can matter to a column.
	cellLimit = 256
)

// arrange gives list and detail their room.
func (p *Page) arrange() {
	room := max(p.height-3, 0) // the title and a rule on each side
	detailHeight := 0
	p.listWidth, p.listHeight = p.width, max(room-1, 0) // the heads of the columns
	switch {
	case p.whole:
		p.listHeight, detailHeight = 0, room
	case p.width >= sideFrom:
		p.listWidth, detailHeight = p.width*3/5, room
	case room >= stackFrom:
		p.listHeight = room/2 - 2
		detailHeight = room - p.listHeight - 1
	}
	p.window.Height = p.listHeight
	p.window = p.window.Show(p.at, len(p.shown))
	p.detail.SetHeight(detailHeight)
	p.draw()
}

func (p *Page) sideBySide() bool { return p.width >= sideFrom && !p.whole }

// draw makes the lines of the detail when it changed.
func (p *Page) draw() {
	width := p.width - 2
	if p.sideBySide() {
		width = p.width - p.listWidth - 3
	}
	want := drawn{id: p.id, width: width, rev: p.drawn.rev}
	if want == p.drawn && p.detail.Len() > 0 {
		return
	}
	if want.id != p.drawn.id {
		p.detail.Home()
	}
	p.drawn = want
	if p.id == "" || len(p.shown) == 0 {
		p.detail.SetLines(nil)
		return
	}
	p.detail.SetLines(p.lines(p.shown[p.at].Detail, width))
}

// lines draws a detail.
func (p *Page) lines(detail []Line, width int) []string {
	var lines []string
	for _, l := range detail {
		if l.Name == "" {
			if len(lines) > 0 {
				lines = append(lines, "")
			}
			lines = append(lines, p.Look.Title.Render(text.Cut(p.safe(l.Title), width, p.Look.Cut)))
			if l.Value == "" {
				continue
			}
		}
		lines = append(lines, p.field(l, width)...)
	}
	return lines
}

// field draws a value beside its name, or below it where it has several lines.
func (p *Page) field(l Line, width int) []string {
	var lines []string
	lead := ""
	if l.Name != "" {
		lead = "  " + p.Look.Dim.Render(text.Fit(p.safe(l.Name), nameWidth, p.Look.Cut))
	}
	block := safetext.Block(l.Value)
	if len(block) == 0 {
		return []string{lead}
	}
	indent := 2
	if l.Name != "" {
		indent += nameWidth
	}
	for _, part := range block {
		if p.Look.ASCII {
			part = safetext.ASCII(part)
		}
		for _, piece := range text.Wrap(part, max(width-indent, 1)) {
			if lead == "" {
				lead = text.Spaces(indent)
			}
			lines = append(lines, lead+piece)
			lead = ""
		}
	}
	return lines
}

func (p *Page) safe(s string) string {
	if p.Look.ASCII {
		return safetext.ASCII(s)
	}
	return safetext.Line(s)
}

// View implements page.Page.
func (p *Page) View() string {
	lines := []string{p.titleLine()}
	detail := p.detailLines()
	place := func(joint string) string {
		return frame.Double(p.Look, p.width, "", frame.Place(p.Look, p.detail, p.keys.open.Help().Key), joint, p.listWidth)
	}
	switch {
	case p.whole:
		lines = append(append(lines, p.rule("")), append(detail, place(""))...)
	case p.sideBySide():
		wall := p.Look.Dim.Render(p.Look.Wall)
		lines = append(lines, p.rule(p.Look.Tee))
		for i, left := range append([]string{p.head()}, p.listLines()...) {
			lines = append(lines, text.Fit(left, p.listWidth, "")+wall+at(detail, i))
		}
		lines = append(lines, place(p.Look.Base))
	default:
		lines = append(append(lines, p.rule(""), p.head()), p.listLines()...)
		lines = append(append(lines, place("")), detail...)
	}
	return strings.Join(lines[:min(len(lines), p.height)], "\n")
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func (p *Page) rule(joint string) string { return frame.Rule(p.Look, p.width, joint, p.listWidth) }

// titleLine says what is listed, how many, and what went wrong.
func (p *Page) titleLine() string {
	left := " " + p.Look.Title.Render(p.Options.Title)
	switch {
	case p.failure != "":
		left += "  " + p.Look.Alert.Render(p.Look.Away+" "+p.failure)
	case !p.loaded:
		left += "  " + p.Look.Dim.Render("reading"+p.Look.Cut)
	case p.filter != "":
		left += "  " + p.Look.Soon.Render(fmt.Sprintf("%d of %d match /%s", len(p.shown), len(p.rows), p.safe(p.filter)))
	case p.Limit > 0 && len(p.rows) >= p.Limit:
		left += "  " + p.Look.Dim.Render(fmt.Sprintf("%d read, there are more", len(p.rows)))
	default:
		left += "  " + p.Look.Dim.Render(fmt.Sprint(len(p.rows)))
	}
	return text.Cut(left, p.width, p.Look.Cut)
}

func (p *Page) head() string {
	titles := make([]string, len(p.Columns))
	for i, c := range p.Columns {
		titles[i] = c.Title
	}
	return p.Look.Dim.Render("  " + p.cells(titles))
}

// measure makes the columns as wide as the widest of their values, as far as they may be.
func (p *Page) measure() {
	p.columns = slices.Clone(p.Columns)
	for i, c := range p.Columns {
		widest := text.Width(c.Title)
		for _, r := range p.rows {
			if i < len(r.Cells) && widest < c.Width {
				widest = max(widest, text.Width(p.cell(r.Cells[i], c)))
			}
		}
		p.columns[i].Width = min(c.Width, widest)
	}
}

// cell makes a value fit to be drawn. Of what is too long for any column only that is looked at which a column may show: the
// beginning and, of a path, the end.
func (p *Page) cell(value string, c Column) string {
	switch {
	case c.Path && len(value) > 2*cellLimit:
		value = value[:cellLimit] + "/" + value[len(value)-cellLimit:]
	case !c.Path:
		value = value[:min(len(value), cellLimit)]
	}
	return p.safe(value)
}

// cells lays values out in their columns.
func (p *Page) cells(values []string) string {
	var b strings.Builder
	room := p.listWidth - 2
	for i, c := range p.columns {
		value := ""
		if i < len(values) {
			value = p.cell(values[i], c)
		}
		cut := text.Cut
		if c.Path {
			cut = text.CutPath
		}
		switch {
		case i == len(p.columns)-1:
			b.WriteString(cut(value, max(room, 0), p.Look.Cut))
		case p.listWidth >= c.From:
			width := max(min(c.Width, room), 0)
			b.WriteString(text.Fit(cut(value, width, p.Look.Cut), width, "") + "  ")
			room -= width + 2
		}
	}
	return text.Cut(b.String(), max(p.listWidth-2, 0), p.Look.Cut)
}

func (p *Page) listLines() []string {
	lines := make([]string, 0, p.listHeight)
	first, last := p.window.Rows(len(p.shown))
	for i := first; i < last; i++ {
		body := p.cells(p.shown[i].Cells)
		switch {
		case i == p.at:
			lines = append(lines, p.Look.Selected.Render(p.Look.Cursor+" "+text.Fit(body, p.listWidth-2, "")))
		case p.shown[i].Level == page.Alert:
			lines = append(lines, "  "+p.Look.Alert.Render(body))
		default:
			lines = append(lines, "  "+body)
		}
	}
	if p.loaded && len(p.shown) == 0 && p.listHeight > 0 {
		words := p.Empty
		if p.filter != "" {
			words = "nothing matches the filter"
		}
		lines = append(lines, text.Cut("  "+words, p.listWidth, p.Look.Cut))
	}
	for len(lines) < p.listHeight {
		lines = append(lines, "")
	}
	return lines
}

func (p *Page) detailLines() []string {
	lines := make([]string, 0, p.detail.Height())
	for i, l := range p.detail.Visible() {
		if p.seek != nil && p.seek.Found() == p.detail.Above()+i {
			l = p.Look.Selected.Render(ansi.Strip(l))
		}
		lines = append(lines, " "+l)
	}
	for len(lines) < p.detail.Height() {
		lines = append(lines, "")
	}
	return lines
}
