// Package machine asks what an environment takes from the machine it runs on: memory, disk, limits of the kernel, ports and
// proxy variables. `up` asks before it makes anything, `doctor` at any time. Nothing is changed.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/aip-dev/aip-dev/internal/check"
)

// Group is the heading of these checks.
const Group = "machine"

// Units of sizes.
const (
	Mebibyte = 1 << 20
	Gibibyte = 1 << 30
)

// Limits are how much of something is needed, and below how much it is short. 0 asks for nothing.
type Limits struct{ Need, Want uint64 }

// Embedded are the limits of an environment without containers; it takes about 400 MiB.
func Embedded() (memory, room Limits) {
	return Limits{Want: 600 * Mebibyte}, Limits{Need: 256 * Mebibyte, Want: Gibibyte}
}

// Containers are those of a kind cluster with Keycloak and the gateway, as measured: 0.6 GiB for Kubernetes, 0.9 for Keycloak.
func Containers() (memory, room Limits) {
	return Limits{Need: 2 * Gibibyte, Want: 3 * Gibibyte}, Limits{Need: 4 * Gibibyte}
}

// Memory asks whether enough memory is available.
func Memory(l Limits) check.Check {
	return check.Check{ID: "memory", Group: Group, Question: "is there memory", Ask: func(ctx context.Context) check.Answer {
		m, err := mem.VirtualMemoryWithContext(ctx)
		if err != nil {
			return check.Skipped("the memory cannot be looked at: %v", err)
		}
		return enough(l, m.Available, fmt.Sprintf("%d MiB memory free", m.Available/Mebibyte), check.Fix{Command: "ps aux --sort=-rss | head  # what takes it"})
	}}
}

// Existing returns the folder, or the nearest one above it that is there.
func Existing(folder string) string {
	for {
		if _, err := os.Stat(folder); err == nil || folder == filepath.Dir(folder) {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}

// Disk asks whether the disk of a folder has room. A folder that is not there yet is on the disk of the one above it; one that
// cannot be seen is on another machine.
func Disk(folder string, l Limits) check.Check {
	return check.Check{ID: "disk", Group: Group, Question: "is there room on the disk", Ask: func(ctx context.Context) check.Answer {
		at := Existing(folder)
		usage, err := disk.UsageWithContext(ctx, at)
		if err != nil {
			return check.Skipped("the disk of %s cannot be looked at from here", folder)
		}
		return enough(l, usage.Free, fmt.Sprintf("%d MiB disk free", usage.Free/Mebibyte), check.Fix{Command: "du -xh -d 2 " + shellescape.Quote(at) + " | sort -h | tail  # what takes it"})
	}}
}

func enough(l Limits, has uint64, text string, fix check.Fix) check.Answer {
	switch {
	case has < l.Need:
		return check.Differ(fix, fmt.Sprintf("at least %d MiB", l.Need/Mebibyte), fmt.Sprintf("%d MiB", has/Mebibyte), "%s", text)
	case has < l.Want:
		return check.Warned(fix, "%s, and %d MiB are wanted", text, l.Want/Mebibyte)
	default:
		return check.OK("%s", text)
	}
}

// inotifyLimits are the kernel's limits below which kubelet and containerd fail to watch files.
// Source: https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files
func inotifyLimits() [][2]any {
	return [][2]any{{"max_user_instances", 128}, {"max_user_watches", 16384}}
}

// Inotify asks whether the kernel lets the programs of a node watch their files. proc is /proc, but for tests.
func Inotify(proc string) check.Check {
	return check.Check{ID: "inotify", Group: Group, Question: "may the programs of a node watch files", Ask: func(context.Context) check.Answer {
		var low, commands, found, expected []string
		for _, limit := range inotifyLimits() {
			name, want := limit[0].(string), limit[1].(int) //nolint:forcetypeassert // written above
			data, err := os.ReadFile(filepath.Join(proc, "sys/fs/inotify", name))
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				continue
			}
			if err != nil {
				return check.Skipped("inotify cannot be looked at: %v", err)
			}
			has, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil || has >= want {
				continue
			}
			low = append(low, "fs.inotify."+name)
			found, expected = append(found, strconv.Itoa(has)), append(expected, "at least "+strconv.Itoa(want))
			commands = append(commands, fmt.Sprintf("sudo sysctl fs.inotify.%s=%d", name, 4*want)) //nolint:mnd // room for other programs
		}
		if len(low) == 0 {
			return check.OK("enough watches")
		}
		return check.Differ(check.Fix{Command: strings.Join(commands, " && ")}, strings.Join(expected, ", "), strings.Join(found, ", "), "too low: %s", strings.Join(low, ", "))
	}}
}

// Cgroup asks which version of control groups the kernel has. sys is /sys, but for tests.
// Source: https://kubernetes.io/docs/concepts/architecture/cgroups/
func Cgroup(sys string) check.Check {
	return check.Check{ID: "cgroup", Group: Group, Question: "does the kernel have control groups of version 2", Ask: func(context.Context) check.Answer {
		root := filepath.Join(sys, "fs/cgroup")
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
			return check.OK("version 2")
		}
		if _, err := os.Stat(root); err != nil {
			return check.Skipped("control groups cannot be seen here")
		}
		return check.Warned(check.Fix{Command: "sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1  # and start the machine anew"},
			"version 1, which Kubernetes is about to drop: kubelet may refuse to start")
	}}
}

// Proxy asks whether proxy variables would lead requests to this machine, or to the cluster when inCluster, through a proxy.
func Proxy(getenv func(string) string, inCluster bool) check.Check {
	return check.Check{ID: "proxy-variables", Group: Group, Question: "do proxy variables leave local addresses alone", Ask: func(context.Context) check.Answer {
		var set []string
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
			if value := getenv(name); value != "" {
				set = append(set, name+"="+redactedURL(value))
			}
		}
		if len(set) == 0 {
			return check.OK("none is set")
		}
		want := []string{"localhost", "127.0.0.1"}
		if inCluster {
			want = append(want, ".svc", ".cluster.local")
		}
		excluded := strings.FieldsFunc(getenv("NO_PROXY")+","+getenv("no_proxy"), func(r rune) bool { return r == ',' || r == ' ' })
		missing := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return excludes(excluded, name) })
		if len(missing) == 0 {
			return check.OK("%s, and NO_PROXY leaves local addresses alone", strings.Join(set, ", "))
		}
		return check.Warned(check.Fix{Command: "export NO_PROXY=\"${NO_PROXY:+$NO_PROXY,}" + strings.Join(missing, ",") + "\" no_proxy=\"${NO_PROXY:+$NO_PROXY,}" + strings.Join(missing, ",") + "\""},
			"%s is set and NO_PROXY lacks %s: curl and others ask the proxy for the gateway", strings.Join(set, ", "), strings.Join(missing, ", "))
	}}
}

// excludes reports whether a list of NO_PROXY names a host or a suffix.
func excludes(list []string, name string) bool {
	return slices.ContainsFunc(list, func(each string) bool {
		if each == "*" || strings.TrimPrefix(each, ".") == strings.TrimPrefix(name, ".") {
			return true
		}
		_, network, err := net.ParseCIDR(each)
		ip := net.ParseIP(name)
		return err == nil && ip != nil && network.Contains(ip)
	})
}

// redactedURL returns the value of a proxy variable without user and password.
func redactedURL(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		if strings.Contains(value, "@") {
			return "[redacted]"
		}
		return value
	}
	u.User = nil
	return u.String()
}
