package plain

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

// Page is a page of the queue on the screen, as a command.
type Page struct {
	// Name is the command, Does says what it lists.
	Name, Does string
	// Columns name the values of a row; Rows reads what there is.
	Columns []browse.Column
	Rows    func(ctx context.Context) ([]browse.Row, error)
}

// command is the page as one: it lists what has the words, or all of the row with a number.
func (p Page) command() command {
	return command{p.Name, p.Name + " [WORDS | N]", p.Does + ", those with all words; with N, the whole of number N of the last such list", func(d *desk, ctx context.Context, rest string) {
		if n, err := strconv.Atoi(rest); err == nil {
			d.whole(p.Name, n)
			return
		}
		rows, err := p.Rows(ctx)
		if err != nil {
			d.failed("read", err)
			return
		}
		words := strings.Fields(strings.ToLower(rest))
		if len(rows) > 0 {
			heads := make([]string, len(p.Columns))
			for i, c := range p.Columns {
				heads[i] = strings.ToLower(c.Title)
			}
			d.say("Each line: %s.", strings.Join(heads, ", "))
		}
		d.tell(p.Name, slices.DeleteFunc(rows, func(r browse.Row) bool { return !r.Has(words) }))
	}}
}

// rowsShown is how many rows are printed.
const rowsShown = 50

// tell prints rows, a line each, under numbers that stay theirs until the page is listed again.
func (d *desk) tell(page string, rows []browse.Row) {
	d.listed[page] = rows
	for i, r := range rows[:min(len(rows), rowsShown)] {
		cells := slices.DeleteFunc(slices.Clone(r.Cells), func(c string) bool { return strings.TrimSpace(c) == "" })
		d.say("%d. %s.", i+1, safetext.Line(strings.Join(cells, ", ")))
	}
	if more := len(rows) - rowsShown; more > 0 {
		d.say("%d more, say words to see fewer.", more)
		return
	}
	d.say("%s.", text.Count(len(rows), "line", "lines"))
}

// whole prints all of one row.
func (d *desk) whole(page string, n int) {
	rows := d.listed[page]
	if n < 1 || n > len(rows) {
		d.say("Say a number of the last list of %s, from 1 to %d.", page, len(rows))
		return
	}
	for _, l := range rows[n-1].Detail {
		if l.Name == "" {
			d.say("%s", safetext.Line(l.Title))
		}
		lead := l.Name
		if lead != "" {
			lead += ": "
		}
		for _, part := range safetext.Block(l.Value) {
			for _, line := range text.Wrap(part, lineWidth-len(lead)) {
				d.say("  %s%s", lead, line)
				lead = strings.Repeat(" ", min(len(lead), 2))
			}
		}
	}
	d.say("That is all.")
}

// token explains a token of a client, or one that was pasted.
func (d *desk) token(ctx context.Context, rest string) {
	if d.Tokens == nil {
		d.say("Nothing is known here about how tokens are made.")
		return
	}
	if n, err := strconv.Atoi(rest); err == nil {
		d.whole("token", n)
		return
	}
	client, raw := d.who.Identity, ""
	if slices.Contains(d.Tokens.Clients(), rest) {
		client = rest
	} else if rest != "" {
		client, raw = "", rest
	}
	rows, err := tokens.Rows(ctx, d.look, d.Tokens, client, raw)
	if err != nil {
		d.failed("explain the token", err)
		return
	}
	d.tell("token", rows)
}

// changes are the commands of the program that run takes, and whether they change nothing.
func changes() map[string]bool {
	return map[string]bool{"agent add": false, "agent remove": false, "policy check": true, "policy apply": false, "policy remove": false}
}

// run runs a command of this program.
func (d *desk) run(ctx context.Context, rest string) {
	words := strings.Fields(rest)
	name := strings.Join(words[:min(2, len(words))], " ")
	harmless, known := changes()[name]
	switch {
	case d.Commands == nil || !known:
		d.say("Run takes: agent add, agent remove, policy check, policy apply, policy remove.")
		return
	case d.ReadOnly && !harmless:
		d.say("Not done: read-only.")
		return
	case !harmless && !slices.Contains(d.who.Roles, "admin") && d.who.Role != "admin":
		d.say("Not done: role %s may not, admin may.", safetext.ID(d.who.Role))
		return
	}
	err := d.Commands.Run(ctx, words, "", func(line string) { d.say("%s", safetext.Line(line)) })
	if err == nil || errors.Is(err, context.Canceled) {
		d.say("Done: %s.", safetext.Line(d.Commands.Line(words)))
	}
}
