package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/part/when"
	"github.com/aip-dev/aip-dev/tui/theme"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func look() theme.Theme { return theme.New(theme.Options{Profile: termenv.Ascii}) }

// item returns a waiting request number i, older ones having smaller numbers.
func item(i int) feed.Item {
	r := fakegateway.Pending(fmt.Sprintf("r-%05d", i), "agent-"+string(rune('a'+i%3)), fmt.Sprintf("x%05d", i),
		"k8s://prod/t", "because", noon.Add(time.Duration(i)*time.Second))
	r.ResourceVersion = "1"
	return feed.Item{AgentRequest: r}
}

func inPhase(i int, p v1alpha1.Phase) feed.Item {
	it := item(i)
	it.Status.Phase = p
	return it
}

func numbers(rows []feed.Item) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Name
	}
	return out
}

func TestPick(t *testing.T) {
	t.Parallel()
	items := []feed.Item{item(0), inPhase(1, v1alpha1.PhaseDenied), item(2), inPhase(3, v1alpha1.PhaseApproved), item(4)}
	tabs := compile(Tabs())
	toDecide, everything := tabs[0], tabs[len(tabs)-1]
	for _, c := range []struct {
		name   string
		tab    tab
		filter string
		want   []string
	}{
		{"to decide, oldest first", toDecide, "", []string{"r-00000", "r-00002", "r-00004"}},
		{"all, newest first", everything, "", []string{"r-00004", "r-00003", "r-00002", "r-00001", "r-00000"}},
		{"a word", toDecide, "X00002", []string{"r-00002"}},
		{"a phase", everything, "denied", []string{"r-00001"}},
		{"two words", everything, "agent-b r-00001", []string{"r-00001"}},
		{"two words, not both", everything, "agent-a r-00001", []string{}},
		{"namespace", toDecide, "default x00004", []string{"r-00004"}},
	} {
		rows, _ := c.tab.pick(items, filter.Parse(c.filter), filter.Context{})
		if got := numbers(rows); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if a, b := toDecide.count(items, filter.Context{}), everything.count(items, filter.Context{}); a != 3 || b != 5 {
		t.Errorf("counts %d and %d", a, b)
	}
}

// Saved filters count what they list, among many.
func TestCountsEqualRows(t *testing.T) {
	t.Parallel()
	var items []feed.Item
	for i, r := range fakegateway.Sample(10_000, 3, noon) {
		if i%7 == 0 {
			r.Spec.HumanApproval = &v1alpha1.HumanApproval{Decision: "approved", ApprovedBy: "bob"}
		}
		items = append(items, feed.Item{AgentRequest: r})
	}
	slices.SortFunc(items, feed.Compare)
	c := filter.Context{Now: noon, Me: "bob", Limits: deadline.Default()}
	for _, tab := range compile(append(Tabs(), Tab{Name: "bot", Filter: "agent:cost-bot !phase:approved"})) {
		rows, _ := tab.pick(items, filter.Query{}, c)
		if tab.count(items, c) != len(rows) || tab.Name != "Expiring" && tab.Name != "To grade" && len(rows) == 0 {
			t.Errorf("%s: counted %d, listed %d", tab.Name, tab.count(items, c), len(rows))
		}
	}
}

// What ends first comes first, then what is oldest.
func TestOrderByDeadline(t *testing.T) {
	t.Parallel()
	approved := func(i int, ago time.Duration) feed.Item {
		it := inPhase(i, v1alpha1.PhaseApproved)
		it.Status.Conditions = []metav1.Condition{{Type: "Approved", Status: "True", LastTransitionTime: metav1.NewTime(noon.Add(-ago))}}
		return it
	}
	items := []feed.Item{item(0), approved(1, time.Minute), item(2), approved(3, 4*time.Minute)}
	all := compile([]Tab{{Name: "x"}})[0]
	c := filter.Context{Now: noon, Limits: deadline.Default()}
	rows, timed := all.pick(items, filter.Query{}, c)
	if got := numbers(rows); !timed || !slices.Equal(got, []string{"r-00003", "r-00001", "r-00000", "r-00002"}) {
		t.Errorf("order %v", got)
	}
	if r := rowOf(items[3], look(), c.Limits, noon, " "); r.left != "1:01" {
		t.Errorf("left %q", r.left)
	}
}

func TestInsertKeepsTheOrder(t *testing.T) {
	t.Parallel()
	for _, tab := range compile(Tabs()) {
		order := tab.order(deadline.Default())
		rows := []feed.Item{item(0), item(2), item(4)}
		slices.SortFunc(rows, order)
		rows, at := insert(rows, item(3), order)
		if !slices.IsSortedFunc(rows, order) || rows[at].Name != "r-00003" || len(rows) != 4 {
			t.Errorf("%s: %v, at %d", tab.Name, numbers(rows), at)
		}
	}
}

func TestNextWaiting(t *testing.T) {
	t.Parallel()
	open := func(it feed.Item) bool { return waits(it.AgentRequest) }
	rows := []feed.Item{item(0), inPhase(1, v1alpha1.PhaseDenied), item(2), inPhase(3, v1alpha1.PhaseDenied)}
	for from, want := range []int{2, 2, 0, 0} {
		if got := nextWaiting(rows, from, open); got != want {
			t.Errorf("from %d: %d, want %d", from, got, want)
		}
	}
	if got := nextWaiting(rows[:1], 0, open); got != -1 {
		t.Errorf("alone: %d, want -1", got)
	}
	if got := nextWaiting(nil, 0, open); got != -1 {
		t.Errorf("empty: %d, want -1", got)
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	l := look()
	evaluating := item(0)
	evaluating.Status.Conditions = nil
	for _, c := range []struct {
		item feed.Item
		want string
	}{
		{item(0), l.Waits},
		{evaluating, l.Unknown},
		{inPhase(0, ""), l.Unknown},
		{inPhase(0, v1alpha1.PhaseApproved), l.Approved},
		{inPhase(0, v1alpha1.PhaseDenied), l.Denied},
		{inPhase(0, v1alpha1.PhaseExecuting), l.Executing},
		{inPhase(0, v1alpha1.PhaseCompleted), l.Done},
		{inPhase(0, v1alpha1.PhaseFailed), l.Failed},
		{inPhase(0, "Invented"), l.Unknown},
	} {
		if got := sign(c.item.AgentRequest, l); got != c.want {
			t.Errorf("%s: %q, want %q", c.item.Status.Phase, got, c.want)
		}
	}
}

func TestRowOfAgentText(t *testing.T) {
	t.Parallel()
	it := item(0)
	it.Spec.AgentIdentity, it.Spec.Action = "evil\x1b[2J", "del\u202eete"
	it.Spec.Target.URI = "k8s://prod/\u200b" + string(make([]byte, 1<<20))
	r := rowOf(it, look(), deadline.Limits{}, noon, look().New)
	if r.agent != `evil\x1b[2J` || r.action != `del\u202eete` || len(r.target) > 5*nameLimit || r.mark != look().New {
		t.Errorf("agent %q, action %q, %d bytes of target, mark %q", r.agent, r.action, len(r.target), r.mark)
	}
}

// Columns take what their names need, as far as there is room, and the targets get the rest.
func TestColumns(t *testing.T) {
	t.Parallel()
	short := item(0)
	short.Spec.AgentIdentity, short.Spec.Action = "bot", "delete"
	long := item(1)
	long.Spec.AgentIdentity = strings.Repeat("agent", 100)
	names := widest{}.with([]feed.Item{short})
	for _, c := range []struct {
		width int
		names widest
		want  columns
	}{
		{66, names, columns{age: 4, agent: 5, action: 6, target: 41}},
		{66, names.with([]feed.Item{long}), columns{age: 4, agent: 14, action: 6, target: 32}},
		{66, names.with([]feed.Item{long}).with(nil), columns{age: 4, agent: 14, action: 6, target: 32}},
		{20, names, columns{age: 4, agent: 5, action: 6}},
	} {
		if got := columnsFor(c.width, Tab{}, false, c.names); got != c.want {
			t.Errorf("%d columns, names %+v: %+v, want %+v", c.width, c.names, got, c.want)
		}
	}
}

func TestDivide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		width, height int
		whole         bool
		want          layout
	}{
		{120, 36, false, layout{sideBySide: true, listWidth: 66, listHeight: 32, textWidth: 51, textHeight: 33}},
		{300, 36, false, layout{sideBySide: true, listWidth: 187, listHeight: 32, textWidth: 110, textHeight: 33}},
		{80, 20, false, layout{listWidth: 80, listHeight: 5, textWidth: 78, textHeight: 10}},
		{60, 11, false, layout{listWidth: 60, listHeight: 7, textWidth: 58}},
		{60, 11, true, layout{textWidth: 58, textHeight: 8}},
		{40, 6, false, layout{listWidth: 40, listHeight: 2, textWidth: 38}},
		{40, 0, false, layout{listWidth: 40, textWidth: 38}},
	} {
		if got := divide(c.width, c.height, c.whole); got != c.want {
			t.Errorf("%dx%d whole %t: %+v, want %+v", c.width, c.height, c.whole, got, c.want)
		}
	}
}

