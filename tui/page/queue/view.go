package queue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/part/frame"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

// View implements page.Page.
func (q *Queue) View() string {
	lines := make([]string, 0, q.height)
	lines = append(lines, q.tabLine())
	switch {
	case q.whole:
		lines = append(lines, q.rule("", 0))
		lines = append(lines, q.textLines(q.layout.textHeight)...)
		lines = append(lines, q.textRule(0, ""))
	case q.layout.sideBySide:
		wall := q.layout.listWidth
		lines = append(lines, q.rule(q.Look.Tee, wall))
		lines = append(lines, q.besides()...)
		lines = append(lines, q.textRule(wall, q.Look.Base))
	case q.layout.textHeight > 0:
		lines = append(lines, q.rule("", 0))
		lines = append(lines, q.listLines()...)
		lines = append(lines, q.textRule(0, ""))
		lines = append(lines, q.textLines(q.layout.textHeight)...)
		lines = append(lines, q.rule("", 0))
	default:
		lines = append(lines, q.rule("", 0))
		lines = append(lines, q.listLines()...)
		lines = append(lines, q.textRule(0, ""))
	}
	return strings.Join(lines[:min(len(lines), q.height)], "\n")
}

// besides draws list and preview side by side.
func (q *Queue) besides() []string {
	left := q.listLines()
	right := q.textLines(len(left))
	wall := q.Look.Dim.Render(q.Look.Wall)
	for i := range left {
		left[i] = text.Fit(left[i], q.layout.listWidth, "") + wall + right[i]
	}
	return left
}

// textLines draws the visible part of the preview, as height lines.
func (q *Queue) textLines(height int) []string {
	lines := make([]string, height)
	for i, l := range q.preview.pager.Visible() {
		if i == height {
			break
		}
		switch {
		case q.seek != nil && q.seek.Found() == q.preview.pager.Above()+i:
			l = q.Look.Selected.Render(stripped(l))
		case !q.snapshot.Current():
			l = q.Look.Dim.Render(stripped(l))
		}
		lines[i] = " " + l
	}
	return lines
}

// tabLine draws the tabs and the filter. The chosen tab always is there: where not all have room, the first ones go.
func (q *Queue) tabLine() string {
	right := q.Look.Dim.Render(shown(q.keys.filter)+" filter") + " "
	if q.filter != "" {
		matching := fmt.Sprintf("/%s  %s", safetext.Line(strings.TrimSpace(q.filter)), text.Count(len(q.rows), "match", "matches"))
		right = q.Look.Soon.Render(text.Cut(matching, q.width/2, q.Look.Cut)) + " "
	}
	left := q.tabsIn(q.width - text.Width(right) - 2)
	gap := q.width - text.Width(left) - text.Width(right)
	return text.Cut(left+text.Spaces(gap)+right, q.width, q.Look.Cut)
}

// tabsIn lays the tabs out in room columns, whole ones alone.
func (q *Queue) tabsIn(room int) string {
	labels := q.tabLabels()
	first := 0
	for first < q.tab && text.Width(strings.Join(labels[first:q.tab+1], "")) > room-2 {
		first++
	}
	left := ""
	for _, label := range labels[first:] {
		if left != "" && text.Width(left+label) > room-2 {
			return left + " " + q.Look.Dim.Render(q.Look.Cut)
		}
		left += label
	}
	return left
}

// tabLabels are the tabs with their counts, each with the space around it.
func (q *Queue) tabLabels() []string {
	labels := make([]string, len(q.tabs))
	for i, t := range q.tabs {
		label := fmt.Sprintf("%s %d", safetext.Line(t.Name), q.counts[i])
		style := q.Look.Dim
		switch {
		case i == q.tab:
			labels[i] = " " + q.Look.Accent.Render("["+label+"]")
			continue
		case t.timed && q.counts[i] > 0 && !t.Newest:
			style = q.Look.Soon
		}
		labels[i] = "  " + style.Render(label) + " "
	}
	return labels
}

// rule draws a line, with a joint where a wall starts or ends.
func (q *Queue) rule(joint string, at int) string { return frame.Rule(q.Look, q.width, joint, at) }

// textRule draws the rule that tells where list and preview stand: what is new out of sight, and how much of the text
// is hidden.
func (q *Queue) textRule(wall int, joint string) string {
	return frame.Double(q.Look, q.width, q.aside(), frame.Place(q.Look, q.preview.pager, shown(q.keys.open)), joint, wall)
}

// aside says what is worth knowing about the list: how many rows are new, came back, are marked, or like the one under the
// cursor.
func (q *Queue) aside() string {
	words := slices.DeleteFunc([]string{q.newcomers(), q.comebacks(), q.company()}, func(s string) bool { return s == "" })
	return strings.Join(words, " "+q.Look.Dot+" ")
}

// newcomers says how many rows are new, and where those are that are out of sight.
func (q *Queue) newcomers() string {
	if len(q.fresh) == 0 {
		return ""
	}
	first, last := q.window.Rows(len(q.rows))
	above, _ := slices.BinarySearch(q.fresh, first)
	below, _ := slices.BinarySearch(q.fresh, last)
	words := fmt.Sprintf("%d new", len(q.fresh))
	if above > 0 {
		words += fmt.Sprintf(" %s%d", q.Look.Up, above)
	}
	if hidden := len(q.fresh) - below; hidden > 0 {
		words += fmt.Sprintf(" %s%d", q.Look.Down, hidden)
	}
	return q.Look.Soon.Render(words)
}

// Prompt implements page.Prompter.
func (q *Queue) Prompt() []string {
	switch {
	case q.form != nil:
		return q.formLines()
	case q.grading != nil:
		return q.gradeLines()
	case q.granting != nil:
		return q.grantLines()
	case q.copying:
		return q.copyLines()
	case q.seek != nil:
		return q.seek.Lines(q.width)
	case q.search != nil:
		const lead = " filter: "
		return []string{
			q.Look.Dim.Render(text.Cut(" words, field:value (agent action target phase reason by), is:waiting expiring mine today; ! for not", q.width,
				q.Look.Cut)),
			lead + q.search.View(q.width-len(lead)-1),
			" enter keep it   esc no filter",
		}
	default:
		return nil
	}
}
