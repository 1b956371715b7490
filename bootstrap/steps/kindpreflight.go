package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/check/machine"
)

// kindPreflight looks whether the engine answers and has room. It makes nothing.
type kindPreflight struct {
	shared *containers
	// program is what the gateway's image will be made of, "" when another image is named.
	program string
	// proc is /proc, but for tests.
	proc string
}

func (kindPreflight) Name() string { return "preflight" }

func (p kindPreflight) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	engine, err := p.shared.find(ctx)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if p.program != "" {
		if err := images.Runs(p.program, engine.Info.Architecture); err != nil {
			return bootstrap.Observation{}, err
		}
	}
	_, state, err := p.shared.cluster(ctx, quiet)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if state.Phase != kindcluster.Absent && state.Phase != kindcluster.Unfinished {
		return bootstrap.Observation{State: bootstrap.Ready, Facts: facts, Detail: describe(engine)}, nil // it fits, for it is there
	}
	memory, room := machine.Containers()
	seen, err := ask(ctx, facts, engineMemory(engine, memory), machine.Disk(engine.Info.Root, room), machine.Inotify(p.proc), machine.Cgroup("/sys"))
	if err == nil && seen.State == bootstrap.Ready {
		seen.Detail = describe(engine)
	}
	return seen, err
}

// Apply can only say what is short; the cluster may still fit.
func (p kindPreflight) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	seen, err := p.Observe(ctx, facts)
	if err != nil {
		return facts, err
	}
	if seen.State == bootstrap.Differs {
		report.Warn("%s", seen.Detail)
	}
	if engine, err := p.shared.find(ctx); err == nil {
		report.Note("%s", describe(engine))
	}
	return facts, nil
}

func describe(e *kindcluster.Engine) string {
	return fmt.Sprintf("%s %s, %d CPU, %d GiB", e.Command, e.Info.Version, e.Info.CPUs, e.Info.Memory/machine.Gibibyte)
}

// engineMemory asks for the memory that the engine has, which may be that of a virtual machine, and of a machine that it
// shares with others for what is free.
func engineMemory(e *kindcluster.Engine, l machine.Limits) check.Check {
	free := machine.Memory(l)
	return check.Check{ID: free.ID, Group: free.Group, Question: free.Question, Ask: func(ctx context.Context) check.Answer {
		if e.Info.Memory > 0 && uint64(e.Info.Memory) < l.Need {
			return check.Differ(check.Fix{Command: "give " + e.Command + " more memory, in its settings or those of its virtual machine"},
				fmt.Sprintf("at least %d MiB", l.Need/machine.Mebibyte), fmt.Sprintf("%d MiB", e.Info.Memory/machine.Mebibyte), "memory of %s", e.Command)
		}
		a := free.Ask(ctx)
		if a.Verdict == check.Fail { // what others take may be swapped out; the cluster may still fit
			a.Verdict = check.Warn
		}
		return a
	}}
}

// Engine says which container engine answers, or why none does.
func Engine(ctx context.Context, want string) (string, error) {
	engine, err := kindcluster.Detect(ctx, want)
	if err != nil {
		return "", err
	}
	return describe(engine), nil
}

// What is wrong with a container engine: none answers, or this user may not talk to the one that is there.
var (
	ErrNoEngine         = kindcluster.ErrNoEngine
	ErrEnginePermission = kindcluster.ErrPermission
)

// EngineFix returns the command after which a container engine answers that did not, by the reason why.
func EngineFix(err error) string {
	if errors.Is(err, ErrEnginePermission) {
		return "sudo usermod -aG docker $USER && newgrp docker"
	}
	return "sudo systemctl start docker  # or install docker, podman or nerdctl"
}
