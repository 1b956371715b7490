package plain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/deadline"
	"github.com/aip-dev/aip-dev/tui/feed"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/page/queue"
	"github.com/aip-dev/aip-dev/tui/part/text"
)

func (d *desk) listCommand(ctx context.Context, rest string) {
	switch rest {
	case "":
		rest = "is:waiting"
	case "all":
		rest = ""
	}
	d.list(ctx, rest)
}

// limits are those of the gateway.
func limits() deadline.Limits { return deadline.Default() }

// list prints what matches, a line each: what ends first, then what waits longest.
func (d *desk) list(ctx context.Context, wanted string) {
	if all, ok := d.read(ctx); ok {
		d.lines(queue.Tab{Filter: wanted}.Pick(all, d.context()))
	}
}

// read reads all requests.
func (d *desk) read(ctx context.Context) ([]feed.Item, bool) {
	all, err := d.Gateway.List(ctx, client.ListOptions{AllNamespaces: true})
	if err != nil {
		d.failed("list", err)
		return nil, false
	}
	items := make([]feed.Item, len(all))
	for i := range all {
		items[i] = feed.Item{AgentRequest: &all[i]}
	}
	slices.SortFunc(items, feed.Compare)
	return items, true
}

// context is what filters depend on.
func (d *desk) context() filter.Context {
	return filter.Context{Now: d.Now(), Me: d.who.Identity, Limits: limits()}
}

func (d *desk) tabs(ctx context.Context, _ string) {
	all, ok := d.read(ctx)
	if !ok {
		return
	}
	for i, t := range d.Tabs {
		d.say("%d. %s: %d (%s).", i+1, safetext.Line(t.Name), len(t.Pick(all, d.context())), cmp.Or(safetext.Line(t.Filter), "all"))
	}
}

func (d *desk) tab(ctx context.Context, rest string) {
	n, err := strconv.Atoi(rest)
	if err != nil || n < 1 || n > len(d.Tabs) {
		d.say("Say a number from 1 to %d.", len(d.Tabs))
		return
	}
	if all, ok := d.read(ctx); ok {
		d.lines(d.Tabs[n-1].Pick(all, d.context()))
	}
}

// lines prints requests, a line each, under the numbers that commands mean from now on.
func (d *desk) lines(rows []feed.Item) {
	d.rows = make([]v1alpha1.AgentRequest, len(rows))
	if len(rows) == 0 {
		d.say("Nothing matches.")
	} else {
		d.say("%s.", text.Count(len(rows), "request", "requests"))
	}
	for i, item := range rows {
		r := item.AgentRequest
		d.rows[i] = *r
		left := ""
		if end := limits().Of(r); !end.At.IsZero() {
			left = fmt.Sprintf(", %s in %s", end.What, end.At.Sub(d.Now()).Round(time.Second))
		}
		d.say("%d. %s: %s asks to %s %s, %s ago%s.", i+1, safetext.ID(string(r.Status.Phase)), safetext.ID(r.Spec.AgentIdentity), safetext.ID(r.Spec.Action),
			safetext.ID(r.Spec.Target.URI), d.Now().Sub(r.CreationTimestamp.Time).Round(time.Second), left)
	}
}
