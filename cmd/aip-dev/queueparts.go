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
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/progress"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/tui/page/agents"
	"github.com/aip-dev/aip-dev/tui/page/environment"
	"github.com/aip-dev/aip-dev/tui/page/policies"
	"github.com/aip-dev/aip-dev/tui/part/text"
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
		return append(items, timings(folder, s.Facts.Timing)...), nil
	}
}

// health asks what doctor asks.
func (a *app) health(ctx context.Context) []environment.Item {
	r, err := a.examine(ctx)
	if err != nil {
		return []environment.Item{{Kind: "health", Name: "doctor", Text: err.Error(), Verdict: check.Fail, Fix: a.command("doctor")}}
	}
	items := []environment.Item{a.healthLine(r)}
	for _, c := range r.Checks {
		item := environment.Item{Kind: "health", Name: c.ID, Text: cmp.Or(c.Reason, c.Question), Verdict: c.Verdict, Fix: c.Fix.Command}
		if c.Expected != "" {
			item.Text += ": expected " + c.Expected + ", found " + c.Found
		}
		items = append(items, item)
	}
	return items
}

// healthLine says in one line how everything is.
func (a *app) healthLine(r check.Report) environment.Item {
	item := environment.Item{Kind: "health", Name: "all", Verdict: check.Pass}
	var words []string
	for _, n := range []struct {
		count  int
		is, as string
	}{{r.Counts.Fail, "fails", "fail"}, {r.Counts.Warn, "warns", "warn"}, {r.Counts.Pass, "is well", "are well"}, {r.Counts.Skip, "was not asked", "were not asked"}} {
		if n.count > 0 {
			words = append(words, text.Count(n.count, n.is, n.as))
		}
	}
	item.Text = strings.Join(words, ", ")
	if w := r.Worst; w != nil {
		item.Verdict, item.Fix = check.Fail, cmp.Or(w.Fix.Command, a.command("doctor"))
		item.Text = w.ID + ": " + cmp.Or(w.Reason, w.Question) + "; " + item.Text
	}
	return item
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

// timings are the steps of the last start and how long each took, with the last that went to its end.
func timings(folder state.Folder, last bootstrap.TimingFacts) []environment.Item {
	data, err := os.ReadFile(folder.Log("up"))
	if err != nil {
		return nil // nothing was started from here
	}
	var items []environment.Item
	if last.Total > 0 {
		items = append(items, environment.Item{
			Kind: "start", Name: "all", Text: last.Total.Round(10*time.Millisecond).String() + ", waited for " + strings.Join(last.Critical, ", "),
		})
	}
	whole, run := len(items), ""
	for _, line := range bytes.Split(data, []byte("\n")) {
		var e progress.Event
		if json.Unmarshal(line, &e) != nil {
			continue // a line that a crash cut off
		}
		if e.Run != run {
			run, items = e.Run, items[:whole]
		}
		if (e.Kind == progress.Done || e.Kind == progress.Failed) && e.Step != "" {
			item := environment.Item{Kind: "start", Name: e.Step, Text: strings.TrimSpace(e.Took.Round(10*time.Millisecond).String() + " " + e.Failure)}
			if e.Kind == progress.Failed {
				item.Verdict = check.Fail
			}
			items = append(items, item)
		}
	}
	return items
}
