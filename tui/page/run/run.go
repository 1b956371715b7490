// Package run is the page of a command of this program that another page starts: the command line as one would type
// it, what it printed so far, and what became of it. One step may follow another: a check, then what was checked.
package run

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/part/pager"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Commands are the commands of this program.
type Commands interface {
	// Line is a command as one would type it; args are the words after the program's name.
	Line(args []string) string
	// Run runs a command as if it had been typed; stdin is what it reads. It hands over every line that the command
	// prints, those about its error among them, and returns the error.
	Run(ctx context.Context, args []string, stdin string, line func(string)) error
}

// Step is one command.
type Step struct {
	Args  []string
	Stdin string
	// Does says in a few words what the step does; it starts by Enter when the one before it went well, the first at once.
	Does string
	// Off says why it cannot start now; nil or "" when it can.
	Off func(feed.Snapshot) string
}

// Args are the words of a command about a value that people chose, which is no flag whatever it begins with.
func Args(command, value string, flags ...string) []string {
	words := strings.Fields(command)
	if strings.HasPrefix(value, "-") && value != "-" {
		return append(append(words, flags...), "--", value)
	}
	return append(append(words, value), flags...)
}

// Options are what a Page is made of. Steps has one at least.
type Options struct {
	Look theme.Theme
	// Do runs the commands. They are ended when the program is, and get the time to end well.
	Do       page.Do
	Commands Commands
	Steps    []Step
}

// Open asks the root for the page of these commands.
type Open struct{ Steps []Step }

// Start returns a command that opens the page.
func Start(steps ...Step) tea.Cmd {
	return func() tea.Msg { return Open{steps} }
}

// Ended tells the root that a command ended, for when its page is not looked at any more.
type Ended struct {
	Page *Page
	Line string
	Err  error
}

// Page is the page.
type Page struct {
	Options
	at       int
	running  bool
	err      error
	snapshot feed.Snapshot

	now, began, ended time.Time
	width, height     int
	// said are the lines of all commands so far, follow keeps the last one in sight.
	said   []said
	text   pager.Pager
	follow bool
	output *output

	next, back, up, down, pageUp, pageDown key.Binding
}

// said is a line of a command, or the command line itself.
type said struct {
	text    string
	command bool
}

// New returns the page, which starts its first command when it is opened.
func New(o Options) *Page {
	bind := func(shown, does string, names ...string) key.Binding {
		return key.NewBinding(key.WithKeys(names...), key.WithHelp(shown, does))
	}
	return &Page{
		Options: o, follow: true,
		next: bind("enter", "go on", "enter"), back: bind("esc", "back", "esc", "q"), up: bind("k", "up", "k", "up"), down: bind("j", "down", "j", "down"),
		pageUp: bind("K", "read back", "K", "pgup"), pageDown: bind("J", "read on", "J", "pgdown"),
	}
}

// Bindings implements page.Rebindable.
func (p *Page) Bindings() []*key.Binding {
	return []*key.Binding{&p.back, &p.up, &p.down, &p.pageUp, &p.pageDown}
}

// printed says that there are new lines.
type printed struct{ page *Page }

// output collects lines; the command never waits for the page.
type output struct {
	mu    sync.Mutex
	lines []string
	// news has a token when there are lines that nobody took; over is closed at the end.
	news, over chan struct{}
}

func (o *output) add(line string) {
	o.mu.Lock()
	o.lines = append(o.lines, line)
	o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
}

func (o *output) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.lines
	o.lines = nil
	return lines
}

// Init implements page.Page.
func (p *Page) Init() tea.Cmd { return p.start() }

// start runs the present step.
func (p *Page) start() tea.Cmd {
	step := p.Steps[p.at]
	line := p.Commands.Line(step.Args)
	p.running, p.err, p.began, p.follow = true, nil, p.now, true
	if len(p.said) > 0 {
		p.said = append(p.said, said{})
	}
	p.said = append(p.said, said{text: line, command: true})
	p.write()
	out := &output{news: make(chan struct{}, 1), over: make(chan struct{})}
	p.output = out
	return tea.Batch(p.listen(), p.Do(func(ctx context.Context) tea.Msg {
		err := p.Commands.Run(ctx, step.Args, step.Stdin, out.add)
		close(out.over)
		return Ended{Page: p, Line: line, Err: err}
	}))
}

// listen waits for lines.
func (p *Page) listen() tea.Cmd {
	out := p.output
	return func() tea.Msg {
		select {
		case <-out.news:
			return printed{p}
		case <-out.over:
			return nil // Ended takes what is left
		}
	}
}

// Update implements page.Page.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case page.Tick:
		p.now = msg.Now
		if p.began.IsZero() {
			p.began = p.now
		}
	case feed.Snapshot:
		p.snapshot = msg
	case printed:
		if msg.page == p {
			p.read()
			return p.listen()
		}
	case Ended:
		if msg.Page == p {
			p.read()
			p.running, p.err, p.ended = false, msg.Err, p.now
		}
	case tea.KeyMsg:
		return p.press(msg)
	}
	return nil
}

// read takes the lines that came.
func (p *Page) read() {
	for _, line := range p.output.take() {
		p.said = append(p.said, said{text: line})
	}
	p.write()
}

func (p *Page) press(msg tea.KeyMsg) tea.Cmd {
	some := max(p.text.Height()-1, 1)
	switch {
	case key.Matches(msg, p.back):
		return func() tea.Msg { return page.Back{} }
	case key.Matches(msg, p.next) && p.more() && p.off() == "":
		p.at++
		return p.start()
	case key.Matches(msg, p.up):
		p.text.Scroll(-1)
	case key.Matches(msg, p.down):
		p.text.Scroll(1)
	case key.Matches(msg, p.pageUp):
		p.text.Scroll(-some)
	case key.Matches(msg, p.pageDown):
		p.text.Scroll(some)
	}
	p.follow = p.text.Below() == 0
	return nil
}

// more reports whether a step may follow.
func (p *Page) more() bool { return p.at+1 < len(p.Steps) && p.err == nil }

// off says why the next step cannot start.
func (p *Page) off() string {
	switch next := p.Steps[p.at+1]; {
	case p.running:
		return "still running"
	case next.Off != nil:
		return next.Off(p.snapshot)
	default:
		return ""
	}
}

// Keys implements page.Page.
func (p *Page) Keys() []page.Key {
	var keys []page.Key
	if p.more() {
		next := p.next
		next.SetHelp(p.next.Help().Key, p.Steps[p.at+1].Does)
		keys = append(keys, page.Key{Binding: next, Off: p.off()})
	}
	keys = append(keys, page.Key{Binding: p.back})
	if p.text.Below() > 0 {
		keys = append(keys, page.Key{Binding: p.pageDown}, page.Key{Binding: p.down})
	}
	if p.text.Above() > 0 {
		keys = append(keys, page.Key{Binding: p.pageUp}, page.Key{Binding: p.up})
	}
	return keys
}

// Title implements page.Page.
func (p *Page) Title() string { return "command" }
