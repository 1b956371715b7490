// Package daemon keeps a detached copy of this program alive for an environment: it starts it, tells whether it
// lives and what it has to say, and ends it. Both sides use it, the command that starts and the copy that serves.
package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// States of a serving process.
const (
	Starting = "starting"
	Usable   = "usable"
	Failed   = "failed"
	// Stopping is a process that was told to end and is about to: nothing is to be had from it any more.
	Stopping = "stopping"
)

// Status is what the serving process says of itself, in the file serve.json of the state folder.
type Status struct {
	PID   int    `json:"pid"`
	State string `json:"state"`
	// Failure says why State is Failed.
	Failure string `json:"failure,omitempty"`
	// APIPort, GatewayPort and IssuerPort are the ports on loopback that it listens on.
	APIPort     int       `json:"apiPort,omitempty"`
	GatewayPort int       `json:"gatewayPort,omitempty"`
	IssuerPort  int       `json:"issuerPort,omitempty"`
	Since       time.Time `json:"since"`
	// Of names what it was started for; another name asks for another process.
	Of string `json:"of,omitempty"`
}

// ErrEnded says that the serving process ended before it was usable.
var ErrEnded = errors.New("the serving process ended while it started")

// ErrAlreadyServed says that another process serves this state folder.
var ErrAlreadyServed = errors.New("another process serves this environment")

const (
	statusFile = "serve.json"
	lockFile   = "serve.lock"
	pollEvery  = 10 * time.Millisecond
	holdTries  = 20
)

// Lease is held by the process that serves a state folder. The kernel ends it with the process.
type Lease struct {
	dir  string
	file *os.File

	mu sync.Mutex
	// stopping is that the holder was told to end, after which it does not say that it is usable; released, that it ended.
	stopping, released bool
}

// Hold takes the lease of dir for this process, or returns ErrAlreadyServed. It tries for a moment, because a reader
// that looks whether the lease is held holds it itself for an instant.
func Hold(dir string) (*Lease, error) {
	var err error
	for range holdTries {
		var file *os.File
		if file, err = lock(dir, syscall.LOCK_EX); err == nil {
			if err := errors.Join(forget(dir), file.Truncate(0), writePID(file)); err != nil {
				return nil, fmt.Errorf("write the lease: %w", errors.Join(err, file.Close()))
			}
			return &Lease{dir: dir, file: file}, nil
		}
		if !errors.Is(err, ErrAlreadyServed) {
			break
		}
		time.Sleep(pollEvery)
	}
	return nil, err
}

// lock takes the lock of dir without waiting: LOCK_EX to serve, LOCK_SH to look, so that those who look do not take
// one another for a server.
func lock(dir string, how int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lease: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); err != nil {
		_ = file.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrAlreadyServed
		}
		return nil, fmt.Errorf("take the lease: %w", err)
	}
	return file, nil
}

func writePID(file *os.File) error {
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// Stopping publishes s as the status of a process that was told to end.
func (l *Lease) Stopping(s Status) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released {
		return nil
	}
	l.stopping = true
	s.State = Stopping
	return l.write(s)
}

// Say publishes s for readers of the folder, unless the process was told to end before.
func (l *Lease) Say(s Status) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return nil
	}
	return l.write(s)
}

func (l *Lease) write(s Status) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	path := filepath.Join(l.dir, statusFile)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return os.Rename(path+".new", path)
}

// Release ends the lease and removes what was said, unless the folder is gone already. Why serving failed stays, for
// the command that waits.
func (l *Lease) Release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = true
	var err error
	if s, known := lastWords(l.dir); !known || s.State != Failed {
		err = forget(l.dir)
	}
	return errors.Join(err, l.file.Close())
}

