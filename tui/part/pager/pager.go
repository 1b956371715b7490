// Package pager shows a part of a long text and knows how much of it was left out above and below.
package pager

// Pager is a text of lines, of which Height are shown, starting at the one with number top. The zero Pager is empty.
type Pager struct {
	lines  []string
	height int
	top    int
}

// SetLines replaces the text. The place is kept as far as the new text reaches.
func (p *Pager) SetLines(lines []string) {
	p.lines = lines
	p.Scroll(0)
}

// SetHeight sets how many lines are shown.
func (p *Pager) SetHeight(height int) {
	p.height = max(height, 0)
	p.Scroll(0)
}

// Height returns how many lines are shown.
func (p *Pager) Height() int { return p.height }

// Scroll moves by n lines, down for a positive n, and stops at both ends.
func (p *Pager) Scroll(n int) {
	p.top = max(0, min(p.top+n, len(p.lines)-p.height))
}

// Home moves to the beginning, End to the end.
func (p *Pager) Home() { p.top = 0 }

// End moves to the end.
func (p *Pager) End() { p.Scroll(len(p.lines)) }

// Lines returns the whole text.
func (p *Pager) Lines() []string { return p.lines }

// Visible returns the lines that are shown.
func (p *Pager) Visible() []string { return p.lines[p.top:p.bottom()] }

// Above and Below return how many lines are hidden there.
func (p *Pager) Above() int { return p.top }

// Below returns how many lines are hidden below.
func (p *Pager) Below() int { return len(p.lines) - p.bottom() }

// Len returns the number of lines.
func (p *Pager) Len() int { return len(p.lines) }

// AtEnd reports whether the last line is shown. A Pager without room shows nothing.
func (p *Pager) AtEnd() bool { return p.height > 0 && p.Below() == 0 }

func (p *Pager) bottom() int { return min(p.top+p.height, len(p.lines)) }
