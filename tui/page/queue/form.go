package queue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/record"
)

// reasonLimit is how many characters a reason may have.
const reasonLimit = 1000

// form asks for the reason of one decision about one version of one or more requests. What it is about does not
// change, even if the requests do.
type form struct {
	approve bool
	// unread says that the reviewer chose to approve without having seen the end of every record.
	unread bool
	// partly are the requests whose record was not shown to its end.
	partly map[types.UID]struct{}
	// live says that the target was seen in use when it was looked at again.
	live bool
	// items are the versions that were on the screen when the form was opened: the marked ones, or that under the cursor.
	items  []feed.Item
	marked bool
	reason prompt.Prompt
	// template is the number of the reason that was put in by its digit and not edited since; 0 is none.
	template int
}

// item is the first request that the form is about.
func (f *form) item() feed.Item { return f.items[0] }

// needsReason reports whether the decision cannot be sent without a reason: the agent reads why it was denied, and the
// gateway wants to know why live endpoints do not matter.
func (f *form) needsReason() bool {
	if !f.approve || f.live {
		return true
	}
	for _, item := range f.items {
		if v := item.Status.ControlPlaneVerification; v != nil && v.HasActiveEndpoints {
			return true
		}
	}
	return false
}

func (f *form) verb() string {
	if f.approve {
		return "approve"
	}
	return "deny"
}

// templates are reasons that are given often, for the agent to read.
func (f *form) templates() []string {
	if f.approve {
		return []string{"checked with the owner", "within the change window", "test traffic only", "agreed in the ticket"}
	}
	return []string{"wrong target", "not now", "needs a ticket", "ask the owner first"}
}

// blocked says why the form cannot be sent at the moment; it is empty when it can. Of several requests, those that
// cannot be decided any more come back when it is their turn.
func (f *form) blocked(q *Queue) string {
	if offline := q.snapshot.Offline(); offline != "" {
		return offline
	}
	if !f.marked {
		if cause := q.stale(f.item()); cause != "" {
			return cause
		}
	}
	if cause := q.awaitsLook(f); cause != "" {
		return cause
	}
	if f.needsReason() && strings.TrimSpace(f.reason.Value()) == "" {
		return "a reason is needed"
	}
	return ""
}

// stale says why the version of a request that was read cannot be decided any more; it is empty when it can.
func (q *Queue) stale(read feed.Item) string {
	now, gone := q.newest(read)
	switch {
	case gone:
		return "it was deleted"
	case outcome(now.AgentRequest) != "":
		return outcome(now.AgentRequest)
	case now.ResourceVersion != read.ResourceVersion:
		return "it changed since you read it, esc and read again"
	default:
		return ""
	}
}

// newest returns the newest version of a request that is known, and whether the request is gone.
func (q *Queue) newest(item feed.Item) (now feed.Item, gone bool) {
	if at, found := slices.BinarySearchFunc(q.snapshot.Items, item, feed.Compare); found {
		return q.snapshot.Items[at], false
	}
	return item, true
}

// ask opens the form for the marked requests or, where none is marked, the one under the cursor, if it can be decided.
// unread overrides the rule that the end of the record must have been seen.
func (q *Queue) ask(approve, unread bool) tea.Cmd {
	if cause := q.whyNot(approve); cause != "" && (!unread || !q.onlyUnread()) {
		return nil
	}
	f := &form{approve: approve, items: q.chosen(), marked: len(q.marks) > 0, reason: prompt.New(q.Look, reasonLimit)}
	f.partly = q.unread(f.items)
	f.unread = unread && len(f.partly) > 0
	f.reason.SetValue(q.drafts[f.item().Key()])
	q.form = f
	if last, ok := q.sightOf(f.item()); ok {
		f.live = inUse(last.Target)
	}
	if !approve || f.marked {
		return nil
	}
	return q.lookIfOld()
}

// chosen returns what the next decision is about, in the order of the list.
func (q *Queue) chosen() []feed.Item {
	if len(q.marks) == 0 {
		return []feed.Item{q.cursor.item}
	}
	return q.marked()
}

// typeReason takes a key while the form is open.
func (q *Queue) typeReason(msg tea.KeyMsg) tea.Cmd {
	f := q.form
	switch {
	case key.Matches(msg, q.keys.cancel):
		q.drafts[f.item().Key()] = f.reason.Value()
		q.form = nil
		return nil
	case key.Matches(msg, q.keys.send):
		if f.blocked(q) != "" {
			return nil
		}
		return q.send(f)
	case f.pick(msg):
		return nil
	default:
		f.template = 0
		return f.reason.Update(msg)
	}
}

