// Command bounded is an OCI runtime: runc, without those capabilities that this machine cannot give. Docker 20.10 asks
// for all of them on behalf of a privileged container, and runc refuses the whole container when one is not in the
// bounding set. A machine that has all of them does not need this program, and it grants nothing that the machine does
// not. Source: https://github.com/opencontainers/runtime-spec/blob/main/config.md#linux-process
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// names are the capabilities in the order of their bits. Source: capabilities(7), linux/capability.h
const names = `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT
SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bounded:", err)
		os.Exit(1)
	}
}

// run bounds the specification that runc is about to read, and becomes runc.
func run(args []string) error {
	var err error
	switch bundle, process := option(args, "--bundle", "-b"), option(args, "--process", "-p"); {
	case slices.Contains(args, "exec") && process != "":
		err = bound(process, func(document map[string]any) any { return document })
	case bundle != "":
		err = bound(filepath.Join(bundle, "config.json"), func(document map[string]any) any { return document["process"] })
	}
	if err != nil {
		return err
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}

// option returns the value of a flag, written in one argument or in two.
func option(args []string, flags ...string) string {
	for i, arg := range args {
		for _, flag := range flags {
			if value, ok := strings.CutPrefix(arg, flag+"="); ok {
				return value
			}
			if arg == flag && i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	return ""
}

// bound takes out of the JSON file at path what the machine does not have. part finds the process in it.
func bound(path string, part func(map[string]any) any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var document map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber() // device numbers and limits do not fit a float
	if err := decoder.Decode(&document); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	process, _ := part(document).(map[string]any)
	sets, _ := process["capabilities"].(map[string]any)
	had, err := granted()
	if err != nil {
		return err
	}
	for name, set := range sets {
		list, _ := set.([]any)
		sets[name] = slices.DeleteFunc(list, func(c any) bool { return !slices.Contains(had, fmt.Sprint(c)) })
	}
	if data, err = json.Marshal(document); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// granted returns the capabilities in the bounding set of this process.
func granted() ([]string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	var had []string
	for line := range strings.Lines(string(status)) {
		mask, ok := strings.CutPrefix(line, "CapBnd:")
		if !ok {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err != nil {
			return nil, err
		}
		for i, name := range strings.Fields(names) {
			if bits&(1<<i) != 0 {
				had = append(had, "CAP_"+name)
			}
		}
	}
	return had, nil
}
