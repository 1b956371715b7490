package queue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/when"
)

// order is a decision that left the form: about one request, or about several that are decided one after the other,
// each checked again when it is its turn.
type order struct {
	approve bool
	reason  string
	// unread are the requests whose record was not shown to its end.
	unread map[types.UID]struct{}
	// items are the versions that were read; left are those whose turn has not come.
	items, left []feed.Item
	// done counts those that took effect, back says of the others why they did not.
	done int
	back []returned
	// targets are those of the approvals that took effect.
	targets map[string]struct{}
	// held says that the order can still be taken back.
	held bool
	// grant is what decided in the reviewer's name; nil when the reviewer did.
	grant *grant
	// unkept is why the journal does not tell what became of a decision.
	unkept error
}

// returned is a request that could not be decided, and why.
type returned struct {
	item feed.Item
	why  string
}

// heldOver ends the time in which an order can be taken back.
type heldOver struct {
	queue *Queue
	order *order
}

// holds reports whether a decision about items waits before it is sent, so that it can be taken back: not when the
// time of one of them runs out.
func (q *Queue) holds(items []feed.Item) bool {
	return q.Hold > 0 && !slices.ContainsFunc(items, func(item feed.Item) bool {
		left, ok := q.left(item)
		return ok && left < q.Hold+urgent
	})
}

// send makes an order of the form and goes on to the next request that waits.
func (q *Queue) send(f *form) tea.Cmd {
	o := &order{
		approve: f.approve, reason: strings.TrimSpace(f.reason.Value()), unread: f.partly, items: f.items, left: f.items,
		targets: map[string]struct{}{},
	}
	q.form = nil
	for _, item := range o.items {
		q.drafts[item.Key()] = f.reason.Value()
		q.sent[item.Key()] = struct{}{}
		delete(q.marks, item.Key())
	}
	var cmd tea.Cmd
	if q.holds(o.items) {
		o.held = true
		q.held = append(q.held, o)
		over := heldOver{queue: q, order: o}
		cmd = tea.Tick(q.Hold, func(time.Time) tea.Msg { return over })
	} else {
		cmd = q.proceed(o)
	}
	if next := nextWaiting(q.rows, q.cursor.at, q.undecided); next >= 0 {
		q.goTo(next)
		return tea.Batch(cmd, q.rest.begin(q, cameUp))
	}
	return cmd
}

// release sends an order whose time to be taken back is over.
func (q *Queue) release(msg heldOver) tea.Cmd {
	if msg.queue != q || !msg.order.held {
		return nil
	}
	return q.let(msg.order)
}

func (q *Queue) let(o *order) tea.Cmd {
	o.held = false
	q.held = slices.DeleteFunc(q.held, func(each *order) bool { return each == o })
	return q.proceed(o)
}

// Leave implements page.Leaver: what was decided and can still be taken back is sent.
func (q *Queue) Leave() []tea.Cmd {
	var cmds []tea.Cmd
	for _, o := range slices.Clone(q.held) {
		cmds = append(cmds, q.let(o))
	}
	return cmds
}

// takeBack undoes the last order that was not sent yet. Its reason stays as a draft.
func (q *Queue) takeBack() tea.Cmd {
	if len(q.held) == 0 {
		return nil
	}
	o := q.held[len(q.held)-1]
	q.held = q.held[:len(q.held)-1]
	o.held = false
	for _, item := range o.items {
		delete(q.sent, item.Key())
	}
	if at := find(q.rows, o.items[0].Key()); at >= 0 {
		q.goTo(at)
	}
	what := label(o.items[0])
	if len(o.items) > 1 {
		what = fmt.Sprintf("%d requests", len(o.items))
	}
	return page.Notify(page.Info, fmt.Sprintf("taken back, nothing was sent: %s", what))
}

// proceed sends the next decision of an order, or says what became of it.
func (q *Queue) proceed(o *order) tea.Cmd {
	for len(o.left) > 0 {
		item := o.left[0]
		o.left = o.left[1:]
		if why := q.refusal(o, item); why != "" {
			o.back = append(o.back, returned{item, why})
			q.comesBack(item)
			continue
		}
		return q.decision(o, item)
	}
	return q.report(o)
}

// refusal says why a request of an order is not sent when its turn comes.
func (q *Queue) refusal(o *order, item feed.Item) string {
	if offline := q.snapshot.Offline(); offline != "" {
		return offline
	}
	if why := q.stale(item); why != "" {
		return strings.TrimSuffix(why, ", esc and read again")
	}
	if _, taken := o.targets[item.Spec.Target.URI]; o.approve && taken {
		return "another of its target was just approved, decide it when that is done"
	}
	return ""
}

// comesBack makes a request one to decide again, with the reason kept.
func (q *Queue) comesBack(item feed.Item) { delete(q.sent, item.Key()) }

