package machine_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/check/machine"
)

func file(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMachine makes every fault of a machine, as far as a test can, and one where nothing is wrong.
func TestMachine(t *testing.T) {
	t.Parallel()
	low, fine, old, empty := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	file(t, low, "sys/fs/inotify/max_user_instances", "64\n")
	file(t, low, "sys/fs/inotify/max_user_watches", "8192\n")
	file(t, fine, "sys/fs/inotify/max_user_instances", "128\n")
	file(t, fine, "fs/cgroup/cgroup.controllers", "cpu memory\n")
	file(t, old, "fs/cgroup/memory/tasks", "")
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for name, c := range map[string]struct {
		check   check.Check
		verdict check.Verdict
		says    string
		fix     string
	}{
		"memory":             {machine.Memory(machine.Limits{}), check.Pass, "MiB memory free", ""},
		"memory short":       {machine.Memory(machine.Limits{Want: math.MaxUint64}), check.Warn, "are wanted", "ps aux"},
		"no memory":          {machine.Memory(machine.Limits{Need: math.MaxUint64}), check.Fail, "MiB memory free", "ps aux"},
		"disk":               {machine.Disk(filepath.Join(empty, "not", "there"), machine.Limits{}), check.Pass, "MiB disk free", ""},
		"disk full":          {machine.Disk(empty, machine.Limits{Need: math.MaxUint64}), check.Fail, "MiB disk free", "du -xh -d 2 " + empty},
		"inotify":            {machine.Inotify(fine), check.Pass, "enough", ""},
		"inotify unseen":     {machine.Inotify(empty), check.Pass, "enough", ""},
		"inotify low":        {machine.Inotify(low), check.Fail, "fs.inotify.max_user_instances, fs.inotify.max_user_watches", "sudo sysctl fs.inotify.max_user_instances=512 && sudo sysctl fs.inotify.max_user_watches=65536"},
		"cgroup":             {machine.Cgroup(fine), check.Pass, "version 2", ""},
		"cgroup 1":           {machine.Cgroup(old), check.Warn, "version 1", "sudo grubby"},
		"no cgroup":          {machine.Cgroup(empty), check.Skip, "cannot be seen", ""},
		"no proxy":           {machine.Proxy(env(), true), check.Pass, "none", ""},
		"proxy":              {machine.Proxy(env("HTTP_PROXY", "http://user:pw@proxy:3128"), false), check.Warn, "HTTP_PROXY=http://proxy:3128 is set and NO_PROXY lacks localhost, 127.0.0.1", "export NO_PROXY="},
		"proxy left alone":   {machine.Proxy(env("https_proxy", "http://proxy", "no_proxy", "localhost, 127.0.0.0/8"), false), check.Pass, "leaves local", ""},
		"proxy to a cluster": {machine.Proxy(env("https_proxy", "http://proxy", "NO_PROXY", "localhost,127.0.0.1"), true), check.Warn, "lacks .svc, .cluster.local", "export"},
		"odd proxy":          {machine.Proxy(env("ALL_PROXY", "me:secret@proxy"), false), check.Warn, "[redacted]", "export"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := c.check.Ask(t.Context())
			if a.Verdict != c.verdict || !strings.Contains(a.Reason, c.says) || !strings.HasPrefix(a.Fix.Command, c.fix) || (c.fix == "") != (a.Fix.Command == "") {
				t.Errorf("found %+v", a)
			}
			if strings.Contains(a.Reason, "pw") || strings.Contains(a.Reason, "secret") {
				t.Errorf("a password is in %q", a.Reason)
			}
		})
	}
}
