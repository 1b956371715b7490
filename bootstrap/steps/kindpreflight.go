package steps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
)

// What a kind cluster with Keycloak and the gateway takes, as measured: 0.6 GiB for Kubernetes, 0.9 for Keycloak.
const (
	gibibyte       = 1 << 30
	needKindMemory = 2 * gibibyte
	wantKindMemory = 3 * gibibyte
	needKindDisk   = 4 * gibibyte
)

// inotifyLimits are the kernel's limits below which kubelet and containerd fail to watch files.
// Source: https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files
func inotifyLimits() map[string]int {
	return map[string]int{"max_user_instances": 128, "max_user_watches": 16384}
}

// RoomError says that the machine lacks something that a cluster in containers needs.
type RoomError struct {
	What            string
	Found, Expected string
	// Fix is a command that may help, "" when there is none.
	Fix string
}

// Error says what was found and what was expected.
func (e *RoomError) Error() string {
	return fmt.Sprintf("%s: found %s, expected at least %s", e.What, e.Found, e.Expected)
}

// kindPreflight looks whether the engine answers and has room. It makes nothing.
type kindPreflight struct {
	shared *containers
	// proc is /proc, but for tests.
	proc string
}

func (kindPreflight) Name() string { return "preflight" }

func (p kindPreflight) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	engine, state, err := p.look(ctx)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	seen := bootstrap.Observation{State: bootstrap.Ready, Facts: facts, Detail: describe(engine)}
	if state.Phase != kindcluster.Absent && state.Phase != kindcluster.Unfinished {
		return seen, nil // it fits, for it is there
	}
	if err := errors.Join(p.memory(ctx, engine), p.room(ctx, engine), p.inotify()); err != nil {
		return bootstrap.Observation{}, err
	}
	if free := available(ctx, engine); free > 0 && free < wantKindMemory {
		seen.State, seen.Detail = bootstrap.Differs, fmt.Sprintf("%d MiB memory free; the environment takes about 2 GiB", free/mebibyte)
	}
	return seen, nil
}

// Apply can only say what is short; the cluster may still fit.
func (p kindPreflight) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	seen, err := p.Observe(ctx, facts)
	if err != nil {
		return facts, err
	}
	report.Warn("%s", seen.Detail)
	return facts, nil
}

func (p kindPreflight) look(ctx context.Context) (*kindcluster.Engine, kindcluster.State, error) {
	engine, err := p.shared.find(ctx)
	if err != nil {
		return nil, kindcluster.State{}, err
	}
	_, state, err := p.shared.cluster(ctx, quiet)
	return engine, state, err
}

func describe(e *kindcluster.Engine) string {
	return fmt.Sprintf("%s %s, %d CPU, %d GiB", e.Command, e.Info.Version, e.Info.CPUs, e.Info.Memory/gibibyte)
}

func (kindPreflight) memory(_ context.Context, e *kindcluster.Engine) error {
	if e.Info.Memory == 0 || e.Info.Memory >= needKindMemory {
		return nil
	}
	return &RoomError{What: "memory of " + e.Command, Found: fmt.Sprintf("%d MiB", e.Info.Memory/mebibyte), Expected: fmt.Sprintf("%d MiB", needKindMemory/mebibyte)}
}

// room looks at the disk of the engine, when its folder can be seen from here.
func (kindPreflight) room(ctx context.Context, e *kindcluster.Engine) error {
	usage, err := disk.UsageWithContext(ctx, e.Info.Root)
	if err != nil || usage.Free >= needKindDisk {
		return nil //nolint:nilerr // it is on another machine, or hidden from this user
	}
	return &RoomError{
		What: "disk below " + e.Info.Root, Found: fmt.Sprintf("%d MiB free", usage.Free/mebibyte),
		Expected: fmt.Sprintf("%d MiB", needKindDisk/mebibyte), Fix: e.Command + " system prune",
	}
}

// inotify looks at the kernel's limits; where they cannot be seen, the engine is elsewhere.
func (p kindPreflight) inotify() error {
	var faults []error
	for name, want := range inotifyLimits() {
		data, err := os.ReadFile(p.proc + "/sys/fs/inotify/" + name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at inotify: %w", err)
		}
		if found, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && found < want {
			faults = append(faults, &RoomError{
				What: "fs.inotify." + name, Found: strconv.Itoa(found), Expected: strconv.Itoa(want),
				Fix: fmt.Sprintf("sudo sysctl fs.inotify.%s=%d", name, 4*want), //nolint:mnd // room for other programs
			})
		}
	}
	return errors.Join(faults...)
}

// available is the free memory in bytes, 0 when the engine has another machine's memory.
func available(ctx context.Context, e *kindcluster.Engine) uint64 {
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil || e.Info.Memory > int64(memory.Total) || e.Info.Memory < int64(memory.Total)/2 { //nolint:gosec // fits
		return 0
	}
	return memory.Available
}
