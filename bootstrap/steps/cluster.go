package steps

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/internal/ports"
)

// clusterStep is the name of the step that brings the cluster about.
const clusterStep = "cluster"

// stopGrace is how long the serving process may take to end before it is killed.
const stopGrace = 2500 * time.Millisecond

// ErrGone says that the process of an embedded environment ended while something else was brought about in it.
var ErrGone = errors.New("the process of the environment ended meanwhile")

// PortError says that the environment runs with another port than the one asked for.
type PortError struct {
	What           string
	Found, Expects int
}

// Error names both ports.
func (e *PortError) Error() string {
	return fmt.Sprintf("the environment runs with %s port %d, expected %d", e.What, e.Found, e.Expects)
}

// cluster is the embedded cluster: a detached copy of this program that serves.
type cluster struct {
	env  bootstrap.Environment
	deps Deps
}

func (cluster) Name() string { return clusterStep }

func (c cluster) Observe(_ context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	status, alive, err := daemon.Look(c.deps.Dir)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if !alive || status.State != daemon.Usable {
		return bootstrap.Observation{State: bootstrap.Absent, Facts: facts}, nil
	}
	if err := samePorts(c.env.Ports, Ports{Gateway: status.GatewayPort, Issuer: status.IssuerPort}); err != nil {
		return bootstrap.Observation{}, err
	}
	learned := c.learn(facts, status)
	if learned.Cluster.Version == "" {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "version not known", Facts: learned}, nil
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: "kube-apiserver " + learned.Cluster.Version, Facts: learned}, nil
}

// Bereft returns the failure of a plan with what it follows from, when it does: that the process which serves the
// embedded environment of the state folder dir ended after the cluster was there.
func Bereft(err error, cluster, dir string) error {
	var step *bootstrap.StepError
	if cluster != bootstrap.ClusterEmbedded || !errors.As(err, &step) || step.Step == (preflight{}).Name() || step.Step == clusterStep {
		return err
	}
	if _, alive, look := daemon.Look(dir); alive || look != nil {
		return err
	}
	return &bootstrap.StepError{Step: step.Step, Err: fmt.Errorf("%w; see %s: %w", ErrGone, filepath.Join(dir, "serve.log"), step.Err)}
}

// samePorts returns an error when other ports are asked for than those that the environment runs with.
func samePorts(asked bootstrap.Ports, has Ports) error {
	if want := asked.Gateway; want != 0 && want != has.Gateway {
		return &PortError{"gateway", has.Gateway, want}
	}
	if want := asked.Issuer; want != 0 && want != has.Issuer {
		return &PortError{"issuer", has.Issuer, want}
	}
	return nil
}

func (c cluster) learn(facts bootstrap.Facts, s daemon.Status) bootstrap.Facts {
	facts.Cluster.Kind = bootstrap.ClusterEmbedded
	facts.Cluster.Kubeconfig = filepath.Join(c.deps.Dir, "kubeconfig")
	facts.Cluster.Context = c.env.Name
	facts.Cluster.APIPort, facts.Cluster.GatewayPort, facts.Cluster.IssuerPort = s.APIPort, s.GatewayPort, s.IssuerPort
	return facts
}

func (c cluster) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	status, alive, err := daemon.Look(c.deps.Dir)
	if err != nil {
		return facts, err
	}
	if alive && status.State == daemon.Stopping { // who told it to did not stay to see it end
		report.Note("waiting for the end of the process of before")
		if _, err := daemon.Stop(ctx, c.deps.Dir, stopGrace); err != nil {
			return facts, err
		}
		alive = false
	}
	var started *daemon.Process
	if !alive {
		chosen, err := choosePorts(ctx, c.env, c.deps, facts, report)
		if err != nil {
			return facts, err
		}
		report.Note("starting kube-apiserver and etcd")
		started, err = daemon.Start(c.deps.Program, c.deps.ServeArgs(chosen), filepath.Join(c.deps.Dir, "serve.log"))
		if err != nil {
			return facts, err
		}
	} else {
		report.Note("waiting for the serving process")
	}
	status, err = daemon.WaitUsable(ctx, c.deps.Dir, started)
	if err != nil {
		return facts, fmt.Errorf("%w; see %s", err, filepath.Join(c.deps.Dir, "serve.log"))
	}
	facts = c.learn(facts, status)
	if facts.Cluster.Version, err = serverVersion(facts); err != nil {
		return facts, err
	}
	report.Note("kube-apiserver %s", facts.Cluster.Version)
	return facts, nil
}

// serverVersion asks the API server for its version, such as v1.37.2.
func serverVersion(facts bootstrap.Facts) (string, error) {
	config, err := kube(facts)
	if err != nil {
		return "", err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("make a client of the API server: %w", err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return "", fmt.Errorf("ask the API server for its version: %w", err)
	}
	return version.GitVersion, nil
}

// choosePorts takes the ports asked for, else those of the last time, else the defaults. A port that was asked for
// must be free; for the others see choosePort.
func choosePorts(ctx context.Context, env bootstrap.Environment, deps Deps, facts bootstrap.Facts, report bootstrap.Reporter) (Ports, error) {
	var out Ports
	for _, p := range []struct {
		what                    string
		asked, known, byDefault int
		to                      *int
	}{
		{"gateway", env.Ports.Gateway, facts.Cluster.GatewayPort, bootstrap.DefaultGatewayPort, &out.Gateway},
		{"issuer", env.Ports.Issuer, facts.Cluster.IssuerPort, bootstrap.DefaultIssuerPort, &out.Issuer},
	} {
		if p.asked != 0 {
			if err := ports.Check(ctx, p.asked); err != nil {
				return out, fmt.Errorf("%s: %w", p.what, err)
			}
			*p.to = p.asked
			continue
		}
		want, err := deps.choosePort(ctx, p.what, p.known, p.byDefault, report)
		if err != nil {
			return out, err
		}
		*p.to = want
	}
	out.API = facts.Cluster.APIPort
	if out.API != 0 && ports.Check(ctx, out.API) != nil {
		out.API = 0 // any free one; the kubeconfig follows
	}
	return out, nil
}

// choosePort takes the port of the last time, else the default, else the next one that is free and that no other
// environment will want when it starts again.
func (d Deps) choosePort(ctx context.Context, what string, known, byDefault int, report bootstrap.Reporter) (int, error) {
	want, why := known, ""
	if known == 0 {
		want = byDefault
		if owner, reserved := d.Reserved[want]; reserved {
			why = fmt.Sprintf("port %d belongs to environment %s", want, owner)
		}
	}
	if why == "" {
		err := ports.Check(ctx, want)
		if err == nil {
			return want, nil
		}
		var taken *ports.TakenError
		if !errors.As(err, &taken) {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
		why = taken.Error()
	}
	free := want
	for reserved := true; reserved; _, reserved = d.Reserved[free] {
		var err error
		if free, err = ports.Next(ctx, free+1); err != nil {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
	}
	report.Warn("%s: %s; %d is used instead", what, why, free)
	return free, nil
}

// Remove ends the serving process.
func (c cluster) Remove(ctx context.Context, _ bootstrap.Facts, report bootstrap.Reporter) error {
	report.Note("ending kube-apiserver and etcd")
	_, err := daemon.Stop(ctx, c.deps.Dir, stopGrace)
	return err
}

// Stop ends the serving process; the store is a folder and stays.
func (c cluster) Stop(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	return c.Remove(ctx, facts, report)
}
