// Package agents is the page of the identities: who may ask and who may decide, and what each asked for so far.
package agents

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/tui/filter"
	"github.com/aip-dev/aip-dev/tui/page"
	"github.com/aip-dev/aip-dev/tui/page/browse"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Identity is a client that the environment knows.
type Identity struct {
	// ID is what its tokens say in the identity claim, Role what the gateway lets it do.
	ID, Role string
}

// Source has the requests. *client.Client satisfies it.
type Source interface {
	List(ctx context.Context, o client.ListOptions) ([]v1alpha1.AgentRequest, error)
}

// Options are what the page is made of.
type Options struct {
	Look   theme.Theme
	Source Source
	// Known returns the identities of the environment, nil when it has none; agents that only requests tell of are added.
	Known func() []Identity
	Do    page.Do
	Zone  *time.Location
	// Changes says that identities can be added and removed from here, by the commands of the program.
	Changes bool
	// Command writes a command of this program as people type it for this environment.
	Command  func(line string) string
	ReadOnly bool
}

const every = 10 * time.Second

// New returns the page.
func New(o Options) *browse.Page {
	return browse.New(browse.Options{
		Title: "Agents and reviewers", Look: o.Look, Do: o.Do, Every: every, Empty: "nobody yet: " + o.Command("agent add NAME"), Actions: o.actions(),
		Columns: []browse.Column{{Title: "IDENTITY", Width: 26}, {Title: "ROLE", Width: 10}, {Title: "WAIT", Width: 5}, {Title: "ALL"}},
		Load: func(ctx context.Context) ([]browse.Row, error) {
			requests, err := o.Source.List(ctx, client.ListOptions{AllNamespaces: true})
			if err != nil {
				return nil, fmt.Errorf("read the requests: %w", err)
			}
			var known []Identity
			if o.Known != nil {
				known = o.Known()
			}
			return rows(requests, known, o.Zone), nil
		},
	})
}

// tally is what one identity did.
type tally struct {
	Identity
	waits, all int
	phases     map[v1alpha1.Phase]int
	last       *v1alpha1.AgentRequest
	decided    int
}

func rows(requests []v1alpha1.AgentRequest, known []Identity, zone *time.Location) []browse.Row {
	all := map[string]*tally{}
	get := func(id, role string) *tally {
		if all[id] == nil {
			all[id] = &tally{Identity: Identity{ID: id, Role: role}, phases: map[v1alpha1.Phase]int{}}
		}
		return all[id]
	}
	for _, k := range known {
		get(k.ID, k.Role)
	}
	for i := range requests {
		r := &requests[i]
		t := get(r.Spec.AgentIdentity, "unknown")
		t.all++
		t.phases[r.Status.Phase]++
		if filter.Waits(r) {
			t.waits++
		}
		if t.last == nil || t.last.CreationTimestamp.Before(&r.CreationTimestamp) {
			t.last = r
		}
		if h := r.Spec.HumanApproval; h != nil && h.ApprovedBy != "" {
			get(h.ApprovedBy, "unknown").decided++
		}
	}
	names := make([]string, 0, len(all))
	for id := range all {
		names = append(names, id)
	}
	slices.Sort(names)
	out := make([]browse.Row, len(names))
	for i, id := range names {
		out[i] = all[id].row(zone)
	}
	return out
}

func (t *tally) row(zone *time.Location) browse.Row {
	detail := []browse.Line{{Title: t.ID}, {Name: "role", Value: t.Role}, {Name: "asked for", Value: fmt.Sprint(t.all)}, {Name: "decided", Value: fmt.Sprint(t.decided)}}
	phases := make([]string, 0, len(t.phases))
	for p := range t.phases {
		phases = append(phases, string(p))
	}
	slices.Sort(phases)
	for i, p := range phases {
		if i == 0 {
			detail = append(detail, browse.Line{Title: "REQUESTS BY PHASE"})
		}
		detail = append(detail, browse.Line{Name: p, Value: fmt.Sprint(t.phases[v1alpha1.Phase(p)])})
	}
	if t.last != nil {
		detail = append(detail, browse.Line{Title: "LAST REQUEST"},
			browse.Line{Name: "name", Value: t.last.Namespace + "/" + t.last.Name},
			browse.Line{Name: "created", Value: t.last.CreationTimestamp.In(zone).Format("2006-01-02 15:04:05 MST")},
			browse.Line{Name: "action", Value: t.last.Spec.Action}, browse.Line{Name: "target", Value: t.last.Spec.Target.URI},
			browse.Line{Name: "reason", Value: t.last.Spec.Reason})
	}
	return browse.Row{ID: t.ID, Detail: detail, Cells: []string{t.ID, t.Role, fmt.Sprint(t.waits), fmt.Sprint(t.all)}}
}
