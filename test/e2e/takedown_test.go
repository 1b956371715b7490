package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// takeDown takes down the environments of a state folder, and stops those whose cluster is gone already. The program's processes
// that work for the folder after that are ended and returned as errors.
func takeDown(program, state string) (left []error) {
	folders, _ := filepath.Glob(filepath.Join(state, "aip-dev", "*")) // the pattern is well-formed
	for _, folder := range folders {
		for _, command := range []string{"down", "stop"} {
			c := exec.Command(program, command, "--name", filepath.Base(folder))
			c.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
			if c.Run() == nil { // the script may have damaged the environment on purpose
				break
			}
		}
	}
	const patience = 5 * time.Second // for what was told to end
	pids := worksFor(program, state)
	for began := time.Now(); len(pids) > 0 && time.Since(began) < patience; pids = worksFor(program, state) {
		time.Sleep(50 * time.Millisecond)
	}
	for pid, line := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may end by itself this moment
		left = append(left, fmt.Errorf("process %d was left: %s", pid, line))
	}
	return left
}

// worksFor returns the command lines of the program's processes that have a state folder in their command line or environment, by id.
func worksFor(program, state string) map[int]string {
	found := map[int]string{}
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, folder := range folders {
		own, err := os.Readlink(folder + "/exe")
		if err != nil || strings.TrimSuffix(own, " (deleted)") != program {
			continue // it has ended, or is another's
		}
		line, err := os.ReadFile(folder + "/cmdline")
		environment, unread := os.ReadFile(folder + "/environ")
		if err != nil || unread != nil || !bytes.Contains(append(environment, line...), []byte(state)) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(folder)); err == nil {
			found[pid] = string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
		}
	}
	return found
}