// forget removes what was said last, if anything was.
func forget(dir string) error {
	if err := os.Remove(filepath.Join(dir, statusFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the old status: %w", err)
	}
	return nil
}

// lastWords returns what a serving process of dir said last, if that can be read.
func lastWords(dir string) (Status, bool) {
	data, err := os.ReadFile(filepath.Join(dir, statusFile))
	if err != nil {
		return Status{}, false
	}
	var s Status
	err = json.Unmarshal(data, &s)
	return s, err == nil
}

// Look returns what the serving process of dir says or said last, and whether it lives. A process that was killed does
// not live, whatever its last words were.
func Look(dir string) (Status, bool, error) {
	file, err := lock(dir, syscall.LOCK_SH)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Status{}, false, nil
	case err == nil:
		last, _ := lastWords(dir) // it may have said nothing
		return last, false, file.Close()
	case !errors.Is(err, ErrAlreadyServed):
		return Status{}, false, err
	}
	data, err := os.ReadFile(filepath.Join(dir, statusFile))
	if errors.Is(err, fs.ErrNotExist) {
		holder, _ := os.ReadFile(filepath.Join(dir, lockFile)) // an unreadable one is process 0: not known
		pid, _ := strconv.Atoi(string(holder))
		return Status{PID: pid, State: Starting}, true, nil
	}
	if err != nil {
		return Status{}, true, fmt.Errorf("read the status: %w", err)
	}
	var s Status
	if err := json.Unmarshal(data, &s); err != nil {
		return Status{}, true, fmt.Errorf("decode the status: %w", err)
	}
	return s, true, nil
}

// Process is a started copy of the program, as seen by the process that started it.
type Process struct{ ended chan struct{} }

// Start runs program with args detached from this process and its terminal, with output appended to the file log
// (0600). It does not wait for it to be usable.
func Start(program string, args []string, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	// What an earlier copy said last is no news of this one.
	if err := forget(filepath.Dir(log)); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	// The copy outlives this process, so no context ends it.
	c := exec.Command(program, args...) //nolint:gosec,noctx // detached on purpose; the program is this one
	c.Stdout, c.Stderr, c.Dir = out, out, filepath.Dir(log)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(c.Start(), out.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p := &Process{ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = c.Wait() // how it ended is in its log and its status
	}()
	return p, nil
}

// WaitUsable returns the status of the process that serves dir once it is usable. p may be nil when another command
// started it. The error is ErrEnded when it ended, or what it said when it failed.
func WaitUsable(ctx context.Context, dir string, p *Process) (Status, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var ended chan struct{}
	if p != nil {
		ended = p.ended
	}
	for {
		s, alive, err := Look(dir)
		switch {
		case err != nil:
			return Status{}, err
		case alive && s.State == Usable:
			return s, nil
		case alive && s.State == Failed:
			return s, fmt.Errorf("%w: %s", ErrEnded, s.Failure)
		case !alive && p == nil:
			return Status{}, ErrEnded
		}
		select {
		case <-tick.C:
		case <-ended:
			if s, known := lastWords(dir); known && s.State == Failed {
				return s, fmt.Errorf("%w: %s", ErrEnded, s.Failure)
			}
			return Status{}, ErrEnded
		case <-ctx.Done():
			return Status{}, fmt.Errorf("wait for the serving process: %w", ctx.Err())
		}
	}
}

// Stop asks the process that serves dir to end and waits for it; after grace it is killed. It returns false when
// nothing served dir.
func Stop(ctx context.Context, dir string, grace time.Duration) (bool, error) {
	s, alive, err := Look(dir)
	if err != nil || !alive {
		return false, err
	}
	if s.PID <= 0 {
		return false, fmt.Errorf("stop the serving process: it has not said its process id yet")
	}
	if err := signal(s.PID, syscall.SIGTERM); err != nil {
		return true, err
	}
	kill := time.NewTimer(grace)
	defer kill.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if _, alive, err := Look(dir); err != nil || !alive {
			return true, errors.Join(err, waitGone(ctx, s.PID))
		}
		select {
		case <-tick.C:
		case <-kill.C:
			if err := signal(s.PID, syscall.SIGKILL); err != nil {
				return true, err
			}
		case <-ctx.Done():
			return true, fmt.Errorf("wait for the serving process to end: %w", ctx.Err())
		}
	}
}

// lastBreath is how long a process may take to end after it has given up its lease.
const lastBreath = time.Second

// waitGone waits until there is no process pid. One that its parent has not reaped yet counts as there; the wait is
// short because of it.
func waitGone(ctx context.Context, pid int) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	limit := time.NewTimer(lastBreath)
	defer limit.Stop()
	for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		select {
		case <-tick.C:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for the serving process to end: %w", ctx.Err())
		}
	}
	return nil
}

// signal sends a signal; a process that is gone already is no failure.
func signal(pid int, s syscall.Signal) error {
	err := syscall.Kill(pid, s)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", s, pid, err)
	}
	return nil
}
