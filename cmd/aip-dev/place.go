package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
)

// engineTimeout is how long a container engine may take to accept a connection on its socket.
const engineTimeout = 500 * time.Millisecond

// place resolves where the environment lives: it returns embedded, kind or existing, and why in one line. What was
// asked for explicitly is never replaced by something else.
func (a *app) place(ctx context.Context, asked string) (kind, why string, err error) {
	socket, answers := a.engine(ctx)
	switch asked {
	case bootstrap.ClusterEmbedded:
		return bootstrap.ClusterEmbedded, "asked for", nil
	case bootstrap.ClusterAuto:
		if answers {
			return bootstrap.ClusterEmbedded, "this version makes embedded clusters only", nil
		}
		return bootstrap.ClusterEmbedded, "no container engine answers at " + socket, nil
	case bootstrap.ClusterKind:
		if !answers {
			return "", "", failure.New(failure.Failed,
				[]string{a.command("up --cluster embedded") + "  # needs no engine", "systemctl start docker  # or podman.socket"},
				"no container engine answers at %s, expected docker or podman for --cluster kind; nothing was made", socket)
		}
		fallthrough
	default:
		return "", "", failure.New(failure.Failed, []string{a.command("up --cluster embedded")},
			"--cluster %s is not part of this version, expected embedded or auto; nothing was made", asked)
	}
}

// engine returns the sockets of container engines that were tried, and whether one answers.
func (a *app) engine(ctx context.Context) (tried string, answers bool) {
	sockets := []string{"/var/run/docker.sock"}
	if host, ok := strings.CutPrefix(a.getenv("DOCKER_HOST"), "unix://"); ok {
		sockets = []string{host}
	}
	if runtime := a.getenv("XDG_RUNTIME_DIR"); runtime != "" {
		sockets = append(sockets, filepath.Join(runtime, "podman", "podman.sock"))
	}
	dialer := net.Dialer{Timeout: engineTimeout}
	for _, socket := range sockets {
		if conn, err := dialer.DialContext(ctx, "unix", socket); err == nil {
			_ = conn.Close() // it was opened to see whether somebody listens
			return socket, true
		}
	}
	return strings.Join(sockets, " or "), false
}
