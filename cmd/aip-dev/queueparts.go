package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	corev1 "k8s.io/api/core/v1"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/progress"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/tui/page/agents"
	"github.com/aip-dev/aip-dev/tui/page/environment"
	"github.com/aip-dev/aip-dev/tui/page/policies"
)

// identities are the clients of an environment at the moment, or those that it had at the start, as the queue shows them.
func (a *app) identities(s *session.Session) []agents.Identity {
	facts := s.Facts
	if folder, err := a.folder(); err == nil {
		if now, err := folder.Facts(); err == nil {
			facts = now
		}
	}
	all := make([]agents.Identity, len(facts.Identity.Clients))
	for i, c := range facts.Identity.Clients {
		all[i] = agents.Identity{ID: c.ID, Role: c.Role}
	}
	return all
}

// adminOf returns a client of the gateway with the admin role, which reading policies takes, or nil where the
// environment has none.
func adminOf(s *session.Session) policies.Source {
	id := s.First(bootstrap.RoleAdmin)
	if id == "" || !s.Mints(id) {
		return nil
	}
	g, err := s.Gateway(id)
	if err != nil {
		return nil // the page is not offered then
	}
	return g
}

// environs tells the queue about the environment: whether its parts are well, where they are, what they last wrote,
// and how long the last start took.
func (a *app) environs(s *session.Session) environment.Source {
	return func(ctx context.Context) ([]environment.Item, error) {
		folder, err := a.folder()
		if err != nil {
			return nil, err
		}
		items := a.health(ctx)
		items = append(items, endpoints(s)...)
		for _, name := range []string{"gateway", "issuer", "serve"} {
			if item, ok := a.lastLines(ctx, folder, name); ok {
				items = append(items, item)
			}
		}
		return append(items, timings(folder)...), nil
	}
}

// health asks what doctor asks.
func (a *app) health(ctx context.Context) []environment.Item {
	r, err := a.examine(ctx)
	if err != nil {
		return []environment.Item{{Kind: "health", Name: "doctor", Text: err.Error(), Bad: true, Fix: a.command("doctor")}}
	}
	items := make([]environment.Item, len(r.Checks))
	for i, c := range r.Checks {
		items[i] = environment.Item{Kind: "health", Name: c.ID, Text: cmp.Or(c.Reason, c.Question), Bad: c.Bad(), Fix: c.Fix.Command}
		if c.Expected != "" {
			items[i].Text += ": expected " + c.Expected + ", found " + c.Found
		}
	}
	return items
}

func endpoints(s *session.Session) []environment.Item {
	f := s.Facts
	items := []environment.Item{
		{Kind: "endpoint", Name: "gateway", Text: f.Gateway.URL}, {Kind: "endpoint", Name: "issuer", Text: f.Identity.IssuerURL},
		{Kind: "endpoint", Name: "token", Text: s.TokenURL()},
	}
	return append(items, environment.Item{Kind: "endpoint", Name: "kubeconfig", Text: f.Cluster.Kubeconfig, Whole: "export KUBECONFIG=" + shellescape.Quote(f.Cluster.Kubeconfig)})
}

// logLines is how much of each log is shown.
const logLines = 200

// lastLines returns the end of the log of a part; ok is false when there is none.
func (a *app) lastLines(ctx context.Context, folder state.Folder, name string) (environment.Item, bool) {
	part := components()[name]
	var out bytes.Buffer
	if part.file != "" {
		data, err := os.ReadFile(folder.Log(part.file))
		if errors.Is(err, fs.ErrNotExist) {
			return environment.Item{}, false
		}
		out.Write(data)
	} else {
		reader := *a
		reader.out = &out
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		tail := int64(logLines)
		if err := reader.podLog(ctx, part, &corev1.PodLogOptions{TailLines: &tail}); err != nil {
			return environment.Item{Kind: "log", Name: name, Text: err.Error()}, true
		}
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	lines = lines[max(len(lines)-logLines, 0):]
	return environment.Item{Kind: "log", Name: name, Text: lines[len(lines)-1], Whole: strings.Join(lines, "\n"), Fix: a.command("logs " + name)}, true
}

// timings are the steps of the last start and how long each took.
func timings(folder state.Folder) []environment.Item {
	data, err := os.ReadFile(folder.Log("up"))
	if err != nil {
		return nil // nothing was started from here
	}
	var items []environment.Item
	run := ""
	for _, line := range bytes.Split(data, []byte("\n")) {
		var e progress.Event
		if json.Unmarshal(line, &e) != nil {
			continue // a line that a crash cut off
		}
		if e.Run != run {
			run, items = e.Run, nil
		}
		if (e.Kind == progress.Done || e.Kind == progress.Failed) && e.Step != "" {
			items = append(items, environment.Item{
				Kind: "start", Name: e.Step, Text: strings.TrimSpace(e.Took.Round(10*time.Millisecond).String() + " " + e.Failure),
				Bad: e.Kind == progress.Failed,
			})
		}
	}
	return items
}
