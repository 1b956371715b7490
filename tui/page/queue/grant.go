package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/part/when"
)

// grant approves what one agent asks to do to one target, in the reviewer's name, until a time. It lives in this program
// alone and ends with it.
type grant struct {
	agent, action, target string
	reason                string
	until                 time.Time
	// live says that it was given for a target that was verified to be in use, so that its reason says why that is fine.
	live bool
	// approved counts what it approved; what came back is for the reviewer.
	approved int
	back     map[types.UID]struct{}
}

// grantTimes are for how long a grant may be given, by the digit that chooses it.
func grantTimes() []time.Duration {
	return []time.Duration{5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}
}

// granting asks for how long, and why.
type granting struct {
	item   feed.Item
	live   bool
	time   time.Duration
	reason prompt.Prompt
}

// covers reports whether a request is one that g is about.
func (g *grant) covers(r *v1alpha1.AgentRequest) bool {
	return r.Spec.AgentIdentity == g.agent && r.Spec.Action == g.action && r.Spec.Target.URI == g.target
}

// name is what a grant is called in reasons and in the journal.
func (g *grant) name() string { return "grant until " + g.until.Format(time.TimeOnly) }

// what is what a grant is about, for people.
func (g *grant) what() string {
	return safetext.ID(g.action) + " " + safetext.ID(shortTarget(g.target)) + " by " + safetext.ID(g.agent)
}

// whyNoGrant says why no grant can be given for the request under the cursor. ok is false when the key is not offered.
func (q *Queue) whyNoGrant() (cause string, ok bool) {
	r := q.cursor.item.AgentRequest
	switch {
	case !q.Grants || q.ReadOnly || r == nil || !waits(r):
		return "", false
	case len(q.marks) > 0:
		return "not of marked ones", true
	case q.whyNotAtAll() != "":
		return q.whyNotAtAll(), true
	case !q.wholeWasShown(q.cursor.item):
		return "not read to the end, J reads on", true
	default:
		return "", true
	}
}

func (q *Queue) startGrant() tea.Cmd {
	if cause, ok := q.whyNoGrant(); !ok || cause != "" {
		return nil
	}
	item := q.cursor.item
	q.granting = &granting{item: item, live: q.isLive(item), reason: prompt.New(q.Look, reasonLimit)}
	return nil
}

// isLive reports whether a target is known to be in use: as it was verified, or when it was looked at again.
func (q *Queue) isLive(item feed.Item) bool {
	v := item.Status.ControlPlaneVerification
	last, seen := q.sightOf(item)
	return v != nil && v.HasActiveEndpoints || seen && inUse(last.Target)
}

// typeGrant takes a key while a grant is given: first the digit of a time, then the reason.
func (q *Queue) typeGrant(msg tea.KeyMsg) tea.Cmd {
	g := q.granting
	switch {
	case key.Matches(msg, q.keys.cancel):
		q.granting = nil
	case g.time == 0:
		if msg.Type == tea.KeyRunes && len(msg.Runes) == 1 && !msg.Paste {
			if n := int(msg.Runes[0] - '1'); n >= 0 && n < len(grantTimes()) {
				g.time = grantTimes()[n]
			}
		}
	case key.Matches(msg, q.keys.send):
		if q.grantBlocked() == "" {
			return q.give(g)
		}
	default:
		return g.reason.Update(msg)
	}
	return nil
}

// grantBlocked says why the grant that is being given cannot be given.
func (q *Queue) grantBlocked() string {
	g := q.granting
	switch {
	case q.snapshot.Offline() != "":
		return q.snapshot.Offline()
	case q.stale(g.item) != "":
		return q.stale(g.item)
	case strings.TrimSpace(g.reason.Value()) == "":
		return "a reason is needed"
	default:
		return ""
	}
}

// give begins a grant. One about the same takes the place of the one before.
func (q *Queue) give(a *granting) tea.Cmd {
	q.granting = nil
	s := a.item.Spec
	g := &grant{
		agent: s.AgentIdentity, action: s.Action, target: s.Target.URI, reason: strings.TrimSpace(a.reason.Value()), until: q.now.Add(a.time),
		live: a.live, back: map[types.UID]struct{}{},
	}
	q.grants = slices.DeleteFunc(q.grants, func(old *grant) bool { return old.covers(a.item.AgentRequest) })
	q.grants = append(q.grants, g)
	slices.SortStableFunc(q.grants, func(a, b *grant) int { return a.until.Compare(b.until) })
	begun := page.Notify(page.Info, fmt.Sprintf("granted for %s: %s; %s ends it", a.time, g.what(), shown(q.keys.endGrants)))
	return tea.Batch(begun, q.applyGrants())
}

// endGrants ends all grants, by the reviewer's key.
func (q *Queue) endGrants() tea.Cmd {
	if len(q.grants) == 0 {
		return nil
	}
	words := make([]string, len(q.grants))
	for i, g := range q.grants {
		words[i] = g.ended()
	}
	q.grants = nil
	return page.Notify(page.Info, strings.Join(words, "; "))
}

func (g *grant) ended() string {
	return fmt.Sprintf("the grant for %s is over, %d approved by it", g.what(), g.approved)
}

// expireGrants ends the grants whose time is over.
func (q *Queue) expireGrants() tea.Cmd {
	var words []string
	q.grants = slices.DeleteFunc(q.grants, func(g *grant) bool {
		over := !q.now.Before(g.until)
		if over {
			words = append(words, g.ended())
		}
		return over
	})
	if len(words) == 0 {
		return nil
	}
	return page.Notify(page.Info, strings.Join(words, "; "))
}

