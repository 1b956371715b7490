package steps

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/aip-dev/aip-dev/bootstrap"
)

const (
	mebibyte   = 1 << 20
	needDisk   = 256 * mebibyte
	wantMemory = 600 * mebibyte
)

// preflight looks whether the machine has room. It makes nothing.
type preflight struct{ dir string }

func (preflight) Name() string { return "preflight" }

func (p preflight) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	free, err := disk.UsageWithContext(ctx, p.dir)
	if err != nil {
		return bootstrap.Observation{}, fmt.Errorf("look at the disk of %s: %w", p.dir, err)
	}
	if free.Free < needDisk {
		return bootstrap.Observation{}, fmt.Errorf("%s has %d MiB free, expected at least %d MiB", p.dir, free.Free/mebibyte, needDisk/mebibyte)
	}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return bootstrap.Observation{}, fmt.Errorf("look at the memory: %w", err)
	}
	state, detail := bootstrap.Ready, fmt.Sprintf("%d MiB memory and %d MiB disk free", memory.Available/mebibyte, free.Free/mebibyte)
	if memory.Available < wantMemory {
		state = bootstrap.Differs
	}
	return bootstrap.Observation{State: state, Detail: detail, Facts: facts}, nil
}

// Apply can only say what is short; the cluster may still fit.
func (p preflight) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	seen, err := p.Observe(ctx, facts)
	if err != nil {
		return facts, err
	}
	report.Warn("%s; the environment takes about 400 MiB memory", seen.Detail)
	return facts, nil
}
