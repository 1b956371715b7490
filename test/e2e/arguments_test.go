package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain runs the tests and searches the command lines of the program, and of what it started, for every secret that there was:
// each process of the machine can read them there.
func TestMain(m *testing.M) {
	a := watchArguments()
	code := m.Run()
	if err := a.end(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// arguments are the command lines that were seen.
type arguments struct {
	stop chan struct{}
	done sync.WaitGroup
	seen map[string]bool
}

func watchArguments() *arguments {
	a := &arguments{stop: make(chan struct{}), seen: map[string]bool{}}
	program, err := filepath.Abs("../../bin/aip-dev")
	if err != nil {
		panic(err) // there is no working directory
	}
	a.done.Go(func() {
		for tick := time.NewTicker(30 * time.Millisecond); ; {
			a.look(program)
			select {
			case <-a.stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return a
}

// look reads the command lines of all processes that run the program or were started by one that does.
func (a *arguments) look(program string) {
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, folder := range folders {
		own, err := os.Readlink(folder + "/exe")
		if err != nil {
			continue // it has ended
		}
		if own != program {
			stat, err := os.ReadFile(folder + "/stat")
			_, rest, ok := strings.Cut(string(stat), ") ")
			fields := strings.Fields(rest)
			if err != nil || !ok || len(fields) < 2 {
				continue
			}
			if parent, err := os.Readlink("/proc/" + fields[1] + "/exe"); err != nil || parent != program {
				continue
			}
		}
		if line, err := os.ReadFile(folder + "/cmdline"); err == nil && len(line) > 0 {
			a.seen[string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))] = true
		}
	}
}

// end returns an error when a command line held a secret.
func (a *arguments) end() error {
	close(a.stop)
	a.done.Wait()
	everything.Lock()
	defer everything.Unlock()
	for line := range a.seen {
		for value, what := range everything.secrets {
			if strings.Contains(line, value) {
				return fmt.Errorf("a command line of %s holds %s", strings.Fields(line)[0], what)
			}
		}
	}
	if len(everything.secrets) > 0 && len(a.seen) == 0 {
		return fmt.Errorf("no command line was seen while there were %d secrets", len(everything.secrets))
	}
	return nil
}
