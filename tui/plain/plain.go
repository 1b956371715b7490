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
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Gateway is what the queue asks of the gateway. *client.Client satisfies it.
type Gateway interface {
	decide.Gateway
	Target(ctx context.Context, namespace, name string) (wire.Target, error)
	Whoami(ctx context.Context) (wire.Whoami, error)
	List(ctx context.Context, o client.ListOptions) ([]v1alpha1.AgentRequest, error)
	AuditRecords(ctx context.Context, o client.AuditOptions) ([]v1alpha1.AuditRecord, error)
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
	ASCII    bool
	ReadOnly bool
}

// lineLimit is how long a command may be.
const lineLimit = 64 << 10

// Run answers commands until the input ends, quit is typed or ctx ends.
func Run(ctx context.Context, o Options) error {
	d := &desk{
		Options: o, look: theme.New(theme.Options{Profile: termenv.Ascii, ASCII: o.ASCII}), shown: map[types.UID]*v1alpha1.AgentRequest{}, told: map[types.UID]string{},
		out: decide.Desk{Gateway: o.Gateway, Journal: o.Journal, Environment: o.Environment, Via: "plain"},
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
	err  error
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

func commands() []command {
	return []command{
		{"list", "list [FILTER]", "requests that wait, or those that match: words, field:value, is:waiting, is:expiring, is:ungraded, is:mine, is:today, all", (*desk).listCommand},
		{"show", "show N", "the whole of request N of the last list", (*desk).show},
		{"next", "next", "the whole of the first request that waits and was not shown", (*desk).next},
		{"look", "look N", "the target of request N as it is now, and what changed since it was verified", (*desk).lookAgain},
		{"approve", "approve N [REASON]", "approve request N; it must have been shown", (*desk).approve},
		{"approve-unread", "approve-unread N [REASON]", "approve request N without having seen it whole", (*desk).approveUnread},
		{"deny", "deny N REASON", "deny request N; the agent reads the reason", (*desk).deny},
		{"grade", "grade N VERDICT [CODE] [NOTE]", "grade a request that was not executed: correct, partial or incorrect", (*desk).grade},
		{"yaml", "yaml N", "request N as YAML", (*desk).yaml},
		{"diff", "diff N", "what differs from the request that the same agent made before", (*desk).diff},
		{"audit", "audit [WORD]", "the newest events of the trail", (*desk).audit},
		{"policies", "policies", "the rules that are in force", (*desk).policies},
		{"who", "who", "who you are to the gateway", (*desk).whoami},
	}
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
	all := commands()
	if at := slices.IndexFunc(all, func(c command) bool { return c.name == name }); at >= 0 {
		all[at].run(d, ctx, strings.TrimSpace(rest))
		return false
	}
	d.say("There is no command %s. Type help for the commands.", safetext.ID(name))
	return false
}

func (d *desk) help() {
	for _, c := range commands() {
		d.say("%s: %s.", c.usage, c.does)
	}
	d.say("help: this list.")
	d.say("quit: leave.")
}

func (d *desk) listCommand(ctx context.Context, rest string) {
	switch rest {
	case "":
		rest = "is:waiting"
	case "all":
		rest = ""
	}
	d.list(ctx, rest)
}

// list prints what matches, a line each.
func (d *desk) list(ctx context.Context, wanted string) {
	all, err := d.Gateway.List(ctx, client.ListOptions{AllNamespaces: true})
	if err != nil {
		d.failed("list", err)
		return
	}
	limits := deadline.Default()
	query, c := filter.Parse(wanted), filter.Context{Now: d.Now(), Me: d.who.Identity, Limits: limits}
	d.rows = slices.DeleteFunc(all, func(r v1alpha1.AgentRequest) bool { return !query.Match(&r, c) })
	slices.SortStableFunc(d.rows, func(a, b v1alpha1.AgentRequest) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	if len(d.rows) == 0 {
		d.say("Nothing matches.")
	} else {
		d.say("%s.", text.Count(len(d.rows), "request", "requests"))
	}
	for i := range d.rows {
		r := &d.rows[i]
		left := ""
		if end := limits.Of(r); !end.At.IsZero() {
			left = fmt.Sprintf(", %s in %s", end.What, end.At.Sub(d.Now()).Round(time.Second))
		}
		d.say("%d. %s: %s asks to %s %s, %s ago%s.", i+1, safetext.ID(string(r.Status.Phase)), safetext.ID(r.Spec.AgentIdentity), safetext.ID(r.Spec.Action),
			safetext.ID(r.Spec.Target.URI), d.Now().Sub(r.CreationTimestamp.Time).Round(time.Second), left)
	}
}

// failed says what went wrong.
func (d *desk) failed(what string, err error) {
	d.say("Not done, %s: %s", what, safetext.Line(err.Error()))
}
