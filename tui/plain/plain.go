// Package plain is the review queue as questions and answers in lines: for screen readers, serial lines and scripts.
// Nothing is redrawn and nothing is coloured; a command goes in, its answer comes out.
package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/muesli/termenv"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/decide"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/page/queue"
	"github.com/aip-dev/aip-dev/tui/page/run"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Gateway is what the queue asks of the gateway. *client.Client satisfies it.
type Gateway interface {
	decide.Gateway
	Target(ctx context.Context, namespace, name string) (wire.Target, error)
	Whoami(ctx context.Context) (wire.Whoami, error)
	List(ctx context.Context, o client.ListOptions) ([]v1alpha1.AgentRequest, error)
}

// Options are what the queue is made of. Gateway, In, Out and Now are required.
type Options struct {
	Gateway Gateway
	In      io.Reader
	Out     io.Writer
	Now     func() time.Time
	// Journal keeps the decisions, under the name of the environment; nil keeps none.
	Journal     *journal.Journal
	Environment string
	// Policies reads the policies; nil leaves the rules out.
	Policies func(ctx context.Context) ([]v1alpha1.SafetyPolicy, error)
	// Tabs are the saved filters, Pages the other pages.
	Tabs  []queue.Tab
	Pages []Page
	// Tokens explains tokens, Commands runs commands of this program; both may be nil.
	Tokens   tokens.Source
	Commands run.Commands
	// Command writes a command of this program as people type it, URL is the address of the gateway.
	Command  func(line string) string
	URL      string
	ASCII    bool
	ReadOnly bool
}

// lineLimit is how long a command may be.
const lineLimit = 64 << 10

// Run answers commands until the input ends, quit is typed or ctx ends.
func Run(ctx context.Context, o Options) error {
	d := &desk{
		Options: o, look: theme.New(theme.Options{Profile: termenv.Ascii, ASCII: o.ASCII}), shown: map[types.UID]*v1alpha1.AgentRequest{}, told: map[types.UID]string{},
		listed: map[string][]browse.Row{},
		out:    decide.Desk{Gateway: o.Gateway, Journal: o.Journal, Environment: o.Environment, Via: "plain"},
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	lines := make(chan string)
	var reading error
	go func() {
		defer close(lines)
		in := bufio.NewScanner(o.In)
		in.Buffer(make([]byte, 4096), lineLimit)
		for in.Scan() {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
		reading = in.Err()
	}()
	for {
		d.print("> ")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line, ok := <-lines:
			if !ok {
				d.say("")
				if errors.Is(reading, bufio.ErrTooLong) {
					return fmt.Errorf("read a command: longer than %d bytes", lineLimit) //nolint:err113 // told as it is
				}
				return d.err
			}
			if d.do(ctx, strings.TrimSpace(line)) {
				return d.err
			}
		}
		if d.err != nil {
			return d.err
		}
	}
}

// desk is one session.
type desk struct {
	Options
	look theme.Theme
	who  wire.Whoami
	// out sends the decisions.
	out decide.Desk
	// rows are what the last list showed: the numbers of commands mean these, whatever happened since.
	rows []v1alpha1.AgentRequest
	// shown are the versions that were printed whole.
	shown map[types.UID]*v1alpha1.AgentRequest
	// told is what of a target was said to have changed since it was verified.
	told map[types.UID]string
	// listed are the rows that each page listed last.
	listed map[string][]browse.Row
	err    error
}

func (d *desk) print(text string) {
	if d.err == nil {
		_, d.err = io.WriteString(d.Out, text)
	}
}

// say prints a line of our own.
func (d *desk) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if d.ASCII {
		line = safetext.ASCII(line)
	}
	d.print(strings.TrimRight(line, " ") + "\n")
}

func (d *desk) begin(ctx context.Context) error {
	var err error
	if d.who, err = d.Gateway.Whoami(ctx); err != nil {
		return fmt.Errorf("ask who we are: %w", err)
	}
	d.say("You are %s (%s). Type help for the commands.", safetext.ID(d.who.Identity), safetext.ID(d.who.Role))
	d.list(ctx, "is:waiting")
	return d.err
}

// command is one word and what it does with the rest of the line.
type command struct {
	name, usage, does string
	run               func(d *desk, ctx context.Context, rest string)
}

func (d *desk) commands() []command {
	all := []command{
		{"list", "list [FILTER]", "requests that wait, or those that match: words, field:value, is:waiting, is:expiring, is:ungraded, is:mine, is:today, all", (*desk).listCommand},
		{"tabs", "tabs", "the saved filters, and how many requests each has", (*desk).tabs},
		{"tab", "tab N", "the requests of saved filter N", (*desk).tab},
		{"show", "show N", "the whole of request N of the last list", (*desk).show},
		{"next", "next", "the whole of the first request that waits and was not shown", (*desk).next},
		{"look", "look N", "the target of request N as it is now, and what changed since it was verified", (*desk).lookAgain},
		{"approve", "approve N [REASON]", "approve request N; it must have been shown. N may be several, 1,3-5, which are decided one by one", (*desk).approve},
		{"approve-unread", "approve-unread N [REASON]", "approve request N, or several, without having seen them whole", (*desk).approveUnread},
		{"deny", "deny N REASON", "deny request N, or several; the agent reads the reason", (*desk).deny},
		{"like", "like N", "the numbers of those that ask for the same as request N", (*desk).like},
		{"grade", "grade N VERDICT [CODE] [NOTE]", "grade a request that was not executed: correct, partial or incorrect", (*desk).grade},
		{"yaml", "yaml N", "request N as YAML", (*desk).yaml},
		{"json", "json N", "request N as JSON", (*desk).json},
		{"diff", "diff N", "what differs from the request that the same agent made before", (*desk).diff},
		{"copy", "copy N WHAT", "a line to copy: name, target, yaml, json, curl, header or kubectl", (*desk).copy},
		{"token", "token [CLIENT | TOKEN | N]", "what the gateway makes of a token and what it says, yours unless you name another", (*desk).token},
		{"run", "run COMMAND", "a command of this program: agent add, agent remove, policy check, policy apply, policy remove", (*desk).run},
		{"who", "who", "who you are to the gateway", (*desk).whoami},
	}
	for _, p := range d.Pages {
		all = append(all, p.command())
	}
	return all
}

// do runs one command and reports whether the session is over.
func (d *desk) do(ctx context.Context, line string) (over bool) {
	name, rest, _ := strings.Cut(line, " ")
	switch name {
	case "":
		return false
	case "quit", "q", "exit":
		return true
	case "help", "?":
		d.help()
		return false
	}
	all := d.commands()
	if at := slices.IndexFunc(all, func(c command) bool { return c.name == name }); at >= 0 {
		all[at].run(d, ctx, strings.TrimSpace(rest))
		return false
	}
	d.say("There is no command %s. Type help for the commands.", safetext.ID(name))
	return false
}

func (d *desk) help() {
	for _, c := range d.commands() {
		d.say("%s: %s.", c.usage, c.does)
	}
	d.say("help: this list.")
	d.say("quit: leave.")
}

// failed says what went wrong.
func (d *desk) failed(what string, err error) {
	d.say("Not done, %s: %s", what, safetext.Line(err.Error()))
}
