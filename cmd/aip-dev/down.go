package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/state/description"
)

func newDown(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the environment and remove everything it keeps",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			folder, err := a.folder()
			if err != nil {
				return err
			}
			if !folder.Exists() {
				return a.print(fmt.Sprintf("environment %s is not there\n", a.name))
			}
			if err := a.halt(c.Context(), folder, halting{"down", bootstrap.Runner.Down, folder.Remove}); err != nil {
				return err
			}
			return a.print(fmt.Sprintf("environment %s is gone\n%s", a.name, a.stays(folder)))
		},
	}
}

// stays says what down leaves, if anything.
func (a *app) stays(folder state.Folder) string {
	if _, err := os.Stat(folder.Journal()); err != nil {
		return ""
	}
	return fmt.Sprintf("your journal of decisions stays: %s, %s\n", a.command("journal"), folder.Journal())
}

func newStop(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "End the environment and keep its state",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			folder, err := a.folder()
			if err != nil {
				return err
			}
			if !folder.Exists() {
				return fmt.Errorf("%w: no state in %s", state.ErrNotThere, folder.Path)
			}
			if err := a.halt(c.Context(), folder, halting{"stop", bootstrap.Runner.Stop, func() error { return nil }}); err != nil {
				return err
			}
			return a.print(fmt.Sprintf("environment %s is stopped; its state is kept\n", a.name))
		},
	}
}

func newStart(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "start",
		Short: "Start an environment that was stopped",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			folder, err := a.folder()
			if err != nil {
				return err
			}
			e, err := description.Read(folder)
			if err != nil {
				return err
			}
			e.Clients = nil // settle knows them
			facts, applied, err := a.bringUp(c.Context(), e, bringing{command: "start"})
			if err != nil {
				return err
			}
			return a.summary(facts, applied)
		},
	}
}

// halting is a way to end an environment.
type halting struct {
	// command names it for people.
	command string
	end     func(bootstrap.Runner, context.Context, bootstrap.Plan, bootstrap.Facts) error
	// after is called when everything has ended.
	after func() error
}

// halt ends what runs, while no other command can change the environment.
func (a *app) halt(ctx context.Context, folder state.Folder, how halting) error {
	unlock, err := folder.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	facts, err := folder.Facts()
	if err != nil && !errors.Is(err, state.ErrNotThere) && !errors.Is(err, state.ErrDamaged) && !errors.Is(err, state.ErrNewer) {
		return err
	}
	e, err := description.Read(folder)
	if err != nil {
		e = bootstrap.Default() // what cannot be read says no more than the facts do
	}
	e.Name, facts.Name = folder.Name, folder.Name
	if facts.Cluster.Kind == "" && err == nil && e.Cluster == bootstrap.ClusterExisting {
		facts.Cluster.Kind = bootstrap.ClusterExisting
	}
	place := placeOf(facts)
	if place == bootstrap.ClusterExisting {
		if err := a.renew(e, folder, facts); err != nil {
			return err
		}
	}
	plan, err := a.plan(e, place, folder, 0)
	if err != nil {
		return err
	}
	show, err := a.newDisplay(folder, fmt.Sprintf("aip-dev %s  ·  environment %s", how.command, a.name))
	if err != nil {
		return err
	}
	defer show.Close()
	runner := bootstrap.Runner{Run: strconv.FormatInt(a.now().UnixMilli(), 36), Sink: show, Save: folder.Save, Now: a.now}
	if err := how.end(runner, ctx, plan, facts); err != nil {
		return a.notEnded(err, place, folder, how)
	}
	return how.after()
}

// renew brings the credentials for a cluster of others up to date.
func (a *app) renew(e bootstrap.Environment, folder state.Folder, facts bootstrap.Facts) error {
	deps, err := a.deps(e, bootstrap.ClusterExisting, folder, 0)
	if err != nil {
		return err
	}
	return steps.Renew(e, deps, facts)
}

// notEnded says what to do about an environment in a cluster of others that could not be ended.
func (a *app) notEnded(err error, place string, folder state.Folder, how halting) error {
	if place != bootstrap.ClusterExisting || errors.Is(err, context.Canceled) {
		return err
	}
	return failure.Wrap(err, failure.Failed, []string{
		a.command(how.command) + "  # goes on from here, once the cluster answers",
		a.command("stop") + " && rm -r " + folder.Path + "  # forgets the environment, when its cluster is gone for good",
	}, "")
}