// pick puts in the reason of a digit, as long as nothing else was typed. The same digit once more is the digit.
func (f *form) pick(msg tea.KeyMsg) bool {
	if msg.Type != tea.KeyRunes || len(msg.Runes) != 1 || msg.Paste {
		return false
	}
	n := int(msg.Runes[0] - '0')
	if n < 1 || n > len(f.templates()) || f.reason.Value() != "" && f.template == 0 {
		return false
	}
	if n == f.template {
		f.template = 0
		f.reason.SetValue(string(msg.Runes))
		return true
	}
	f.template = n
	f.reason.SetValue(f.templates()[n-1])
	return true
}

// formLines draws the form: what is decided, what changed since it was read, the reason, and the keys.
func (q *Queue) formLines() []string {
	f := q.form
	lines := []string{q.formHead()}
	lines = append(lines, q.changedLines()...)
	lines = append(lines, q.lookLines(f)...)
	lead := " reason, the agent reads this: "
	if f.approve {
		lead = " note: "
		if f.needsReason() {
			lead = " why live endpoints do not matter: "
		}
	}
	if len(lead) > q.width/2 {
		lead = " reason: "
	}
	lines = append(lines, lead+f.reason.View(q.width-len(lead)-1))
	if q.height > stackedFrom {
		lines = append(lines, q.Look.Dim.Render(text.Cut(f.offers(), q.width, q.Look.Cut)))
	}
	foot := " enter send   esc back"
	if cause := f.blocked(q); cause != "" {
		foot = " enter: " + q.Look.Soon.Render(cause) + "   esc back"
	} else if q.holds(f.items) {
		foot += q.Look.Dim.Render(fmt.Sprintf("   sent after %s, %s takes it back", seconds(q.Hold), shown(q.keys.undo)))
	}
	if f.reason.Full() {
		foot += "   full"
	}
	lines = append(lines, text.Cut(foot, q.width, q.Look.Cut))
	if len(lines) > page.FooterHeight { // it covers the rule of the page
		lines = slices.Insert(lines, 0, q.rule("", 0))
	}
	return lines
}

// offers lists the templates, as long as a digit puts one in. The line stays, so that nothing moves while a reason is typed.
func (f *form) offers() string {
	if f.reason.Value() != "" && f.template == 0 {
		return ""
	}
	var b strings.Builder
	for i, t := range f.templates() {
		fmt.Fprintf(&b, "   %d %s", i+1, t)
	}
	return b.String()
}

// formHead says what would be decided about what.
func (q *Queue) formHead() string {
	f := q.form
	verb := q.Look.Accent.Render(f.verb())
	if f.unread {
		verb = q.Look.Alert.Render("approve unread")
	}
	if f.marked {
		names := make([]string, len(f.items))
		for i, item := range f.items {
			names[i] = name(item.Spec.Action) + " " + targetName(item.Spec.Target.URI)
		}
		head := fmt.Sprintf(" %s  %s, one by one: ", verb, q.Look.Title.Render(fmt.Sprintf("%d marked", len(f.items))))
		return text.Cut(head+strings.Join(names, ", "), q.width, q.Look.Cut)
	}
	return q.headline(" "+verb, f.item())
}

// headline says what is asked about which request. Where there is little room, the target loses its beginning.
func (q *Queue) headline(verb string, item feed.Item) string {
	before := verb + "  " + q.Look.Title.Render(name(item.Spec.Action)) + " "
	after := "  (" + name(item.Spec.AgentIdentity) + ")"
	room := max(q.width-text.Width(before)-text.Width(after), q.width/3)
	return text.Cut(before+q.Look.Title.Render(text.CutPath(targetName(item.Spec.Target.URI), room, q.Look.Cut))+after, q.width, q.Look.Cut)
}

// changesShown is how many changes the form lists.
const changesShown = 4

// changedLines says what of the request is not as it was read.
func (q *Queue) changedLines() []string {
	if q.form.marked {
		return nil
	}
	now, gone := q.newest(q.form.item())
	if gone || now.ResourceVersion == q.form.item().ResourceVersion {
		return nil
	}
	changes := record.Changes(q.form.item().AgentRequest, now.AgentRequest)
	if len(changes) == 0 {
		return nil
	}
	return q.changeLines(" This request is not what you read. Since you opened it:", changes)
}

// changeLines lists changes under a heading.
func (q *Queue) changeLines(heading string, changes []record.Change) []string {
	lines := []string{q.Look.Alert.Render(text.Cut(heading, q.width, q.Look.Cut))}
	limit := min(changesShown, max(q.height-6, 1))
	for _, l := range record.ChangeLines(changes, q.Look, q.width-1, limit) {
		lines = append(lines, " "+l)
	}
	return lines
}
