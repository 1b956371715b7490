package queue

import (
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/part/when"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// columns are the widths of the columns of the list. A width of 0 leaves a column out.
type columns struct{ left, age, agent, action, phase, target int }

// Before the agent stand the cursor, the sign, the mark of a new row, the time left where any row has an end, and the
// age where there is room for both; two spaces follow each column.
const (
	leftWidth = 5
	ageWidth  = 4
	leadWidth = 4
	bothFrom  = 64
)

// widest are the longest names in the rows, in bytes, which is as many columns for the names that people give.
type widest struct{ agent, action int }

// with returns w made as wide as rows need it. It does not get narrower, so that the columns stay while rows go.
func (w widest) with(rows []feed.Item) widest {
	for _, item := range rows {
		w.agent = max(w.agent, len(item.Spec.AgentIdentity))
		w.action = max(w.action, len(item.Spec.Action))
	}
	return w
}

// columnsFor divides the width of the list; timed says that there are rows with an end. What the names do not need, the
// targets get.
func columnsFor(width int, t Tab, timed bool, names widest) columns {
	room := max(width-leadWidth, 0)
	left, age := 0, 0
	if timed {
		left = leftWidth
		room -= leftWidth + 2
	}
	if !timed || width >= bothFrom {
		age = ageWidth
		room -= ageWidth + 2
	}
	room = max(room, 0)
	c := columns{
		left: left, age: age,
		agent: min(max(room/4, 8), 20, max(names.agent, len("AGENT"))), action: min(max(room/5, 8), 16, max(names.action, len("ACTION"))),
	}
	if t.Newest && room >= 60 {
		c.phase = 10
		room -= c.phase + 2
	}
	c.target = max(room-c.agent-c.action-4, 0)
	return c
}

// row is what one line of the list says. It is a pure function of its arguments; nothing in it is drawn yet.
type row struct {
	sign, mark, left, age        string
	agent, action, phase, target string
}

// rowOf writes the row of a request.
func rowOf(item feed.Item, look theme.Theme, limits deadline.Limits, now time.Time, mark string) row {
	r := row{
		sign: sign(item.AgentRequest, look), mark: mark,
		agent: name(item.Spec.AgentIdentity), action: name(item.Spec.Action),
		phase: name(string(item.Status.Phase)), target: targetName(item.Spec.Target.URI),
	}
	r.age, _ = when.Ago(item.CreationTimestamp.Time, now)
	if at := limits.Of(item.AgentRequest).At; !at.IsZero() && !now.IsZero() {
		r.left, _ = when.Countdown(at, now)
	}
	return r
}

// markOf returns the sign beside that of the state: what most matters about a row that is not as the others.
func (q *Queue) markOf(item feed.Item) string {
	_, sending := q.sent[item.Key()]
	_, marked := q.marks[item.Key()]
	switch {
	case sending:
		return q.Look.Sending
	case marked:
		return q.Look.Marked
	case q.isFresh(item):
		return q.Look.New
	case q.changed(item):
		return q.Look.Changed
	default:
		return " "
	}
}

// nameLimit is how many bytes of a name can matter to a column.
const nameLimit = 256

// name makes a name fit for a column, where its end is cut anyway.
func name(s string) string { return safetext.ID(s[:min(len(s), nameLimit)]) }

// targetName makes a target fit for a column, where its beginning is cut first.
func targetName(uri string) string {
	s := shortTarget(uri)
	return safetext.ID(s[max(len(s)-nameLimit, 0):])
}

// shortTarget leaves out the scheme that nearly all targets have. The record has the whole URI.
func shortTarget(uri string) string { return strings.TrimPrefix(uri, "k8s://") }

// sign returns the sign of the state that a request is in.
func sign(r *v1alpha1.AgentRequest, look theme.Theme) string {
	switch r.Status.Phase {
	case v1alpha1.PhasePending, v1alpha1.PhaseAwaitingVerdict:
		if !waits(r) && r.Status.Phase == v1alpha1.PhasePending {
			return look.Unknown
		}
		return look.Waits
	case v1alpha1.PhaseApproved:
		return look.Approved
	case v1alpha1.PhaseDenied:
		return look.Denied
	case v1alpha1.PhaseExecuting:
		return look.Executing
	case v1alpha1.PhaseCompleted, v1alpha1.PhaseObserved:
		return look.Done
	case v1alpha1.PhaseFailed, v1alpha1.PhaseExpired:
		return look.Failed
	default:
		return look.Unknown
	}
}

// Signs implements page.Explainer.
func (q *Queue) Signs() []page.Sign {
	l := q.Look
	return []page.Sign{
		{Sign: l.Waits, Means: "waits for a decision"}, {Sign: l.Approved, Means: "approved"},
		{Sign: l.Denied, Means: "denied"}, {Sign: l.Executing, Means: "being executed"}, {Sign: l.Done, Means: "done"},
		{Sign: l.Failed, Means: "failed, expired or deleted"}, {Sign: l.Unknown, Means: "being evaluated"},
		{Sign: l.New, Means: "came while you were here, not looked at yet"},
		{Sign: l.Changed, Means: "changed since you read or decided it"},
		{Sign: l.Marked, Means: "marked: the next decision is about it"},
		{Sign: l.Sending, Means: "your decision is on its way, or waits to be taken back"},
	}
}

// listLines draws the list: a line with the names of the columns and the rows that are on the screen.
func (q *Queue) listLines() []string {
	c := columnsFor(q.layout.listWidth, q.tabs[q.tab].Tab, q.timed, q.widest)
	head := row{sign: " ", mark: " ", left: "LEFT", age: "AGE", agent: "AGENT", action: "ACTION", phase: "PHASE", target: "TARGET"}
	lines := make([]string, 1, q.layout.listHeight+1)
	lines[0] = q.Look.Dim.Render(" " + head.lead(c) + head.rest(c, q.Look.Cut))
	first, last := q.window.Rows(len(q.rows))
	for at := first; at < last; at++ {
		lines = append(lines, q.rowLine(at, c))
	}
	if len(q.rows) == 0 && q.layout.listHeight > 0 {
		for _, l := range q.emptiness() {
			lines = append(lines, "   "+text.Cut(l, q.layout.listWidth-3, q.Look.Cut))
		}
		lines = lines[:min(len(lines), q.layout.listHeight+1)]
	}
	for len(lines) < q.layout.listHeight+1 {
		lines = append(lines, "")
	}
	return lines
}

// rowLine draws one row.
func (q *Queue) rowLine(at int, c columns) string {
	item := q.rows[at]
	r := rowOf(item, q.Look, q.Limits, q.now, q.markOf(item))
	if at == q.cursor.at && q.cursor.gone {
		r.sign = q.Look.Failed
	}
	lead, rest := r.lead(c), r.rest(c, q.Look.Cut)
	switch {
	case at == q.cursor.at:
		return q.Look.Selected.Render(q.Look.Cursor + text.Fit(lead+rest, q.layout.listWidth-1, ""))
	case !q.snapshot.Current():
		return q.Look.Dim.Render(" " + lead + rest)
	default:
		styled := q.signStyle(item.AgentRequest).Render(r.sign) + strings.TrimPrefix(lead, r.sign)
		if left, ok := q.left(item); ok && left < filter.Soon {
			styled = q.signStyle(item.AgentRequest).Render(r.sign) + q.leftStyle(left).Render(strings.TrimPrefix(lead, r.sign))
		}
		return " " + styled + rest
	}
}

// alarming is how much time left is too little to think long.
const alarming = 30 * time.Second

// leftStyle returns the colour of little time left.
func (q *Queue) leftStyle(left time.Duration) lipgloss.Style {
	if left < alarming {
		return q.Look.Alert
	}
	return q.Look.Soon
}

// lead lays out what stands before the names: the sign, the mark and the time left.
func (r row) lead(c columns) string {
	lead := r.sign + r.mark + " "
	if c.left == 0 {
		return lead
	}
	return lead + text.Spaces(c.left-text.Width(r.left)) + r.left + "  "
}

// rest lays out what follows.
func (r row) rest(c columns, cut string) string {
	var b strings.Builder
	if c.age > 0 {
		b.WriteString(text.Spaces(c.age-text.Width(r.age)) + r.age + "  ")
	}
	b.WriteString(text.Fit(r.agent, c.agent, cut) + "  " + text.Fit(r.action, c.action, cut) + "  ")
	if c.phase > 0 {
		b.WriteString(text.Fit(r.phase, c.phase, cut) + "  ")
	}
	b.WriteString(text.CutPath(r.target, c.target, cut))
	return b.String()
}

// signStyle returns the colour of a sign.
func (q *Queue) signStyle(r *v1alpha1.AgentRequest) lipgloss.Style {
	switch r.Status.Phase {
	case v1alpha1.PhasePending:
		return q.Look.Accent
	case v1alpha1.PhaseApproved, v1alpha1.PhaseCompleted:
		return q.Look.Good
	case v1alpha1.PhaseFailed, v1alpha1.PhaseExpired:
		return q.Look.Alert
	default:
		return q.Look.Dim
	}
}

// emptiness says why there are no rows and, where that helps, what to do about it.
func (q *Queue) emptiness() []string {
	switch s := q.snapshot; {
	case !s.Complete && s.Loading > 0:
		return []string{text.Count(s.Loading, "request", "requests") + " read so far" + q.Look.Cut}
	case !s.Complete:
		return []string{"waiting for the gateway" + q.Look.Cut}
	case q.filter != "":
		return []string{"nothing matches the filter", "", q.Look.Dim.Render(shown(q.keys.back) + " takes it away")}
	case len(s.Items) == 0:
		return []string{"no agent asked for anything yet", "", q.Look.Dim.Render("what agents do all day, from another terminal:"),
			"  " + q.Command("simulate everyday")}
	default:
		if q.tab > 0 {
			return []string{"nothing here", "", q.Look.Dim.Render(shown(q.keys.tab) + " goes on to the next tab, 1 back to the first")}
		}
		return []string{"nothing waits for a decision", "", q.Look.Dim.Render(shown(q.keys.tab) + " shows the requests that were decided")}
	}
}

// stripped returns s without attributes.
func stripped(s string) string { return ansi.Strip(s) }
