package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/bootstrap/forward"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/ports"
)

// forwardArguments returns the command line of a process that carries connections. A port of 0 is none.
func forwardArguments(dir, of string, p steps.Ports) []string {
	o := serveOptions{state: dir, ports: p}
	return append(o.arguments(), "--only", onlyForward, "--of", of)
}

// forward carries connections to the ports of loopback into the cluster that the kubeconfig of the state folder leads
// to, until ctx ends. It is usable as soon as it listens.
func (c *cluster) forward(ctx context.Context, lease *daemon.Lease) error {
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(c.dir, "kubeconfig"))
	if err != nil {
		return fmt.Errorf("read the environment's kubeconfig: %w", err)
	}
	var targets []forward.Target
	for _, t := range []struct {
		port     int
		listened *int
		forward.Target
	}{
		{c.options.ports.Gateway, &c.status.GatewayPort, forward.Target{Namespace: steps.Namespace, Service: steps.GatewayDeployment, Port: gatewayServicePort}},
		{c.options.ports.Issuer, &c.status.IssuerPort, forward.Target{Namespace: steps.IdentityNamespace, Service: steps.IdentityName, Port: issuerServicePort}},
	} {
		if t.port == 0 {
			continue
		}
		if t.Listeners, err = ports.Listen(ctx, t.port); err != nil {
			return fmt.Errorf("open the ports on loopback: %w", err)
		}
		*t.listened = t.port
		targets = append(targets, t.Target)
	}
	if len(targets) == 0 {
		return errors.New("no port to carry connections from, expected --gateway-port or --issuer-port")
	}
	c.status.State = daemon.Usable
	if err := lease.Say(c.status); err != nil {
		return err
	}
	return forward.Run(ctx, forward.Options{Config: config, Targets: targets, Log: slog.New(slog.NewTextHandler(c.log, nil))})
}
