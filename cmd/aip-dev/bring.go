package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/state/description"
	"github.com/aip-dev/aip-dev/internal/token"
)

// defaultDescription is the description of an environment that `up` reads when no other is named.
const defaultDescription = "aip-dev.yaml"

// bringing is how an environment is brought up, or changed while it is.
type bringing struct {
	// command names it for people; again is what to type after a failure, "up" when empty.
	command, again string
	// stays says what became of the environment when a step fails; empty means that nothing was removed.
	stays string
	// limit is how long a part may take to become ready; 0 means the default of the place.
	limit time.Duration
	// bundle is where the images come from; nil means the engine and the registries.
	bundle *images.Bundle
	// yes agrees to what would be made in a cluster of others.
	yes bool
	// settle returns what the environment is to be, from what was asked for and what was asked for last, if anything.
	// It is called while no other command can change that. Nil means app.settle.
	settle func(asked bootstrap.Environment, last *bootstrap.Environment) (bootstrap.Environment, error)
	// plan returns the steps. Nil means all steps of the place.
	plan func(e bootstrap.Environment, d steps.Deps, facts bootstrap.Facts) bootstrap.Plan
}

// settle keeps the clients of an environment that its description does not mention: all when it lists none, else
// those that `agent add` made.
func (a *app) settle(e bootstrap.Environment, last *bootstrap.Environment) (bootstrap.Environment, error) {
	switch {
	case e.Clients == nil && last == nil:
		e.Clients = usualClients(e)
	case e.Clients == nil:
		e.Clients = last.Clients
	case last != nil:
		listed := len(e.Clients)
		e = e.KeepAdded(*last)
		for _, c := range e.Clients[listed:] {
			if _, err := fmt.Fprintf(a.errOut, "%s was added by `aip-dev agent add` and is not in the description: it stays; %s takes it away\n",
				c.ID, a.command("agent remove "+c.ID)); err != nil {
				return e, fmt.Errorf("write to the standard error: %w", err)
			}
		}
	}
	return e, nil
}

// usualClients are those of an environment when nobody said which.
func usualClients(e bootstrap.Environment) []bootstrap.Client {
	if e.Cluster != bootstrap.ClusterExisting {
		return bootstrap.Default().Clients
	}
	if e.External() {
		return nil // a provider of others does not know those of the guide
	}
	clients := slices.Clone(bootstrap.Default().Clients)
	for i := range clients {
		clients[i].Secret = "" // well-known secrets are for clusters that nobody else reaches
	}
	return clients
}

// bringUp runs the plan of e and returns the facts, and how many steps had something to do.
func (a *app) bringUp(ctx context.Context, e bootstrap.Environment, how bringing) (bootstrap.Facts, int, error) {
	folder, err := a.folder()
	if err != nil {
		return bootstrap.Facts{}, 0, err
	}
	kind, why, err := a.place(ctx, e, folder)
	if err != nil {
		return bootstrap.Facts{}, 0, err
	}
	if err := folder.Make(); err != nil {
		return bootstrap.Facts{}, 0, err
	}
	unlock, err := folder.Lock()
	if err != nil {
		return bootstrap.Facts{}, 0, err
	}
	defer unlock()
	facts, err := a.known(folder)
	if err != nil {
		return facts, 0, err
	}
	e, last, err := a.settled(e, folder, how)
	if err != nil {
		return facts, 0, err
	}
	deps, err := a.deps(e, kind, folder, how.limit)
	if err != nil {
		return facts, 0, err
	}
	deps.Bundle = how.bundle
	plan := planOf(kind)(e, deps)
	if how.plan != nil {
		plan = how.plan(e, deps, facts)
	} else {
		facts.Cluster.Kind, facts.Cluster.Why = kind, why
		if err := a.agree(ctx, e, folder, facts, how); err != nil {
			return facts, 0, err
		}
	}
	if err := description.Save(folder, e); err != nil {
		return facts, 0, err
	}
	show, err := a.newDisplay(folder, fmt.Sprintf("aip-dev %s  ·  environment %s  ·  %s (%s)", how.command, e.Name, kind, why))
	if err != nil {
		return facts, 0, err
	}
	defer show.Close()
	runner := bootstrap.Runner{Run: strconv.FormatInt(a.now().UnixMilli(), 36), Sink: show, Save: folder.Save, Now: a.now}
	facts, applied, err := runner.Up(ctx, plan, facts)
	if err != nil {
		show.Close()
		return facts, applied, errors.Join(a.upFailed(steps.Bereft(err, kind, folder.Path), how, applied > 0), keepDescription(err, last, folder))
	}
	if applied > 0 { // tokens of before may be of another key, or of a client as it was
		err = dropTokens(folder)
	}
	return facts, applied, err
}

