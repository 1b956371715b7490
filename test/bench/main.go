// Command bench measures the built binary as a person meets it: whole processes, a real environment, the real API. It
// prints each figure with its limit and as a ratio to a fixed piece of work done in the same run, because machines
// are noisy. `make bench` runs it.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

func main() {
	runs := flag.Int("runs", 5, "how often each command is run")
	enforce := flag.Bool("enforce", false, "exit with 1 when a figure is over its limit")
	program := flag.String("program", "bin/aip-dev", "the built binary")
	only := flag.String("only", "", "load measures decisions under load alone, stored what much that is stored costs, arrivals how fast the review queue shows a request, queue the review queue of 20,000, for which no environment is needed; empty measures all")
	flag.Parse()
	path, err := filepath.Abs(*program)
	if err == nil {
		err = run(context.Background(), path, *runs, *enforce, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// figure is one measured quantity, in seconds or in bytes.
type figure struct {
	name   string
	values []float64
	limit  float64
	bytes  bool
}

func (f figure) median() float64 {
	sorted := slices.Sorted(slices.Values(f.values))
	return sorted[len(sorted)/2]
}

func (f figure) text(v float64) string {
	if f.bytes {
		return fmt.Sprintf("%.0f MiB", v/(1<<20))
	}
	return fmt.Sprintf("%.3f s", v)
}

// bench is an environment of its own, in a state folder of its own.
type bench struct {
	program, state string
	gateway        string
	// client keeps a connection for each agent of a load.
	client  http.Client
	ports   []string
	figures []figure
	// next numbers the submissions, so that each is about a target of its own.
	next atomic.Int64
}

func run(ctx context.Context, program string, runs int, enforce bool, only string) (err error) {
	dir, err := os.MkdirTemp("", "aip-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{program: program, state: dir, client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: agentsAtOnce}}}
	unit := calibrate()
	if only == "queue" {
		if err := b.queue(ctx, runs); err != nil {
			return err
		}
		return b.report(unit, enforce)
	}
	if err := b.choosePorts(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.aip(context.WithoutCancel(ctx), "down")) }()
	measures := []func(context.Context, int) error{b.lifecycle, b.memory, b.decisions, b.load, b.arrivals, b.agents, b.commands, b.faults, b.stored, b.queue}
	if alone, ok := map[string]func(context.Context, int) error{"load": b.load, "stored": b.stored, "arrivals": b.arrivals}[only]; ok {
		measures = []func(context.Context, int) error{func(ctx context.Context, _ int) error { return b.aip(ctx, b.up()...) }, alone}
	}
	for _, measure := range measures {
		if err := measure(ctx, runs); err != nil {
			return err
		}
	}
	return b.report(unit, enforce)
}

// calibrate returns the seconds that a fixed piece of work takes on this machine right now: the best of five rounds of
// hashing 64 MiB.
func calibrate() float64 {
	block := make([]byte, 64<<20)
	best := time.Hour
	for range 5 {
		start := time.Now()
		sha256.Sum256(block)
		best = min(best, time.Since(start))
	}
	return best.Seconds()
}

func (b *bench) choosePorts(ctx context.Context) error {
	var held []net.Listener
	for _, flag := range []string{"--gateway-port", "--issuer-port"} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		held = append(held, l)
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return err
		}
		b.ports = append(b.ports, flag, port)
	}
	b.gateway = "http://localhost:" + b.ports[1]
	for _, l := range held {
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.program, args...)
	c.Env = append(os.Environ(), "XDG_STATE_HOME="+b.state)
	return c
}

// aip runs the binary and returns what it said when it failed.
func (b *bench) aip(ctx context.Context, args ...string) error {
	out, err := b.command(ctx, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("aip-dev %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (b *bench) up() []string {
	return append([]string{"up", "--cluster", "embedded", "--tui=never"}, b.ports...)
}

// timed runs the binary and adds its duration to a figure.
func (b *bench) timed(ctx context.Context, f *figure, args ...string) error {
	start := time.Now()
	if err := b.aip(ctx, args...); err != nil {
		return err
	}
	f.values = append(f.values, time.Since(start).Seconds())
	return nil
}

// lifecycle measures up from nothing, with state, and with nothing to do, and down.
func (b *bench) lifecycle(ctx context.Context, runs int) error {
	nothing, state := figure{name: "up from nothing", limit: 5}, figure{name: "up with state", limit: 3.5}
	ready, down := figure{name: "up with nothing to do", limit: 1.5}, figure{name: "down", limit: 3}
	for range runs {
		for _, step := range []struct {
			to   *figure
			args []string
		}{{&nothing, b.up()}, {&ready, b.up()}, {nil, []string{"stop"}}, {&state, b.up()}, {&down, []string{"down"}}} {
			to := step.to
			if to == nil {
				to = &figure{}
			}
			if err := b.timed(ctx, to, step.args...); err != nil {
				return err
			}
		}
	}
	b.figures = append(b.figures, nothing, state, ready, down)
	return b.aip(ctx, b.up()...)
}

// memory measures the resident memory of the serving process after it has been idle.
func (b *bench) memory(ctx context.Context, _ int) error {
	const idle = 10 * time.Second
	time.Sleep(idle)
	data, err := os.ReadFile(filepath.Join(b.state, "aip-dev", "aip", "serve.json"))
	if err != nil {
		return err
	}
	var served struct {
		PID int32 `json:"pid"`
	}
	if err := json.Unmarshal(data, &served); err != nil {
		return err
	}
	p, err := process.NewProcessWithContext(ctx, served.PID)
	if err != nil {
		return err
	}
	memory, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return err
	}
	before, err := p.TimesWithContext(ctx)
	if err != nil {
		return err
	}
	time.Sleep(idle)
	after, err := p.TimesWithContext(ctx)
	if err != nil {
		return err
	}
	spent := after.User + after.System - before.User - before.System
	b.figures = append(b.figures,
		figure{name: "memory, idle", values: []float64{float64(memory.RSS)}, limit: 400 << 20, bytes: true},
		figure{name: "processor, idle, per second", values: []float64{spent / idle.Seconds()}, limit: 0.05})
	return nil
}

// commands measures the light commands as whole processes.
func (b *bench) commands(ctx context.Context, runs int) error {
	for _, c := range []struct {
		args  []string
		limit float64
	}{
		{[]string{"--help"}, 0.2}, {[]string{"status"}, 0.2}, {[]string{"token", "aip-agent-1"}, 0.05}, {[]string{"token", "aip-agent-1", "--fresh"}, 0.3},
		{[]string{"token", "why", "aip-agent-1"}, 0.5}, {[]string{"doctor"}, 2},
	} {
		f := figure{name: "aip-dev " + strings.Join(c.args, " "), limit: c.limit}
		for range runs * 4 {
			if err := b.timed(ctx, &f, c.args...); err != nil {
				return err
			}
		}
		b.figures = append(b.figures, f)
	}
	return nil
}

// faults measures how long doctor takes to name one: an environment that does not run. The test of each fault is a script.
func (b *bench) faults(ctx context.Context, runs int) error {
	if err := b.aip(ctx, "stop"); err != nil {
		return err
	}
	f := figure{name: "doctor names a fault", limit: 5}
	for range runs {
		start := time.Now()
		out, err := b.command(ctx, "doctor").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "error: process: ") {
			return fmt.Errorf("doctor does not name what is stopped: %w\n%s", err, out)
		}
		f.values = append(f.values, time.Since(start).Seconds())
	}
	b.figures = append(b.figures, f)
	return b.aip(ctx, "start")
}

// agents measures one more agent: let in and taken away, each with the rollout of the gateway.
func (b *bench) agents(ctx context.Context, runs int) error {
	add, again := figure{name: "agent add", limit: 10}, figure{name: "agent add, nothing to do", limit: 1.5}
	remove := figure{name: "agent remove", limit: 10}
	for range runs {
		for _, step := range []struct {
			to   *figure
			verb string
		}{{&add, "add"}, {&again, "add"}, {&remove, "remove"}} {
			if err := b.timed(ctx, step.to, "agent", step.verb, "aip-agent-2"); err != nil {
				return err
			}
		}
	}
	b.figures = append(b.figures, add, again, remove)
	return nil
}

func (b *bench) report(unit float64, enforce bool) error {
	fmt.Printf("unit: %.3f s (hash of 64 MiB, best of 5)\n\n", unit)
	fmt.Printf("%-36s %10s %10s %10s %10s %8s\n", "figure", "min", "median", "max", "limit", "units")
	over := 0
	for _, f := range b.figures {
		ratio := strconv.FormatFloat(f.median()/unit, 'f', 1, 64)
		if f.bytes {
			ratio = ""
		}
		mark := ""
		if f.median() > f.limit {
			mark = "  over"
			over++
		}
		fmt.Printf("%-36s %10s %10s %10s %10s %8s%s\n", f.name, f.text(slices.Min(f.values)), f.text(f.median()),
			f.text(slices.Max(f.values)), f.text(f.limit), ratio, mark)
	}
	if enforce && over > 0 {
		return fmt.Errorf("%d figures are over their limits", over)
	}
	return nil
}
