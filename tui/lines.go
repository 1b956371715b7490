package tui

import (
	"context"
	"os"
	"strings"

	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/page/queue"
	"github.com/aip-dev/aip-dev/tui/page/tokens"
	lines "github.com/aip-dev/aip-dev/tui/plain"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// RunLines is Run without a screen: the same actions as commands in lines.
func RunLines(ctx context.Context, o Options) error {
	o = o.complete()
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	p := lines.Options{
		Gateway: o.Gateway, In: o.In, Out: o.Out, Now: o.Now, Journal: o.Journal, Environment: o.Environment, Policies: o.readPolicies(),
		Tabs: append(queue.Tabs(), o.Tabs...), Tokens: o.Tokens, Commands: o.Commands, Command: o.Command, URL: o.URL, ASCII: o.ASCII, ReadOnly: o.ReadOnly,
	}
	for _, e := range entries(o, theme.New(theme.Options{Profile: termenv.Ascii, ASCII: o.ASCII}), nil) {
		title := e.Key.Help().Desc
		name, _, _ := strings.Cut(title, " ")
		switch shown := e.New().(type) {
		case *tokens.Page: // has a command of its own, because it asks for a token
		case *browse.Page:
			p.Pages = append(p.Pages, lines.Page{Name: name, Does: title, Columns: shown.Columns, Rows: shown.Read})
		}
	}
	return lines.Run(ctx, p) //nolint:wrapcheck // told as it is
}
