package queue

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/list"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/search"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Options are what a Queue is made of.
type Options struct {
	Look theme.Theme
	// Desk sends the decisions.
	Desk decide.Desk
	// Do runs the decisions. They must get the time to end when the program does.
	Do page.Do
	// Read runs what only reads; it ends with the program.
	Read page.Do
	// ReadOnly turns the decision keys off.
	ReadOnly bool
	// Hold is for how long a decision can be taken back before it is sent; 0 sends at once.
	Hold time.Duration
	// GatewayURL and Identity are for commands that are copied; both may be empty.
	GatewayURL, Identity string
	// Command writes a command of this program as people type it for this environment.
	Command func(line string) string
	// Target looks at the target of a request as it is now; it may be nil.
	Target func(ctx context.Context, namespace, name string) (wire.Target, error)
	// Policies reads the policies, to show the rules that spoke; it may be nil.
	Policies func(ctx context.Context) ([]v1alpha1.SafetyPolicy, error)
	// Tabs are the saved filters; nil means those of Tabs.
	Tabs []Tab
	// Grants lets the reviewer give grants.
	Grants bool
	// Limits are the times after which requests change by themselves.
	Limits deadline.Limits
}

// Queue is the page. It keeps the cursor, the filter and the drafts; everything else is in the snapshot.
type Queue struct {
	Options
	keys keyMap

	width, height int
	layout        layout
	// whole says that the preview has the room of the list, too.
	whole bool

	snapshot feed.Snapshot
	now      time.Time

	tabs   []tab
	tab    int
	filter string
	rows   []feed.Item
	counts []int
	widest widest
	// timed says that there are rows to which something happens by itself.
	timed bool
	// turns is when a tab gets or loses a request by time alone.
	turns time.Time
	// raised are the requests that stand before all others, because they changed after their decision.
	raised map[types.UID]struct{}
	// fresh are the places of the rows that came while the page was open and were not looked at, in order.
	fresh  []int
	looked map[types.UID]struct{}

	cursor cursor
	// touched says that the user did something.
	touched bool
	window  list.Window
	rest    rest

	preview preview
	rivals  rivals
	rules   rules
	// sights are the targets that were looked at again, looks is how often that was.
	sights map[types.UID]sight
	looks  int
	// search, form and grading are what is being typed, if anything; at most one of them is there.
	search *prompt.Prompt
	// seek looks for words in the text while that has the whole room.
	seek    *search.Search
	form    *form
	grading *grading
	// granting is a grant that is being given, grants are those that hold, the first to end first.
	granting *granting
	grants   []*grant
	// copying says that the next key chooses what is copied.
	copying bool
	// sent are the decisions under way, held those of them that can be taken back, oldest first; drafts are the reasons
	// that were typed and not sent.
	sent   map[types.UID]struct{}
	held   []*order
	drafts map[types.UID]string
	// marks are the requests that the next decision is about, as they were when they were marked; lastMark is where a
	// range begins, likes how many others are like the one under the cursor.
	marks    map[types.UID]feed.Item
	lastMark types.UID
	likes    int
}

// New returns the page, with nothing to show until the first snapshot comes.
func New(o Options) *Queue {
	if o.Tabs == nil {
		o.Tabs = Tabs()
	}
	return &Queue{
		Options: o, keys: newKeyMap(), tabs: compile(o.Tabs), counts: make([]int, len(o.Tabs)),
		looked: map[types.UID]struct{}{}, sent: map[types.UID]struct{}{}, drafts: map[types.UID]string{},
		marks: map[types.UID]feed.Item{}, sights: map[types.UID]sight{},
		preview: preview{read: map[types.UID]*v1alpha1.AgentRequest{}, left: map[types.UID]*departed{}},
	}
}

// Init implements page.Page.
func (q *Queue) Init() tea.Cmd { return nil }

// Title implements page.Page.
func (q *Queue) Title() string { return "queue" }

// Resize implements page.Page.
func (q *Queue) Resize(width, height int) {
	q.width, q.height = width, height
	q.arrange()
}

// arrange gives each part its room.
func (q *Queue) arrange() {
	q.layout = divide(q.width, q.height, q.whole)
	q.window.Height = q.layout.listHeight
	q.window = q.window.Show(q.cursor.at, len(q.rows))
	q.preview.pager.SetHeight(q.layout.textHeight)
	q.display()
}

// Update implements page.Page.
func (q *Queue) Update(msg tea.Msg) tea.Cmd {
	cmd := q.update(msg)
	if _, tick := msg.(page.Tick); !tick {
		q.likes = len(q.alike())
	}
	q.display()
	return cmd
}

func (q *Queue) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case feed.Snapshot:
		return tea.Batch(q.accept(msg), q.applyGrants())
	case page.Tick:
		return tea.Batch(q.tick(msg.Now), q.expireGrants())
	case rested:
		q.rest.end(msg)
	case decided:
		return q.settle(msg)
	case heldOver:
		return q.release(msg)
	case rulesRead:
		q.takeRules(msg)
	case looked:
		return q.takeLook(msg)
	case graded:
		return q.settleGrade(msg)
	case tea.MouseMsg:
		q.pointAt(msg)
	case tea.KeyMsg:
		return q.take(msg)
	}
	return nil
}

// take hands a key to what is open, and else to the list.
func (q *Queue) take(msg tea.KeyMsg) tea.Cmd {
	q.touched = true
	switch {
	case q.form != nil:
		return q.typeReason(msg)
	case q.grading != nil:
		return q.typeGrade(msg)
	case q.granting != nil:
		return q.typeGrant(msg)
	}
	q.noteRead()
	switch {
	case q.copying:
		return q.pressCopy(msg)
	case q.search != nil:
		return q.typeFilter(msg)
	case q.seek != nil:
		return q.typeSeek(msg)
	default:
		return q.pressAll(msg)
	}
}
