package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/internal/ports"
)

// forwarding is a detached copy of this program that carries connections from ports of this machine to the gateway and
// the provider. Where both can be reached by themselves, there is none.
type forwarding struct {
	env  bootstrap.Environment
	deps Deps
}

func (forwarding) Name() string { return "forward" }

// gateway and issuer report what has to be carried to.
func (f forwarding) gateway() bool { return f.env.Existing.GatewayURL == "" }
func (f forwarding) issuer() bool  { return !f.env.External() }

// of names what a process has to have been started for: this access, and these ends.
func (f forwarding) of() (string, error) {
	access, err := os.ReadFile(f.deps.ownKubeconfig())
	if err != nil {
		return "", fmt.Errorf("read the environment's kubeconfig: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(access, "%t %t", f.gateway(), f.issuer()))
	return hex.EncodeToString(sum[:8]), nil
}

func (f forwarding) learn(facts bootstrap.Facts, s daemon.Status) bootstrap.Facts {
	facts.Cluster.GatewayPort, facts.Cluster.IssuerPort = s.GatewayPort, s.IssuerPort
	return facts
}

func (forwarding) detail(facts bootstrap.Facts) string {
	var ends []string
	if port := facts.Cluster.GatewayPort; port != 0 {
		ends = append(ends, fmt.Sprintf("localhost:%d → %s/%s", port, Namespace, GatewayDeployment))
	}
	if port := facts.Cluster.IssuerPort; port != 0 {
		ends = append(ends, fmt.Sprintf("localhost:%d → %s/%s", port, IdentityNamespace, IdentityName))
	}
	if len(ends) == 0 {
		return "none needed"
	}
	return strings.Join(ends, ", ")
}

func (f forwarding) Observe(_ context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	status, alive, err := daemon.Look(f.deps.Dir)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if !f.gateway() && !f.issuer() && !alive {
		facts = f.learn(facts, daemon.Status{})
		return bootstrap.Observation{State: bootstrap.Ready, Detail: f.detail(facts), Facts: facts}, nil
	}
	of, err := f.of()
	if err != nil {
		return bootstrap.Observation{}, err
	}
	switch {
	case !alive || status.State != daemon.Usable:
		return bootstrap.Observation{State: bootstrap.Absent, Facts: facts}, nil
	case status.Of != of:
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "it was started for something else", Facts: facts}, nil
	}
	asked := f.env.Ports
	if !f.gateway() {
		asked.Gateway = 0
	}
	if !f.issuer() {
		asked.Issuer = 0
	}
	if err := samePorts(asked, Ports{Gateway: status.GatewayPort, Issuer: status.IssuerPort}); err != nil {
		return bootstrap.Observation{}, err
	}
	facts = f.learn(facts, status)
	return bootstrap.Observation{State: bootstrap.Ready, Detail: f.detail(facts), Facts: facts}, nil
}

func (f forwarding) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	if _, err := daemon.Stop(ctx, f.deps.Dir, stopGrace); err != nil {
		return facts, err
	}
	if !f.gateway() && !f.issuer() {
		return f.learn(facts, daemon.Status{}), nil
	}
	of, err := f.of()
	if err != nil {
		return facts, err
	}
	chosen, err := f.choose(ctx, facts, report)
	if err != nil {
		return facts, err
	}
	log := filepath.Join(f.deps.Dir, "serve.log")
	started, err := daemon.Start(f.deps.Program, f.deps.ForwardArgs(chosen, of), log)
	if err != nil {
		return facts, err
	}
	status, err := daemon.WaitUsable(ctx, f.deps.Dir, started)
	if err != nil {
		return facts, fmt.Errorf("%w; see %s", err, log)
	}
	facts = f.learn(facts, status)
	report.Note("%s", f.detail(facts))
	return facts, nil
}

// choose takes the ports that are needed, by the rules of choosePorts.
func (f forwarding) choose(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (Ports, error) {
	var out Ports
	for _, p := range []struct {
		needed                  bool
		what                    string
		asked, known, byDefault int
		to                      *int
	}{
		{f.gateway(), "gateway", f.env.Ports.Gateway, facts.Cluster.GatewayPort, bootstrap.DefaultGatewayPort, &out.Gateway},
		{f.issuer(), "issuer", f.env.Ports.Issuer, facts.Cluster.IssuerPort, bootstrap.DefaultIssuerPort, &out.Issuer},
	} {
		if !p.needed {
			continue
		}
		if *p.to = p.asked; p.asked != 0 {
			if err := ports.Check(ctx, p.asked); err != nil {
				return out, fmt.Errorf("%s: %w", p.what, err)
			}
			continue
		}
		port, err := f.deps.choosePort(ctx, p.what, p.known, p.byDefault, report)
		if err != nil {
			return out, err
		}
		*p.to = port
	}
	return out, nil
}

// Stop ends the process.
func (f forwarding) Stop(ctx context.Context, _ bootstrap.Facts, _ bootstrap.Reporter) error {
	_, err := daemon.Stop(ctx, f.deps.Dir, stopGrace)
	return err
}

// Remove ends the process.
func (f forwarding) Remove(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	return f.Stop(ctx, facts, report)
}
