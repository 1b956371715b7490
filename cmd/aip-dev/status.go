package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
)

// How an environment can be.
const (
	phaseReady    = "ready"
	phaseNotReady = "not ready"
	phaseStopped  = "stopped"
	phaseUnknown  = "unknown"
)

// statusTimeout bounds what status waits for; a part that takes longer is not ready.
const statusTimeout = 3 * time.Second

// status is what `aip-dev status` tells of one environment.
type status struct {
	Name    string `json:"name"`
	Cluster string `json:"cluster,omitempty"`
	Phase   string `json:"phase"`
	// Reason says why Phase is not ready.
	Reason     string    `json:"reason,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Gateway    string    `json:"gateway,omitempty"`
	Issuer     string    `json:"issuer,omitempty"`
	Kubeconfig string    `json:"kubeconfig,omitempty"`
	// ToDecide is the number of Pending requests; null when the gateway did not say.
	ToDecide *int                    `json:"toDecide"`
	Clients  []bootstrap.ClientFacts `json:"clients,omitempty"`

	// next is the command that makes it ready.
	next string
}

func newStatus(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how the environment is, where it is, and who is in it",
		Args:  cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().BoolVar(&all, "all", false, "one line for each environment of this user")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if all {
			return a.statusOfAll(c.Context(), *format)
		}
		folder, err := a.folder()
		if err != nil {
			return err
		}
		s, err := a.look(c.Context(), folder)
		if err != nil {
			return err
		}
		show := a.printStatus
		if *format == formatJSON {
			show = func(s status) error { return a.printJSON(s) }
		}
		if err := show(s); err != nil || s.Phase == phaseReady {
			return err
		}
		return failure.New(failure.Failed, []string{s.next}, "environment %s is %s: %s", s.Name, s.Phase, s.Reason)
	}
	return c
}

// look asks every part of an environment how it is. It changes nothing.
func (a *app) look(ctx context.Context, folder state.Folder) (status, error) {
	s := status{Name: folder.Name, Phase: phaseUnknown, next: a.command("up")}
	facts, err := folder.Facts()
	if err != nil {
		return s, err
	}
	s.Cluster, s.Gateway, s.Issuer = facts.Cluster.Kind, facts.Gateway.URL, facts.Identity.IssuerURL
	s.Kubeconfig, s.Clients = facts.Cluster.Kubeconfig, facts.Identity.Clients
	if facts.Cluster.Served() {
		process, alive, err := daemon.Look(folder.Path)
		switch {
		case err != nil:
			return s, err
		case !alive && facts.Cluster.Kind == bootstrap.ClusterExisting:
			s.stopped(a.command("start"), "the process that leads to its cluster does not run")
			return s, nil
		case !alive:
			s.stopped(a.command("start"), "its process does not run")
			return s, nil
		case process.State != daemon.Usable:
			s.Phase, s.Reason = phaseNotReady, "the process is "+process.State
			return s, nil
		}
		s.Since = process.Since
	}
	limited, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	if s.Reason = a.gatewayReason(limited, folder, facts, &s); s.Reason == "" {
		s.Phase = phaseReady
		return s, nil
	}
	s.Phase = phaseNotReady
	if facts.Cluster.Kind == bootstrap.ClusterKind {
		a.lookAtContainers(ctx, &s, a.engine(facts))
	}
	return s, nil
}

// stopped notes why nothing of an environment runs, and the command that starts it.
func (s *status) stopped(start, why string) { s.Phase, s.Reason, s.next = phaseStopped, why, start }

// lookAtContainers replaces the reason of s when it is that the containers of its cluster do not run.
func (a *app) lookAtContainers(ctx context.Context, s *status, engine string) {
	state, err := steps.LookAtContainers(ctx, s.Name, engine)
	switch {
	case err != nil:
		s.Reason, s.next = err.Error(), steps.EngineFix(err)
	case state == steps.ContainersStopped:
		s.stopped(a.command("start"), "its containers do not run")
	case state == steps.ContainersGone:
		s.Reason = "cluster " + steps.KindName(s.Name) + " is gone"
	}
}

// gatewayReason returns why the gateway does not do its work, or "" and the number of requests to decide.
func (a *app) gatewayReason(ctx context.Context, folder state.Folder, facts bootstrap.Facts, s *status) string {
	if facts.Gateway.URL == "" {
		return "it was never completely up"
	}
	open := session.New(session.Options{Facts: facts, Tokens: folder.Tokens(), Now: a.now})
	reader := open.First(bootstrap.RoleReviewer, bootstrap.RoleAdmin)
	if reader == "" || !open.Mints(reader) {
		return readiness(ctx, facts.Gateway.URL)
	}
	err := open.Do(ctx, reader, func(ctx context.Context, g *client.Client) error {
		pending, err := g.List(ctx, client.ListOptions{AllNamespaces: true, Phases: []v1alpha1.Phase{v1alpha1.PhasePending}})
		if err == nil {
			count := len(pending)
			s.ToDecide = &count
		}
		return err
	})
	if err == nil {
		return ""
	}
	if why := readiness(ctx, facts.Gateway.URL); why != "" {
		return why
	}
	return err.Error()
}

// readiness asks the gateway whether it is ready and returns why not.
func readiness(ctx context.Context, url string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "the gateway does not answer"
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	if answer.StatusCode == http.StatusOK {
		return ""
	}
	return "the gateway is not ready (" + answer.Status + ")"
}

func (a *app) statusOfAll(ctx context.Context, format string) error {
	root, err := state.Root(a.getenv)
	if err != nil {
		return err
	}
	names, err := state.List(root)
	if err != nil {
		return err
	}
	found := make([]status, 0, len(names))
	for _, name := range names {
		s, err := a.look(ctx, state.In(root, name))
		if err != nil && !errors.Is(err, state.ErrNotThere) {
			s.Phase, s.Reason = phaseUnknown, err.Error()
		}
		found = append(found, s)
	}
	if format == formatJSON {
		return a.printJSON(found)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, s := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Cluster, s.Phase, s.Gateway, s.Reason)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	if len(found) == 0 {
		b.WriteString("no environments\n")
	}
	return a.print(b.String())
}

func (a *app) printStatus(s status) error {
	var b strings.Builder
	parts := []string{s.Name, s.Cluster, s.Phase}
	if !s.Since.IsZero() {
		parts = append(parts, "up "+a.since(s.Since))
	}
	if s.ToDecide != nil {
		parts = append(parts, fmt.Sprintf("%d to decide", *s.ToDecide))
	}
	fmt.Fprintln(&b, strings.Join(parts, "   "))
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, "  "+strings.Join(cells, "\t")) }
	fmt.Fprintln(&b)
	for _, known := range []struct{ name, before, value string }{{"gateway", "", s.Gateway}, {"issuer", "", s.Issuer}, {"kubectl", "export KUBECONFIG=", s.Kubeconfig}} {
		if known.value != "" { // an environment that was never completely up has not all of them
			row(known.name, known.before+shellescape.Quote(known.value))
		}
	}
	for _, c := range s.Clients {
		row("client", c.ID+" ("+c.Role+")")
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	return a.print(b.String())
}