func TestTargetName(t *testing.T) {
	t.Parallel()
	if got := targetName("k8s://" + strings.Repeat("x/", 10_000) + "the-end\x1b"); len(got) > 2*nameLimit || !strings.HasSuffix(got, `the-end\x1b`) {
		t.Errorf("%d bytes, %q", len(got), got)
	}
}

// A countdown changes its colour two minutes and half a minute before it ends.
func TestCountdownChangesColour(t *testing.T) {
	t.Parallel()
	q := New(Options{Look: theme.New(theme.Options{Profile: termenv.ANSI, Background: theme.Dark}), Limits: deadline.Default()})
	it := inPhase(0, v1alpha1.PhaseApproved)
	it.Status.Conditions = []metav1.Condition{{Type: "Approved", Status: "True", LastTransitionTime: metav1.NewTime(noon)}}
	ends := q.Limits.Of(it.AgentRequest).At
	q.Resize(80, 20)
	q.rows, q.timed, q.snapshot.Mode, q.cursor.at = []feed.Item{it}, true, feed.Live, -1
	c := columnsFor(80, Tab{}, true, widest{})
	styled := func(style lipgloss.Style) string {
		words, _ := when.Countdown(ends, q.now)
		return style.Render("  " + text.Spaces(leftWidth-len(words)) + words + "  ")
	}
	for left, want := range map[time.Duration]string{filter.Soon: "", filter.Soon - 1: "soon", alarming: "soon", alarming - 1: "alert", 0: "alert"} {
		q.now = ends.Add(-left)
		got, is := q.rowLine(0, c), ""
		for name, style := range map[string]lipgloss.Style{"soon": q.Look.Soon, "alert": q.Look.Alert} {
			if strings.Contains(got, styled(style)) {
				is = name
			}
		}
		if is != want {
			t.Errorf("%s left: %q, %q, want %q", left, got, is, want)
		}
	}
}