// keepDescription puts the description of the last run back when the environment refused a change: it is still as it was.
func keepDescription(err error, last *bootstrap.Environment, folder state.Folder) error {
	var port *steps.PortError
	var fixed *steps.RecreateError
	if last == nil || !errors.As(err, &port) && !errors.As(err, &fixed) {
		return nil
	}
	return description.Save(folder, *last)
}

// settled returns what the environment is to be, and what was asked for last, nil when nothing was.
func (a *app) settled(asked bootstrap.Environment, folder state.Folder, how bringing) (e bootstrap.Environment, last *bootstrap.Environment, err error) {
	if last, err = lastDescription(folder); err != nil {
		return asked, nil, err
	}
	settle := how.settle
	if settle == nil {
		settle = a.settle
	}
	e, err = settle(asked, last)
	return e, last, err
}

// lastDescription returns what was asked for last, nil when nothing was.
func lastDescription(folder state.Folder) (*bootstrap.Environment, error) {
	switch e, err := description.Read(folder); {
	case err == nil:
		return &e, nil
	case errors.Is(err, state.ErrNotThere), errors.Is(err, state.ErrDamaged):
		return nil, nil //nolint:nilnil // nothing was asked for, and that is no failure
	default:
		return nil, err
	}
}

// upFailed adds to a step's failure what became of the environment, and how to go on.
func (a *app) upFailed(err error, how bringing, changed bool) error {
	again := a.command("up") + "  # goes on from here"
	if how.again != "" {
		again = a.command(how.again) + "  # goes on from here"
	}
	if errors.Is(err, context.Canceled) {
		return failure.Wrap(err, failure.Interrupted, []string{again}, "interrupted")
	}
	var step *bootstrap.StepError
	if !errors.As(err, &step) {
		return err
	}
	told := a.explain(step.Err)
	next := failure.Next(told)
	switch {
	case how.again != "":
		next = append([]string{again}, next...)
	case len(next) == 0:
		next = []string{again, a.command("status")}
	}
	stays := how.stays
	switch {
	case stays != "":
	case !changed:
		stays = "Nothing was changed"
	default:
		stays = "What was made so far stays; nothing was removed"
	}
	return failure.Wrap(err, failure.CodeOf(told), next, "%v\n%s", step, stays)
}

// containerLimit is how long a part may take to become ready where its image may have to be pulled.
const containerLimit = 5 * time.Minute

// planOf returns what makes the whole plan of a place.
func planOf(kind string) func(bootstrap.Environment, steps.Deps) bootstrap.Plan {
	switch kind {
	case bootstrap.ClusterKind:
		return steps.InContainers
	case bootstrap.ClusterExisting:
		return steps.InExisting
	default:
		return steps.Embedded
	}
}

// plan returns the steps that bring e about in a place.
func (a *app) plan(e bootstrap.Environment, kind string, folder state.Folder, limit time.Duration) (bootstrap.Plan, error) {
	deps, err := a.deps(e, kind, folder, limit)
	if err != nil {
		return nil, err
	}
	return planOf(kind)(e, deps), nil
}

// once is a client with a connection of its own for each call: one that was kept would lead to the pod of before a rollout or
// a restart.
func once() *http.Client { return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }

// deps returns what the steps cannot do by themselves.
func (a *app) deps(e bootstrap.Environment, kind string, folder state.Folder, limit time.Duration) (steps.Deps, error) {
	program, err := os.Executable()
	if err != nil {
		return steps.Deps{}, fmt.Errorf("find this program: %w", err)
	}
	reserved, err := a.reserved(folder)
	if err != nil {
		return steps.Deps{}, err
	}
	if kind != bootstrap.ClusterEmbedded && limit == 0 {
		limit = containerLimit
	}
	return steps.Deps{
		Engine: a.engineOf(folder), Kubeconfigs: a.kubeconfigs(), RolloutLimit: limit,
		Dir: folder.Path, Reserved: reserved, Program: program, Now: a.now,
		ServeArgs: func(p steps.Ports) []string {
			return serveOptions{state: folder.Path, name: e.Name, ports: p}.arguments()
		},
		ForwardArgs: func(p steps.Ports, of string) []string { return forwardArguments(folder.Path, of, p) },
		Prove:       a.prove, Unreachable: client.ErrUnavailable, Unminted: token.ErrRefused,
		Reach: func(ctx context.Context, facts bootstrap.Facts) error {
			if why := readiness(ctx, facts.Gateway.URL); why != "" {
				return fmt.Errorf("%w: %s: %s", client.ErrUnavailable, facts.Gateway.URL, why)
			}
			return nil
		},
		Whoami: func(ctx context.Context, facts bootstrap.Facts, id string) (string, error) {
			return whoami(ctx, session.New(session.Options{Facts: facts, Now: a.now, HTTP: once()}), id)
		},
	}, nil
}
