package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"github.com/shirou/gopsutil/v4/process"
)

// queued is how many requests the review queue shows while it is measured.
const queued = "20000"

// queue measures the review queue over a gateway with many requests: the time to the first frame that shows one, from a
// key to its frame, and what it takes while nothing happens. The gateway is the one of the queue's own demonstration,
// in a process of its own, because it is the queue that is measured.
func (b *bench) queue(ctx context.Context, runs int) error {
	demo := filepath.Join(b.state, "demo")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", demo, "./tui/internal/demo").CombinedOutput(); err != nil {
		return fmt.Errorf("build the queue's demonstration: %w\n%s", err, out)
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	server := exec.CommandContext(ctx, demo, "-serve", address, "-n", queued)
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Kill() // it has nothing to save
		_ = server.Wait()
	}()
	if err := reachable(ctx, "http://"+address+"/whoami"); err != nil {
		return err
	}
	for range runs {
		if err := b.oneQueue(ctx, demo, address); err != nil {
			return err
		}
	}
	return nil
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// reachable waits until url answers.
func reachable(ctx context.Context, url string) error {
	var last error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			return answer.Body.Close()
		}
		last = err
	}
	return fmt.Errorf("%s does not answer: %w", url, last)
}

// screen is what a person would see of a program in a terminal.
type screen struct {
	file   *os.File
	view   vt10x.Terminal
	mu     sync.Mutex
	frames int
	at     time.Time
}

// read draws what the program writes, until it ends.
func (s *screen) read() {
	block := make([]byte, 64<<10)
	for {
		n, err := s.file.Read(block)
		_, _ = s.view.Write(block[:n]) // a screen in memory takes everything
		s.mu.Lock()
		s.frames++
		s.at = time.Now()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) seen() (frames int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frames, s.at
}

// until waits for a text on the screen.
func (s *screen) until(text string) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if strings.Contains(s.view.String(), text) {
			return nil
		}
	}
	return fmt.Errorf("the queue never showed %q", text)
}

// openQueue starts a queue in a terminal of 120x40. end ends it.
func openQueue(c *exec.Cmd) (s *screen, end func(), err error) {
	c.Env = append(c.Environ(), "TERM=xterm-256color", "COLORFGBG=15;0")
	file, err := pty.StartWithSize(c, &pty.Winsize{Cols: 120, Rows: 40})
	if err != nil {
		return nil, nil, err
	}
	s = &screen{file: file, view: vt10x.New(vt10x.WithSize(120, 40))}
	go s.read()
	return s, func() {
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
		_ = file.Close()
	}, nil
}

func (b *bench) oneQueue(ctx context.Context, demo, address string) error {
	c := exec.CommandContext(ctx, demo, "-connect", "http://"+address)
	start := time.Now()
	s, end, err := openQueue(c)
	if err != nil {
		return err
	}
	defer end()
	if err := s.until("▌●"); err != nil {
		return err
	}
	b.add(figure{name: "queue of 20,000: first frame", limit: 1}, time.Since(start).Seconds())
	if err := s.until("● live"); err != nil {
		return err
	}
	b.add(figure{name: "queue of 20,000: all read", limit: 4}, time.Since(start).Seconds())
	time.Sleep(2 * time.Second) // what comes with the start is over
	if err := b.keys(s); err != nil {
		return err
	}
	return b.idleQueue(ctx, int32(c.Process.Pid)) //nolint:gosec // a process id
}

// keysPressed is how many keys are timed in each run.
const keysPressed = 100

// keys presses keys and times each until the frame that it causes.
func (b *bench) keys(s *screen) error {
	took := make([]float64, 0, keysPressed)
	for i := range keysPressed {
		before, _ := s.seen()
		start := time.Now()
		if _, err := s.file.WriteString([]string{"j", "j", "j", "J", "k", "G", "<"}[i%7]); err != nil {
			return err
		}
		for {
			frames, at := s.seen()
			if frames > before {
				took = append(took, at.Sub(start).Seconds())
				break
			}
			if time.Since(start) > time.Second {
				break // the key changed nothing, so nothing was drawn
			}
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(30 * time.Millisecond) // as fast as a person types at most
	}
	slices.Sort(took)
	b.add(figure{name: "queue of 20,000: key to frame, p95", limit: 0.016}, took[len(took)*95/100])
	return nil
}

// idleQueue measures the queue while nothing happens.
func (b *bench) idleQueue(ctx context.Context, pid int32) error {
	p, err := process.NewProcessWithContext(ctx, pid)
	if err != nil {
		return err
	}
	const idle = 10 * time.Second
	time.Sleep(idle / 2) // what the keys left to do is done
	before, err := p.TimesWithContext(ctx)
	if err != nil {
		return err
	}
	time.Sleep(idle)
	after, err := p.TimesWithContext(ctx)
	if err != nil {
		return err
	}
	memory, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return err
	}
	spent := after.User + after.System - before.User - before.System
	b.add(figure{name: "queue of 20,000: processor, idle", limit: 0.01}, spent/idle.Seconds())
	b.add(figure{name: "queue of 20,000: memory", limit: 250 << 20, bytes: true}, float64(memory.RSS))
	return nil
}

// add adds a value to the figure of this name.
func (b *bench) add(f figure, value float64) {
	at := slices.IndexFunc(b.figures, func(each figure) bool { return each.name == f.name })
	if at < 0 {
		b.figures = append(b.figures, f)
		at = len(b.figures) - 1
	}
	b.figures[at].values = append(b.figures[at].values, value)
}
