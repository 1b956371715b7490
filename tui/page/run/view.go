package run

import (
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/internal/progress"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/part/when"
)

// Resize implements page.Page.
func (p *Page) Resize(width, height int) {
	p.width, p.height = width, height
	p.text.SetHeight(max(height-2, 0)) // the state and a rule
	p.write()
}

// write makes the lines of the text.
func (p *Page) write() {
	var lines []string
	for _, s := range p.said {
		words := safetext.Line(s.text)
		if p.Look.ASCII {
			words = safetext.ASCII(s.text)
		}
		if s.command {
			lines = append(lines, " "+p.Look.Dim.Render("$")+" "+p.Look.Title.Render(text.Cut(words, p.width-4, p.Look.Cut)))
			continue
		}
		for _, piece := range text.Wrap(words, max(p.width-4, 1)) {
			lines = append(lines, strings.TrimRight("   "+piece, " "))
		}
	}
	p.text.SetLines(lines)
	if p.follow {
		p.text.End()
	}
}

// View implements page.Page.
func (p *Page) View() string {
	lines := []string{text.Cut(" "+p.state(), p.width, p.Look.Cut), p.Look.Dim.Render(text.Fill(p.Look.Rule, p.width))}
	lines = append(lines, p.text.Visible()...)
	return strings.Join(lines[:min(len(lines), p.height)], "\n")
}

// state says how far the command is.
func (p *Page) state() string {
	switch {
	case p.running:
		since, _ := when.Ago(p.began, p.now)
		return p.Look.Accent.Render(p.Look.Executing) + " running " + since
	case p.err != nil:
		return p.Look.Alert.Render(p.Look.Denied + " failed")
	default:
		return p.Look.Good.Render(p.Look.Approved+" done") + p.Look.Dim.Render(" in "+progress.Took(p.ended.Sub(p.began)))
	}
}

// Next implements page.Timed.
func (p *Page) Next() time.Time {
	if !p.running {
		return time.Time{}
	}
	_, until := when.Ago(p.began, p.now)
	return until
}
