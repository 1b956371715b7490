package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/state"
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
			return a.print(fmt.Sprintf("environment %s is gone\n", a.name))
		},
	}
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
			e, err := folder.Description()
			if err != nil {
				return err
			}
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
	e := bootstrap.Default()
	e.Name = folder.Name
	plan, err := a.plan(e, placeOf(facts), folder, bringing{command: how.command})
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
		return err
	}
	return how.after()
}
