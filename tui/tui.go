package tui

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/agents"
	"github.com/aip-dev/aip-dev/tui/page/audit"
	"github.com/aip-dev/aip-dev/tui/page/environment"
	"github.com/aip-dev/aip-dev/tui/page/policies"
	"github.com/aip-dev/aip-dev/tui/page/queue"
	"github.com/aip-dev/aip-dev/tui/page/run"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
	"github.com/aip-dev/aip-dev/tui/page/tour"
	"github.com/aip-dev/aip-dev/tui/part/osc"
	"github.com/aip-dev/aip-dev/tui/part/paint"
	"github.com/aip-dev/aip-dev/tui/part/paste"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Gateway is what the program asks of the gateway. *client.Client satisfies it.
type Gateway interface {
	feed.Source
	decide.Gateway
	// Target looks at the target of a request as it is now.
	Target(ctx context.Context, namespace, name string) (wire.Target, error)
	audit.Source
}

// Options are what the program is made of. Gateway and Now are required.
type Options struct {
	Gateway Gateway
	// Journal keeps the decisions; nil keeps none.
	Journal *journal.Journal
	// Now tells the time; times are shown in its zone.
	Now func() time.Time
	// Environment and Cluster are words for the header, for example "aip" and "embedded".
	Environment, Cluster string
	// Identity is who we expect to be; it is shown until the gateway says who we are.
	Identity string
	// TokenExpiry returns when the token in use runs out, and false when that is not known. It may be nil. It is called
	// often and must not wait for anything.
	TokenExpiry func() (time.Time, bool)
	// In and Out are the terminal; nil means the one of the process.
	In  io.Reader
	Out io.Writer
	// Hold is for how long a decision can be taken back before it is sent; 0 sends at once.
	Hold time.Duration
	// Grants lets the reviewer give grants: what one agent asks to do to one target is approved for a time.
	Grants bool
	// Tour is the guided tour, shown in place of the queue; nil shows the queue.
	Tour *tour.Options
	// Tokens explains tokens; it may be nil.
	Tokens tokens.Source
	// Policies reads the SafetyPolicies, for which the gateway asks for the admin role; it may be nil.
	Policies policies.Source
	// Identities returns the clients that the environment knows, Environs what there is to tell about it; both may be nil.
	Identities func() []agents.Identity
	Environs   environment.Source
	// Commands runs commands of this program, to add and remove agents and policies; it may be nil.
	Commands run.Commands
	// Command writes a command of this program, "status" for example, as people type it for this environment; nil means the
	// environment that needs no name.
	Command func(line string) string
	// URL is the address of the gateway, for commands that are copied.
	URL string
	// Native also uses the clipboard of this machine, beside that of the terminal.
	Native bool
	// Mouse lets the mouse choose rows and scroll.
	Mouse bool
	// Keys gives actions other keys: the words of an action as the help has them, and names of keys. Tabs are shown after
	// those that everybody has.
	Keys map[string]string
	Tabs []queue.Tab
	// NoColor, ASCII and ReadOnly leave out colours, everything but ASCII, and the decision keys.
	NoColor, ASCII, ReadOnly bool
}

// Run shows the program until the user leaves it or ctx ends. Decisions that are on their way then are finished first.
func Run(ctx context.Context, o Options) error {
	if os.Getenv("TERM") == "dumb" {
		return failure.New(failure.Usage, []string{"aip-dev request list", "aip-dev request approve NAME"},
			"the queue needs a terminal that can place text; found TERM=dumb")
	}
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	seen := look(o)
	file, _ := o.Out.(*os.File)
	o.Out = &oneWriter{w: o.Out}
	ending, end := context.WithCancel(ctx)
	defer end()
	model, decisions, err := build(ending, o, seen)
	if err != nil {
		return err
	}
	terminal, err := paint.Open(o.In, o.Out, paint.Options{Mouse: o.Mouse})
	if err != nil {
		return fmt.Errorf("take the terminal: %w", err)
	}
	options := []tea.ProgramOption{tea.WithContext(ending), tea.WithInput(o.In), tea.WithoutRenderer(), tea.WithoutSignalHandler()} // signals end ctx
	if in, ok := o.In.(*os.File); ok {
		input := paste.From(in)
		options = append(options, tea.WithInput(input), tea.WithFilter(input.Restore))
	}
	p := tea.NewProgram(&shell{root: model, terminal: terminal}, options...)
	go sizes(ending, file, p.Send)
	_, err = p.Run()
	decisions.wait()
	closed := terminal.Close()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("run the queue: %w", err)
	case closed != nil:
		return fmt.Errorf("give the terminal back: %w", closed)
	default:
		return nil
	}
}

// look finds out what the terminal can do.
func look(o Options) theme.Theme {
	found := theme.Detect(o.Out, os.Getenv)
	found.NoColor = found.NoColor || o.NoColor
	found.ASCII = o.ASCII
	return theme.New(found)
}

// complete fills in what may be left out.
func (o Options) complete() Options {
	if o.Command == nil {
		o.Command = func(line string) string { return "aip-dev " + line }
	}
	return o
}

// build puts the program together.
func build(ctx context.Context, o Options, look theme.Theme) (*root, *pending, error) {
	o = o.complete()
	decisions := newPending()
	live := untilEnd(ctx)
	r := &root{
		Options: o, look: look, keys: newKeyMap(), osc: osc.Find(os.Getenv), live: live, graceful: decisions.interruptible(ctx),
		feed: feed.New(o.Gateway, o.Now),
	}
	if o.Tour != nil {
		t := *o.Tour
		t.Look, t.Do = look, live // a slow machine may take its time
		r.stack = []page.Page{tour.New(t)}
	} else {
		r.entries = entries(o, look, live)
		r.stack = []page.Page{queue.New(queue.Options{
			Look: look, Desk: decide.Desk{Gateway: o.Gateway, Journal: o.Journal, Environment: o.Environment, Via: "tui"}, Target: o.Gateway.Target,
			Do: decisions.do(ctx), Read: live, ReadOnly: o.ReadOnly, Grants: o.Grants, Policies: o.readPolicies(),
			GatewayURL: o.URL, Identity: o.Identity, Command: o.Command, Hold: o.Hold, Limits: deadline.Default(),
			Tabs: append(queue.Tabs(), o.Tabs...),
		})}
	}
	if err := r.rebind(); err != nil {
		return nil, nil, err
	}
	return r, decisions, nil
}
