// Package browse is a page that lists things of one kind, with a filter, beside the whole of the highlighted one. What
// the things are comes in as Options: the pages of policies, agents, the audit trail and checks are made of it.
package browse

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/list"
	"github.com/aip-dev/aip-dev/tui/part/pager"
	"github.com/aip-dev/aip-dev/tui/part/prompt"
	"github.com/aip-dev/aip-dev/tui/part/search"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Row is one thing. Its texts may come from anybody; the page draws them harmless.
type Row struct {
	// ID stays the same for as long as the thing lives.
	ID string
	// Cells are the values of the columns.
	Cells []string
	// Level says whether the row needs a look.
	Level page.Level
	// Detail is the whole of it, as lines of a title or of a name and a value.
	Detail []Line
}

// Line is one line of a detail: a title when Name is empty, else a value under its name. A Value of several lines is
// shown as such.
type Line struct{ Title, Name, Value string }

// Column is a heading and how its values are laid out. The last column takes what is left.
type Column struct {
	Title string
	// Width is the most that the column takes; it is no wider than its widest value.
	Width int
	// From is the width of the list from which there is room for the column.
	From int
	// Path says that the values end with a path, of which the beginning is left out where it does not fit.
	Path bool
}

// Options are what a Page is made of.
type Options struct {
	Title   string
	Look    theme.Theme
	Columns []Column
	// Do runs Load.
	Do page.Do
	// Load gets the rows, in the order in which they are shown.
	Load func(ctx context.Context) ([]Row, error)
	// Limit is how many rows Load gets at most; 0 is no limit.
	Limit int
	// Every is the time between two calls of Load; 0 asks once, and again by key.
	Every time.Duration
	// Empty says what to think of it when there are no rows.
	Empty string
	// Actions are what can be done on the page besides reading.
	Actions []Action
}

// Page is the page.
type Page struct {
	Options
	keys keyMap

	width, height         int
	listWidth, listHeight int
	rows, shown           []Row
	// columns are as wide as the rows need them.
	columns []Column
	id      string
	at      int
	window  list.Window
	detail  pager.Pager
	drawn   drawn
	filter  string
	search  *prompt.Prompt
	// seek looks for words in the detail while that has the whole room.
	seek                   *search.Search
	question               Question
	snapshot               feed.Snapshot
	loaded, loading, whole bool
	// again says that what is being read is asked for once more, because it is about something else by now.
	again      bool
	failure    string
	now, asked time.Time
}

// drawn says what the detail was made of.
type drawn struct {
	id    string
	width int
	rev   int
}

// cached is how old an answer of the gateway may be.
const cached = time.Second

type keyMap struct{ up, down, first, last, textDown, textUp, open, filter, reload, back, accept, cancel key.Binding }

func bind(shown, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, does))
}

// New returns the page, which loads when it is opened.
func New(o Options) *Page {
	o.Actions = slices.Clone(o.Actions)
	p := &Page{Options: o, keys: keyMap{
		up: bind("k", "up", "k", "up"), down: bind("j", "down", "j", "down"), first: bind("home", "first", "home", "<"),
		last: bind("G", "last", "G", "end", ">"), textDown: bind("J", "read on", "J", "pgdown"), textUp: bind("K", "read back", "K", "pgup"),
		open: bind("enter", "whole", "enter"), filter: bind("/", "filter", "/"), reload: bind("r", "read again", "r"),
		back: bind("esc", "back", "esc", "q"), accept: bind("enter", "keep the filter", "enter"), cancel: bind("esc", "no filter", "esc"),
	}}
	p.measure()
	return p
}

// loaded is the answer of Load.
type loaded struct {
	page *Page
	rows []Row
	err  error
}

// Read gets the rows as the page shows them, for where nothing is drawn.
func (p *Page) Read(ctx context.Context) ([]Row, error) { return p.Load(ctx) }

// Has reports whether each of words, in lower case, is in the row or in its detail.
func (r Row) Has(words []string) bool {
	if len(words) == 0 {
		return true
	}
	var b strings.Builder
	b.WriteString(strings.Join(r.Cells, " "))
	for _, l := range r.Detail {
		b.WriteString("\n" + l.Value)
	}
	all := strings.ToLower(b.String())
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(all, w) })
}

// Init implements page.Page.
func (p *Page) Init() tea.Cmd { return p.load() }

func (p *Page) load() tea.Cmd {
	if p.loading {
		p.again = true
		return nil
	}
	p.loading = true
	p.asked = p.now
	load := p.Load
	return p.Options.Do(func(ctx context.Context) tea.Msg {
		rows, err := load(ctx)
		return loaded{page: p, rows: rows, err: err}
	})
}

// Resize implements page.Page.
func (p *Page) Resize(width, height int) {
	p.width, p.height = width, height
	p.arrange()
}

// Update implements page.Page.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case page.Tick:
		p.now = msg.Now
		if p.asked.IsZero() {
			p.asked = p.now
		}
		if p.Every > 0 && !p.loading && p.now.Sub(p.asked) >= p.Every {
			cmd = p.load()
		}
	case loaded:
		if msg.page == p {
			cmd = p.take(msg)
		}
	case feed.Snapshot:
		p.snapshot = msg
	case page.Changed:
		cmd = p.load()
		p.asked = p.now.Add(cached - p.Every) // once more, the gateway may have answered from a cache
	case tea.KeyMsg:
		cmd = p.press(msg)
	}
	p.draw()
	return cmd
}

