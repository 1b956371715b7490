package plain

import (
	"context"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/tui/page/queue"
	"github.com/aip-dev/aip-dev/tui/record"
)

func (d *desk) yaml(ctx context.Context, rest string) { d.written(ctx, rest, "yaml", record.YAML) }
func (d *desk) json(ctx context.Context, rest string) { d.written(ctx, rest, "json", record.JSON) }

// written prints a request in another form.
func (d *desk) written(ctx context.Context, rest, form string, write func(*v1alpha1.AgentRequest) (string, error)) {
	r, _, ok := d.take(rest)
	if !ok {
		return
	}
	if r = d.fresh(ctx, r); r == nil {
		return
	}
	text, err := write(r)
	if err != nil {
		d.failed(form, err)
		return
	}
	for _, l := range safetext.Block(text) {
		d.say("%s", l)
	}
}

// copy prints what the screen would copy.
func (d *desk) copy(_ context.Context, rest string) {
	r, what, ok := d.take(rest)
	if !ok {
		return
	}
	var names []string
	for _, c := range (queue.Options{GatewayURL: d.URL, Identity: d.who.Identity, Command: d.Command}).Copies(r) {
		name, _, _ := strings.Cut(strings.ToLower(c.What), " ")
		if name == what {
			for _, l := range safetext.Block(c.Text()) {
				d.say("%s", l)
			}
			return
		}
		names = append(names, name)
	}
	d.say("Say what of it: %s.", strings.Join(names, ", "))
}

func (d *desk) diff(ctx context.Context, rest string) {
	r, _, ok := d.take(rest)
	if !ok {
		return
	}
	all, err := d.Gateway.List(ctx, client.ListOptions{AllNamespaces: true, Agent: r.Spec.AgentIdentity})
	if err != nil {
		d.failed("list", err)
		return
	}
	var before *v1alpha1.AgentRequest
	for i := range all {
		o := &all[i]
		if o.Spec.AgentIdentity == r.Spec.AgentIdentity && o.CreationTimestamp.Before(&r.CreationTimestamp) &&
			(before == nil || before.CreationTimestamp.Before(&o.CreationTimestamp)) {
			before = o
		}
	}
	if before == nil {
		d.say("This agent asked for nothing before.")
		return
	}
	d.say("Compared with %s:", safetext.ID(before.Name))
	for _, l := range record.ChangeLines(record.Differences(before, r), d.look, lineWidth, 0) {
		d.print(strings.TrimRight(l, " ") + "\n")
	}
}
