package queue

import (
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
)

// noteLimit is how many characters a note may have.
const noteLimit = 512

// grading asks how right a request was that was observed and not executed: first the verdict, then what was wrong
// unless nothing was, then a note.
type grading struct {
	item    feed.Item
	verdict wire.Verdict
	// partly holds the request when its record was not shown to its end.
	partly map[types.UID]struct{}
	// noting says that the note is typed, the last step.
	noting bool
	note   prompt.Prompt
}

func verdicts() []string {
	return []string{v1alpha1.VerdictCorrect, v1alpha1.VerdictPartial, v1alpha1.VerdictIncorrect}
}

func faults() []string {
	return []string{"wrong_diagnosis", "bad_timing", "scope_too_broad", "precautionary", "policy_block"}
}

// gradable reports whether the request under the cursor waits for a grade.
func (q *Queue) gradable() bool {
	r := q.cursor.item.AgentRequest
	return r != nil && !q.cursor.gone && r.Status.Phase == v1alpha1.PhaseAwaitingVerdict
}

// whyNotGrade says why the request cannot be graded; it is empty when it can.
func (q *Queue) whyNotGrade() string {
	_, sent := q.sent[q.cursor.key]
	switch {
	case q.ReadOnly:
		return "read-only"
	case q.snapshot.Lacks(reviewer) != "":
		return q.snapshot.Lacks(reviewer)
	case isOwn(q.cursor.item.AgentRequest, q.snapshot.Who.Identity):
		return "own request, use another reviewer"
	case sent:
		return "being sent"
	default:
		return q.resting()
	}
}

func (q *Queue) startGrade() tea.Cmd {
	if q.gradable() && q.whyNotGrade() == "" {
		q.grading = &grading{item: q.cursor.item, partly: q.unread([]feed.Item{q.cursor.item}), note: prompt.New(q.Look, noteLimit)}
	}
	return nil
}

// typeGrade takes a key while a grade is given.
func (q *Queue) typeGrade(msg tea.KeyMsg) tea.Cmd {
	g := q.grading
	switch {
	case key.Matches(msg, q.keys.cancel):
		q.grading = nil
	case g.noting && key.Matches(msg, q.keys.send):
		if !q.snapshot.Current() {
			return nil
		}
		return q.sendGrade(g)
	case g.noting:
		return g.note.Update(msg)
	default:
		g.choose(msg)
	}
	return nil
}

// choose takes the number of a verdict, then that of a fault.
func (g *grading) choose(msg tea.KeyMsg) {
	from := verdicts()
	if g.verdict.Verdict != "" {
		from = faults()
	}
	if msg.Type != tea.KeyRunes || len(msg.Runes) != 1 {
		return
	}
	n := int(msg.Runes[0] - '1')
	switch {
	case n < 0 || n >= len(from):
	case g.verdict.Verdict == "":
		g.verdict.Verdict = from[n]
		g.noting = from[n] == v1alpha1.VerdictCorrect
	default:
		g.verdict.ReasonCode = from[n]
		g.noting = true
	}
}

// graded is the gateway's answer to a grade.
type graded struct {
	queue *Queue
	item  feed.Item
	sent  wire.Verdict
	decide.Answer
}

func (q *Queue) sendGrade(g *grading) tea.Cmd {
	q.grading = nil
	g.verdict.Note = strings.TrimSpace(g.note.Value())
	q.sent[g.item.Key()] = struct{}{}
	out := q.outgoing(journal.Grade, g.item, g.partly)
	out.Verdict = g.verdict
	cmd := q.Do(func(ctx context.Context) tea.Msg {
		out.Shown = record.Digest(g.item.AgentRequest)
		return graded{queue: q, item: g.item, sent: g.verdict, Answer: q.Desk.Send(ctx, out)}
	})
	open := func(item feed.Item) bool {
		_, sent := q.sent[item.Key()]
		return !sent && item.Status.Phase == v1alpha1.PhaseAwaitingVerdict
	}
	if next := nextWaiting(q.rows, q.cursor.at, open); next >= 0 {
		q.goTo(next)
		return tea.Batch(cmd, q.rest.begin(q, cameUp))
	}
	return cmd
}

func (q *Queue) settleGrade(g graded) tea.Cmd {
	if g.queue != q {
		return nil
	}
	delete(q.sent, g.item.Key())
	o := order{unkept: g.Unkept}
	if g.Err != nil {
		return o.notify(page.Alert, fmt.Sprintf("%s not graded: %s (%s)", q.Look.Failed, safetext.Line(g.Err.Error()), label(g.item)))
	}
	return o.notify(page.Good, fmt.Sprintf("%s graded %s: %s", q.Look.Approved, strings.TrimSpace(g.sent.Verdict+" "+g.sent.ReasonCode), label(g.item)))
}

// gradeLines draws the question.
func (q *Queue) gradeLines() []string {
	g := q.grading
	verb := " " + q.Look.Accent.Render(strings.TrimSpace("grade "+g.verdict.Verdict+" "+g.verdict.ReasonCode))
	lines := []string{q.headline(verb, g.item)}
	if g.noting {
		return append(lines, " note: "+g.note.View(q.width-8), " enter send   esc back")
	}
	from := verdicts()
	if g.verdict.Verdict != "" {
		from = faults()
	}
	line := " "
	for i, name := range from {
		line += fmt.Sprintf("  %s %s", q.Look.Accent.Render(fmt.Sprint(i+1)), strings.ReplaceAll(name, "_", " "))
	}
	return append(lines, text.Cut(line, q.width, q.Look.Cut), " esc back")
}