// settle takes in what became of a decision and goes on with its order.
func (q *Queue) settle(d decided) tea.Cmd {
	if d.queue != q {
		return nil
	}
	o := d.order
	if d.Unkept != nil {
		o.unkept = d.Unkept
	}
	switch {
	case d.Err != nil:
		o.back = append(o.back, returned{d.item, d.failure()})
		q.comesBack(d.item)
	default:
		q.comesBack(d.item)
		delete(q.drafts, d.item.Key())
		q.preview.left[d.item.Key()] = depart(d.item, d.Phase)
		o.done++
		if o.approve {
			o.targets[d.item.Spec.Target.URI] = struct{}{}
		}
	}
	if len(o.items) == 1 && d.Err == nil {
		return q.told(d)
	}
	return q.proceed(o)
}

// told says that the one decision of an order took effect.
func (q *Queue) told(d decided) tea.Cmd {
	d.order.noteGrant()
	if !d.tookEffect() {
		return d.instead()
	}
	sign, rest := q.Look.Denied, ", the agent has your reason"
	if d.order.approve {
		sign, rest = q.Look.Approved, ""
	}
	at := ""
	if !q.now.IsZero() {
		at = " at " + q.now.Format(time.TimeOnly)
	}
	return d.order.notify(page.Good, fmt.Sprintf("%s %s by %s%s, phase %s%s: %s", sign, d.order.participle(), d.order.by(), at,
		safetext.ID(string(d.Phase)), rest, label(d.item)))
}

// instead says that the one decision of an order was stored and led to something else, and why.
func (d decided) instead() tea.Cmd {
	words := fmt.Sprintf("%s stored, phase is %s: %s", d.order.noun(), safetext.ID(string(d.Phase)), label(d.item))
	if why := d.Instead(); why != "" {
		return d.order.notify(page.Alert, d.queue.Look.Failed+" "+words+". "+safetext.Line(why))
	}
	return d.order.notify(page.Info, words)
}

// report says what became of an order, of several requests or of one that came back.
func (q *Queue) report(o *order) tea.Cmd {
	o.noteGrant()
	sign := q.Look.Denied
	if o.approve {
		sign = q.Look.Approved
	}
	switch {
	case len(o.items) == 1 && len(o.back) == 1:
		b := o.back[0]
		why := b.why
		if !strings.Contains(why, o.participle()) {
			why = "not " + o.participle() + ": " + why
		}
		return o.notify(page.Alert, fmt.Sprintf("%s %s (%s)", q.Look.Failed, why, label(b.item)))
	case len(o.back) == 0:
		return o.notify(page.Good, fmt.Sprintf("%s %d %s by you", sign, o.done, o.participle()))
	}
	reasons := make([]string, len(o.back))
	for i, b := range o.back {
		reasons[i] = label(b.item) + ": " + b.why
	}
	return o.notify(page.Alert, fmt.Sprintf("%s %d %s by you, %d came back: %s", q.Look.Failed, o.done, o.participle(),
		len(o.back), strings.Join(reasons, "; ")))
}

// notify says what became of an order, and whether the journal tells it.
func (o *order) notify(level page.Level, words string) tea.Cmd {
	if o.unkept != nil {
		level, words = page.Alert, words+"; what became of it is not in the journal: "+safetext.Line(o.unkept.Error())
	}
	return page.Notify(level, words)
}

func (o *order) by() string {
	if o.grant != nil {
		return "your grant"
	}
	return "you"
}

func (o *order) participle() string {
	if o.approve {
		return "approved"
	}
	return "denied"
}

func (o *order) noun() string {
	if o.approve {
		return "approval"
	}
	return "denial"
}

// label names a request in a line about something else.
func label(item feed.Item) string {
	return safetext.ID(item.Spec.Action) + " " + safetext.ID(shortTarget(item.Spec.Target.URI))
}

// seconds writes a duration as people say it: 3s, 1.5s.
func seconds(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// lost returns who decided a request before us, and how long before sent that was.
func lost(state *v1alpha1.HumanApproval, at, sent time.Time) string {
	who := safetext.ID(state.ApprovedBy)
	if who == "" {
		who = "a reviewer"
	}
	before := "just before you"
	if d := sent.Sub(at); !at.IsZero() && d >= time.Second {
		before, _ = when.Ago(at, sent)
		before += " before you"
	}
	return fmt.Sprintf("already %s by %s, %s: lost the race to %s", safetext.ID(state.Decision), who, before, who)
}

// urgent is how much time a reviewer must have left for a decision to be held back.
const urgent = 10 * time.Second

// left returns how much time there is until something happens to a request by itself.
func (q *Queue) left(item feed.Item) (time.Duration, bool) {
	d := q.Limits.Of(item.AgentRequest)
	if d.At.IsZero() || q.now.IsZero() {
		return 0, false
	}
	return d.At.Sub(q.now), true
}