// applyGrants approves what grants are about, each request by a decision of its own. Of those about one target the next
// is approved when nobody holds the target any more: it would wait for the lock, and not for long.
func (q *Queue) applyGrants() tea.Cmd {
	over := q.expireGrants()
	if len(q.grants) == 0 || q.snapshot.Lacks(reviewer) != "" {
		return over
	}
	cmds := []tea.Cmd{over}
	for _, g := range q.grants {
		if item, ok := q.grantable(g); ok {
			cmds = append(cmds, q.approveBy(g, item))
		}
	}
	return tea.Batch(cmds...)
}

// grantable returns the oldest request that g approves now.
func (q *Queue) grantable(g *grant) (feed.Item, bool) {
	var first feed.Item
	for _, item := range q.snapshot.Items {
		r := item.AgentRequest
		if r.Spec.Target.URI != g.target {
			continue
		}
		_, sent := q.sent[item.Key()]
		switch {
		case sent, r.Status.Phase == v1alpha1.PhaseApproved, r.Status.Phase == v1alpha1.PhaseExecuting:
			return feed.Item{}, false // somebody has the target
		case first.AgentRequest == nil && q.isFor(g, item):
			first = item
		}
	}
	return first, first.AgentRequest != nil
}

// isFor reports whether a request may be approved by a grant. What is the reviewer's own, what the reviewer is deciding,
// what came back once and what needs a reason that the grant does not give is not.
func (q *Queue) isFor(g *grant, item feed.Item) bool {
	_, back := g.back[item.Key()]
	deciding := q.form != nil && slices.ContainsFunc(q.form.items, func(each feed.Item) bool { return each.Key() == item.Key() })
	return g.covers(item.AgentRequest) && q.undecided(item) && outcome(item.AgentRequest) == "" && !isOwn(item.AgentRequest, q.snapshot.Who.Identity) &&
		(g.live || !q.isLive(item)) && !back && !deciding
}

// approveBy approves one request in the reviewer's name.
func (q *Queue) approveBy(g *grant, item feed.Item) tea.Cmd {
	o := &order{
		approve: true, reason: g.name() + ": " + g.reason, items: []feed.Item{item}, left: []feed.Item{item}, unread: q.unread([]feed.Item{item}),
		targets: map[string]struct{}{}, grant: g,
	}
	q.sent[item.Key()] = struct{}{}
	return q.proceed(o)
}

// errNotAsVerified says that a target is not what a grant may approve unseen.
var errNotAsVerified = errors.New("the target is not as it was verified")

// lookFor looks at the target once more before a grant approves in the reviewer's name: nobody else does.
func (q *Queue) lookFor(ctx context.Context, g *grant, item feed.Item) error {
	if g == nil || q.Target == nil {
		return nil
	}
	t, err := q.Target(ctx, item.Namespace, item.Name)
	switch {
	case err != nil:
		return fmt.Errorf("look at the target again: %w", err)
	case t.Changed != "":
		return fmt.Errorf("%w: %s", errNotAsVerified, t.Changed)
	default:
		return nil
	}
}

// noteGrant counts what became of a decision that a grant made.
func (o *order) noteGrant() {
	if o.grant == nil {
		return
	}
	o.grant.approved += o.done
	for _, b := range o.back {
		o.grant.back[b.item.Key()] = struct{}{}
	}
}

// Standing implements page.Standing: grants are never out of sight.
func (q *Queue) Standing() (words string, until time.Time) {
	if len(q.grants) == 0 {
		return "", time.Time{}
	}
	first := q.grants[0]
	left, until := when.Countdown(first.until, q.now)
	if n := len(q.grants); n > 1 {
		return fmt.Sprintf("%d grants %s", n, left), until
	}
	return "grant " + left + " " + safetext.ID(first.action) + " " + safetext.ID(first.agent), until
}

// grantLines draws the question.
func (q *Queue) grantLines() []string {
	g := q.granting
	verb := " " + q.Look.Alert.Render("grant")
	if g.time == 0 {
		var times strings.Builder
		for i, d := range grantTimes() {
			fmt.Fprintf(&times, "   %s %d min", q.Look.Accent.Render(fmt.Sprint(i+1)), int(d.Minutes()))
		}
		return []string{
			q.headline(verb, g.item),
			text.Cut(" whenever it asks, in your name, for"+times.String(), q.width, q.Look.Cut), " esc back",
		}
	}
	foot := " enter grant   esc back"
	if cause := q.grantBlocked(); cause != "" {
		foot = " enter: " + q.Look.Soon.Render(cause) + "   esc back"
	}
	use := "but not while it is in use"
	if g.live {
		use = "also while it is in use"
	}
	lead := " why: "
	return []string{
		q.headline(fmt.Sprintf("%s %d min, %s:", verb, int(g.time.Minutes()), use), g.item),
		lead + g.reason.View(q.width-len(lead)-1), text.Cut(foot, q.width, q.Look.Cut),
	}
}

// grantNext returns when something about grants changes by time alone.
func (q *Queue) grantNext() time.Time {
	_, until := q.Standing()
	if len(q.grants) == 0 {
		return until
	}
	return when.Earliest(until, q.grants[0].until)
}
