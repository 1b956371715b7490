package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
)

// Output formats of commands that print results.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatName  = "name"
)

// app is what every command shares: where it reads and writes, its surroundings, and the flags of the root.
type app struct {
	in          io.Reader
	out, errOut io.Writer
	getenv      func(string) string
	now         func() time.Time

	name string
}

// folder returns the state folder of the environment that the flags name.
func (a *app) folder() (state.Folder, error) {
	if err := bootstrap.ValidateName(a.name); err != nil {
		return state.Folder{}, failure.Wrap(err, failure.Usage, []string{"aip-dev up --name my-env"}, "--name")
	}
	root, err := state.Root(a.getenv)
	if err != nil {
		return state.Folder{}, err
	}
	return state.In(root, a.name), nil
}

// open returns the environment that the flags name. It must have been up, and what serves it must run; whether its parts
// answer, the first call tells.
func (a *app) open(ctx context.Context) (*session.Session, error) {
	folder, err := a.folder()
	if err != nil {
		return nil, err
	}
	facts, err := folder.Facts()
	if err != nil {
		return nil, err
	}
	if facts.Gateway.URL == "" {
		return nil, failure.New(failure.Failed, []string{a.command("up")},
			"environment %s was never completely up", a.name)
	}
	s := session.New(session.Options{Facts: facts, Tokens: folder.Tokens(), Now: a.now})
	switch {
	case facts.Cluster.Served():
		err = a.mustLive(folder)
	case facts.Cluster.Kind == bootstrap.ClusterKind:
		err = a.containersMustRun(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// mustLive returns an error when the process that serves an environment does not live.
func (a *app) mustLive(folder state.Folder) error {
	process, alive, err := daemon.Look(folder.Path)
	if err != nil {
		return err
	}
	if !alive || process.State == daemon.Stopping {
		return a.stopped()
	}
	return nil
}

// containersMustRun returns an error when the containers that serve an environment do not run. Their engine keeps the port of
// the API server open as long as they do, and nobody else was given it; so an open port is answer enough, and most commands
// need not wait for the engine.
func (a *app) containersMustRun(ctx context.Context, s *session.Session) error {
	if config, err := s.Kube(); err == nil && answers(ctx, config.Host) {
		return nil
	}
	found, err := steps.LookAtContainers(ctx, a.name, a.engine(s.Facts))
	switch {
	case err != nil:
		return fmt.Errorf("environment %s: %w", a.name, err)
	case found == steps.ContainersStopped:
		return a.stopped()
	case found == steps.ContainersGone:
		return failure.New(failure.Failed, []string{a.command("up")}, "cluster %s of environment %s is gone", steps.KindName(a.name), a.name)
	default:
		return nil
	}
}

// answers reports whether a port of this machine that a URL names is open.
func answers(ctx context.Context, address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was sent
	return true
}

// stopped is the error of commands that need an environment that runs.
func (a *app) stopped() error {
	return failure.New(failure.Failed, []string{a.command("start")}, "environment %s is stopped", a.name)
}

// command returns a command line of this program for the environment that the flags name.
func (a *app) command(line string) string {
	if a.name == bootstrap.DefaultName {
		return "aip-dev " + line
	}
	return "aip-dev " + line + " --name " + a.name
}

// printJSON writes v as indented JSON.
func (a *app) printJSON(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	return a.print(string(data) + "\n")
}

// print writes text to the standard output.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.out, text); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// outputFlag adds -o to a command and checks its value before the command runs.
func outputFlag(c *cobra.Command, formats ...string) *string {
	format := formats[0]
	c.Flags().VarP(&choice{&format, formats}, "output", "o", "format of the result")
	return &format
}

// choice is a flag with a fixed set of values.
type choice struct {
	value   *string
	choices []string
}

func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

// Type lists the choices in the help text.
func (c *choice) Type() string {
	text := ""
	for i, each := range c.choices {
		if i > 0 {
			text += "|"
		}
		text += each
	}
	return text
}

// Set refuses what is not a choice.
func (c *choice) Set(value string) error {
	for _, each := range c.choices {
		if value == each {
			*c.value = value
			return nil
		}
	}
	return fmt.Errorf("found %q, expected %s", value, c.Type())
}

// isTerminal reports whether stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(file.Fd())
}
