// Package environment is the page of the environment behind the gateway: whether its parts are well, where they are,
// what they last wrote, and how long it took to start. What there is to tell comes in as items.
package environment

import (
	"context"
	"fmt"
	"time"

	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Item is one thing to know about the environment.
type Item struct {
	// Kind groups items: health, endpoint, log, start.
	Kind string
	// Name says which; Text is the answer in one line, Whole all of it.
	Name, Text, Whole string
	// Verdict is that of a check; empty for what is no check. Fix is what to type when it needs somebody.
	Verdict check.Verdict
	Fix     string
}

// Source tells the items, in order.
type Source func(ctx context.Context) ([]Item, error)

const every = 15 * time.Second

// New returns the page.
func New(look theme.Theme, source Source, do page.Do) *browse.Page {
	return browse.New(browse.Options{
		Title: "Environment", Look: look, Do: do, Every: every, Empty: "nothing is known about it",
		Columns: []browse.Column{{Title: "KIND", Width: 9}, {Title: "NAME", Width: 18}, {Title: "STATE"}},
		Load: func(ctx context.Context) ([]browse.Row, error) {
			items, err := source(ctx)
			if err != nil {
				return nil, fmt.Errorf("look at the environment: %w", err)
			}
			rows := make([]browse.Row, len(items))
			for i, item := range items {
				rows[i] = item.row(look)
			}
			return rows, nil
		},
	})
}

func (i Item) row(look theme.Theme) browse.Row {
	state, level := i.Text, page.Info
	if i.Verdict != "" {
		var sign string
		sign, level = browse.Verdict(look, i.Verdict)
		state = sign + " " + state
	}
	detail := []browse.Line{{Title: i.Kind + "  " + i.Name}, {Name: "state", Value: i.Text}}
	if i.Fix != "" {
		detail = append(detail, browse.Line{Name: "do", Value: i.Fix})
	}
	if i.Whole != "" {
		detail = append(detail, browse.Line{Title: "WHOLE", Value: i.Whole})
	}
	return browse.Row{ID: i.Kind + " " + i.Name, Level: level, Cells: []string{i.Kind, i.Name, state}, Detail: detail}
}
