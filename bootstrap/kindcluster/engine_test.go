package kindcluster

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the engines print of themselves, cut to what is read.
const (
	dockerInfo  = `{"ServerVersion":"28.2.2","CgroupVersion":"2","DockerRootDir":"/var/lib/docker","Architecture":"x86_64","MemTotal":25210000000,"NCPU":2}`
	dockerDead  = `{"ServerVersion":"","ServerErrors":["Cannot connect to the Docker daemon"]}`
	podmanInfo  = `{"host":{"arch":"arm64","cgroupVersion":"v1","memTotal":8000000000,"cpus":4},"store":{"graphRoot":"/home/me/containers"},"version":{"Version":"5.4.1"}}`
	nerdctlInfo = `{"ServerVersion":"v2.1.0","CgroupVersion":"2","Architecture":"aarch64","MemTotal":4000000000,"NCPU":8}`
)

func TestParseInfo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said string
		want Info
	}{
		"docker":  {dockerInfo, Info{Version: "28.2.2", CgroupVersion: 2, Memory: 25210000000, CPUs: 2, Root: "/var/lib/docker", Architecture: "amd64"}},
		"podman":  {podmanInfo, Info{Version: "5.4.1", CgroupVersion: 1, Memory: 8000000000, CPUs: 4, Root: "/home/me/containers", Architecture: "arm64"}},
		"nerdctl": {nerdctlInfo, Info{Version: "v2.1.0", CgroupVersion: 2, Memory: 4000000000, CPUs: 8, Architecture: "arm64"}},
	} {
		got, err := parseInfo([]byte(c.said))
		if err != nil || got != c.want {
			t.Errorf("%s: found %+v, %v, expected %+v", name, got, err, c.want)
		}
	}
	for name, said := range map[string]string{"a dead server": dockerDead, "no JSON": "Client: Docker", "nothing": "", "an empty object": "{}"} {
		if got, err := parseInfo([]byte(said)); err == nil {
			t.Errorf("%s: found %+v, expected an error", name, got)
		}
	}
}

func TestQualified(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]string{
		"busybox":                             "docker.io/library/busybox:latest",
		"busybox:1":                           "docker.io/library/busybox:1",
		"curlimages/curl:latest":              "docker.io/curlimages/curl:latest",
		"quay.io/keycloak/keycloak:26.7.3":    "quay.io/keycloak/keycloak:26.7.3",
		"localhost/mine":                      "localhost/mine:latest",
		"registry:5000/mine":                  "registry:5000/mine:latest",
		"ghcr.io/a/b@sha256:00":               "ghcr.io/a/b@sha256:00",
		"registry.example:5000/a/b:v1":        "registry.example:5000/a/b:v1",
		"kindest/node:v1.37.2@sha256:0000000": "docker.io/kindest/node:v1.37.2@sha256:0000000",
	} {
		if got := qualified(reference); got != want {
			t.Errorf("%s: found %s, expected %s", reference, got, want)
		}
	}
}

// TestDetect puts programs of its own on PATH, so it cannot run beside others.
func TestDetect(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	refuses := "echo 'it does not work' >&2; exit 1"
	for name, c := range map[string]struct {
		docker, podman, host, only string
		want                       string
		class                      error
	}{
		"docker answers":          {"echo '" + dockerInfo + "'", "", socket, "", "docker", nil},
		"podman answers":          {"", "echo '" + podmanInfo + "'", socket, "", "podman", nil},
		"podman is asked for":     {"echo '" + dockerInfo + "'", "echo '" + podmanInfo + "'", socket, "podman", "podman", nil},
		"docker has no daemon":    {refuses, "", "/nowhere/docker.sock", "", "no container engine answers at /nowhere/docker.sock", ErrNoEngine},
		"docker refuses":          {refuses, "", socket, "", "no container engine answers (docker: the container engine refused: docker info: exit status 1: it does not work)", ErrNoEngine},
		"both refuse":             {refuses, refuses, "/nowhere/docker.sock", "", "at /nowhere/docker.sock; (podman: the container engine refused: podman info: exit status 1: it does not work)", ErrNoEngine},
		"none is installed":       {"", "", socket, "", "not installed: docker, nerdctl, podman", ErrNoEngine},
		"an unknown one":          {"", "", socket, "lxc", `KIND_EXPERIMENTAL_PROVIDER is "lxc", expected docker, nerdctl or podman`, ErrNoEngine},
		"docker prints no JSON":   {"echo hello", "", socket, "", "not JSON", ErrNoEngine},
		"the server is not there": {"echo '" + dockerDead + "'", "", socket, "", "Cannot connect", ErrNoEngine},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			for program, body := range map[string]string{"docker": c.docker, "podman": c.podman} {
				if body == "" {
					continue
				}
				script := "#!/bin/sh\n" + body + "\n"
				if err := os.WriteFile(filepath.Join(path, program), []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", path)
			t.Setenv("DOCKER_HOST", "unix://"+c.host)
			engine, err := Detect(t.Context(), c.only)
			switch {
			case c.class == nil && (err != nil || engine.Command != c.want):
				t.Errorf("found %v, %v, expected %s", engine, err, c.want)
			case c.class != nil && (!errors.Is(err, c.class) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("found %v, expected %s", err, c.want)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	s := Spec{Image: "node:1", Ports: map[int]int{30080: 8080}, Mounts: map[string]string{"/data": "/home/me/data"}, Patches: []string{"kind: Mine"}}
	for cgroups, patches := range map[int]int{0: 1, 1: 2, 2: 1} {
		c := s.config(cgroups)
		if len(c.KubeadmConfigPatches) != patches || c.KubeadmConfigPatches[patches-1] != "kind: Mine" {
			t.Errorf("cgroup v%d: found patches %q", cgroups, c.KubeadmConfigPatches)
		}
		node := c.Nodes[0]
		if p := node.ExtraPortMappings[0]; len(c.Nodes) != 1 || p.ListenAddress != "127.0.0.1" || p.ContainerPort != 30080 || p.HostPort != 8080 {
			t.Errorf("found %+v, expected port 30080 on 127.0.0.1:8080", p)
		}
		if m := node.ExtraMounts[0]; node.Image != "node:1" || m.ContainerPath != "/data" || m.HostPath != "/home/me/data" {
			t.Errorf("found %+v", m)
		}
	}
}