// Next implements page.Timed: when the rows are read again.
func (p *Page) Next() time.Time {
	if p.Every == 0 || p.loading || p.asked.IsZero() {
		return time.Time{}
	}
	return p.asked.Add(p.Every)
}

// take takes in an answer, unless it is not the one that is wanted any more.
func (p *Page) take(a loaded) tea.Cmd {
	p.loading = false
	if p.again {
		p.again = false
		return p.load()
	}
	if a.err != nil {
		p.failure = safetext.Line(a.err.Error())
		return nil
	}
	p.failure, p.loaded, p.rows = "", true, a.rows
	p.drawn.rev++
	p.measure()
	p.pick()
	return nil
}

// pick makes the rows that are shown. The cursor stays on its thing, or near its place when that is gone.
func (p *Page) pick() {
	words := strings.Fields(strings.ToLower(p.filter))
	before := p.at
	p.shown = nil
	for _, r := range p.rows {
		if r.Has(words) {
			p.shown = append(p.shown, r)
		}
	}
	if at := slices.IndexFunc(p.shown, func(r Row) bool { return r.ID == p.id }); at >= 0 {
		p.at = at
		p.window = p.window.Keep(before, at, len(p.shown))
		return
	}
	p.point(p.at)
}

func (p *Page) point(at int) {
	if len(p.shown) == 0 {
		p.at, p.id = 0, ""
		return
	}
	p.at = max(0, min(at, len(p.shown)-1))
	p.id = p.shown[p.at].ID
	p.window = p.window.Show(p.at, len(p.shown))
}

func (p *Page) press(msg tea.KeyMsg) tea.Cmd {
	k := p.keys
	switch {
	case p.question != nil:
		return p.answer(msg)
	case p.search != nil:
		return p.typeFilter(msg)
	case p.seek != nil:
		over, cmd := p.seek.Update(msg, &p.detail)
		if over {
			p.seek = nil
		}
		return cmd
	}
	step := func(by int) {
		if p.whole {
			p.detail.Scroll(by)
			return
		}
		p.point(p.at + by)
	}
	half := max(p.detail.Height()-1, 1)
	switch {
	case key.Matches(msg, k.back):
		if p.whole {
			p.whole = false
			p.arrange()
			return nil
		}
		return func() tea.Msg { return page.Back{} }
	case key.Matches(msg, k.up):
		step(-1)
	case key.Matches(msg, k.down):
		step(1)
	case key.Matches(msg, k.first):
		step(-max(len(p.shown), p.detail.Len()))
	case key.Matches(msg, k.last):
		step(max(len(p.shown), p.detail.Len()))
	case key.Matches(msg, k.textDown):
		p.detail.Scroll(half)
	case key.Matches(msg, k.textUp):
		p.detail.Scroll(-half)
	default:
		return p.pressRest(msg)
	}
	return nil
}

func (p *Page) pressRest(msg tea.KeyMsg) tea.Cmd {
	switch k := p.keys; {
	case key.Matches(msg, k.open) && len(p.shown) > 0:
		p.whole = !p.whole
		p.arrange()
	case key.Matches(msg, k.filter) && p.whole:
		p.seek = search.New(p.Look)
	case key.Matches(msg, k.filter):
		line := prompt.New(p.Look, 200)
		line.SetValue(p.filter)
		p.search = &line
	case key.Matches(msg, k.reload):
		return p.load()
	default:
		return p.act(msg)
	}
	return nil
}

func (p *Page) typeFilter(msg tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(msg, p.keys.accept):
		p.search = nil
		return nil
	case key.Matches(msg, p.keys.cancel):
		p.search, p.filter = nil, ""
		p.pick()
		return nil
	}
	cmd := p.search.Update(msg)
	if p.search.Value() != p.filter {
		p.filter = p.search.Value()
		p.pick()
	}
	return cmd
}

// Keys implements page.Page.
func (p *Page) Keys() []page.Key {
	k := p.keys
	switch {
	case p.question != nil:
		return p.question.Keys()
	case p.search != nil:
		return []page.Key{{Binding: k.accept}, {Binding: k.cancel}}
	case p.seek != nil:
		return []page.Key{{Binding: p.seek.Next}, {Binding: p.seek.Back}}
	}
	if p.whole {
		k.filter.SetHelp(k.filter.Help().Key, "search the text")
	}
	keys := append([]page.Key{{Binding: k.back}}, p.actionKeys()...)
	if len(p.shown) > 0 {
		keys = append(keys, page.Key{Binding: k.open})
	}
	if p.detail.Below() > 0 {
		keys = append(keys, page.Key{Binding: k.textDown})
	}
	keys = append(keys, page.Key{Binding: k.filter}, page.Key{Binding: k.reload})
	if len(p.shown) > 1 {
		keys = append(keys, page.Key{Binding: k.down}, page.Key{Binding: k.up}, page.Key{Binding: k.first}, page.Key{Binding: k.last})
	}
	if p.detail.Above() > 0 {
		keys = append(keys, page.Key{Binding: k.textUp})
	}
	return keys
}

// Title implements page.Page.
func (p *Page) Title() string { return p.Options.Title }

// Prompt implements page.Prompter.
func (p *Page) Prompt() []string {
	switch {
	case p.question != nil:
		return p.question.Lines(p.width)
	case p.seek != nil:
		return p.seek.Lines(p.width)
	case p.search == nil:
		return nil
	}
	const lead = " filter: "
	return []string{
		p.Look.Dim.Render(text.Cut(" words that must be in the row, or in the whole of it", p.width, p.Look.Cut)),
		lead + p.search.View(p.width-len(lead)-1),
		" enter keep it   esc no filter",
	}
}
