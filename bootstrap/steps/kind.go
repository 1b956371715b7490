package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
)

// Ports of the node that lead to what people reach from their machine. They are in the range that Kubernetes keeps
// for Services, and part of what makes a cluster one of ours.
const (
	gatewayNodePort = 30080
	issuerNodePort  = 30090
)

// apiLimit is how long the API server of a cluster that was started again may take to answer.
const apiLimit = 2 * time.Minute

// ErrForeign says that a cluster of the wanted name was not made by this program.
var ErrForeign = errors.New("the cluster was not made by aip-dev")

// ErrNodeImage says that the node image is not there and cannot be had.
var ErrNodeImage = errors.New("the node image cannot be had")

// KindName returns the name of an environment's cluster, as `kind get clusters` shows it.
func KindName(environment string) string { return "aip-dev-" + environment }

// containers is what the steps of a kind cluster share: the engine, asked for once, and two moments. seen is when the
// cluster step has looked, begun when the cluster is there or is being made, so that the images step, which runs beside
// it, puts nothing into a cluster that is about to be replaced.
type containers struct {
	only string
	name string

	mu     sync.Mutex
	engine *kindcluster.Engine
	phase  kindcluster.Phase
	seen   moment
	begun  moment
}

func newContainers(e bootstrap.Environment, d Deps) *containers {
	return &containers{only: d.Engine, name: KindName(e.Name), seen: newMoment(), begun: newMoment()}
}

// moment is something that happens once and that others wait for.
type moment struct {
	once *sync.Once
	done chan struct{}
}

func newMoment() moment { return moment{new(sync.Once), make(chan struct{})} }

func (m moment) now() { m.once.Do(func() { close(m.done) }) }

func (m moment) wait(ctx context.Context) error {
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// found keeps what the cluster step saw.
func (c *containers) found(phase kindcluster.Phase) {
	c.mu.Lock()
	c.phase = phase
	c.mu.Unlock()
	c.seen.now()
}

// looked waits until the cluster step has looked, and returns what it saw.
func (c *containers) looked(ctx context.Context) (kindcluster.Phase, error) {
	if err := c.seen.wait(ctx); err != nil {
		return kindcluster.Absent, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase, nil
}

// find returns the container engine.
func (c *containers) find(ctx context.Context) (*kindcluster.Engine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.engine != nil {
		return c.engine, nil
	}
	engine, err := kindcluster.Detect(ctx, c.only)
	c.engine = engine
	return engine, err
}

// cluster returns the environment's cluster; note receives kind's chatter.
func (c *containers) cluster(ctx context.Context, note func(line string)) (*kindcluster.Cluster, kindcluster.State, error) {
	engine, err := c.find(ctx)
	if err != nil {
		return nil, kindcluster.State{}, err
	}
	cluster := engine.Cluster(c.name, note)
	state, err := cluster.Look(ctx, gatewayNodePort, issuerNodePort)
	return cluster, state, err
}

// Containers says whether the containers of an environment run.
type Containers int

// What an engine says of an environment's containers.
const (
	ContainersRun Containers = iota
	ContainersStopped
	ContainersGone
)

// LookAtContainers asks the engine how the cluster of an environment is.
func LookAtContainers(ctx context.Context, environment, engine string) (Containers, error) {
	shared := newContainers(bootstrap.Environment{Name: environment}, Deps{Engine: engine})
	_, state, err := shared.cluster(ctx, quiet)
	switch {
	case err != nil:
		return ContainersGone, err
	case state.Phase == kindcluster.Running:
		return ContainersRun, nil
	case state.Phase == kindcluster.Stopped:
		return ContainersStopped, nil
	default:
		return ContainersGone, nil
	}
}

// quiet drops kind's chatter.
func quiet(string) {}

// kindCluster is a cluster in containers.
type kindCluster struct {
	env    bootstrap.Environment
	deps   Deps
	shared *containers
}

func (kindCluster) Name() string { return clusterStep }

func (k kindCluster) kubeconfig() string { return filepath.Join(k.deps.Dir, "kubeconfig") }

func (k kindCluster) learn(facts bootstrap.Facts, cluster *kindcluster.Cluster, ports map[int]int) bootstrap.Facts {
	facts.Cluster.Kind, facts.Cluster.Engine = bootstrap.ClusterKind, cluster.Engine()
	facts.Cluster.Kubeconfig, facts.Cluster.Context = k.kubeconfig(), cluster.Context()
	facts.Cluster.GatewayPort, facts.Cluster.IssuerPort = ports[gatewayNodePort], ports[issuerNodePort]
	facts.Cluster.APIPort = 0 // kind's kubeconfig knows it
	return facts
}

func (k kindCluster) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	cluster, state, err := k.shared.cluster(ctx, quiet)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	k.shared.found(state.Phase)
	switch state.Phase {
	case kindcluster.Foreign:
		return bootstrap.Observation{}, fmt.Errorf("%w: %s has no port %d that leads to a gateway", ErrForeign, k.shared.name, gatewayNodePort)
	case kindcluster.Absent, kindcluster.Unfinished:
		return bootstrap.Observation{State: bootstrap.Absent, Facts: facts}, nil
	case kindcluster.Running, kindcluster.Stopped:
	}
	k.shared.begun.now()
	if err := k.same(state); err != nil {
		return bootstrap.Observation{}, err
	}
	facts = k.learn(facts, cluster, state.Ports)
	if state.Phase == kindcluster.Stopped {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "its containers do not run", Facts: facts}, nil
	}
	facts.Cluster.Version, err = serverVersion(facts)
	if err != nil {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "its API server does not answer", Facts: facts}, nil //nolint:nilerr // Apply waits for it
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: k.detail(facts), Facts: facts}, nil
}

// RecreateError says that a cluster is not as described in a way that only a new one can have.
type RecreateError struct{ What, Found, Expected string }

// Error says what differs.
func (e *RecreateError) Error() string {
	return fmt.Sprintf("%s: found %s, expected %s; a cluster cannot change that", e.What, e.Found, e.Expected)
}

// same returns an error when what is fixed at a cluster's creation is not as described.
func (k kindCluster) same(state kindcluster.State) error {
	for _, p := range []struct {
		what         string
		asked, found int
	}{
		{"gateway port", k.env.Ports.Gateway, state.Ports[gatewayNodePort]}, {"issuer port", k.env.Ports.Issuer, state.Ports[issuerNodePort]},
	} {
		if p.asked != 0 && p.asked != p.found {
			return &RecreateError{p.what, strconv.Itoa(p.found), strconv.Itoa(p.asked)}
		}
	}
	if want := k.env.Images.Node; want != "" && !kindcluster.SameImage(state.Image, want) {
		return &RecreateError{"node image", state.Image, want}
	}
	for inside, outside := range k.env.Kind.Mounts {
		if found := state.Mounts[inside]; found != outside {
			return &RecreateError{"mount " + inside, cmp.Or(found, "none"), outside}
		}
	}
	return nil
}

func (k kindCluster) detail(facts bootstrap.Facts) string {
	return fmt.Sprintf("%s, kube-apiserver %s", k.shared.name, facts.Cluster.Version)
}

func (k kindCluster) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	cluster, state, err := k.shared.cluster(ctx, func(line string) { report.Note("%s", line) })
	if err != nil {
		return facts, err
	}
	switch state.Phase {
	case kindcluster.Unfinished:
		report.Warn("an interrupted run left cluster %s half made; nobody can have used it, it is made again", k.shared.name)
		if err := cluster.Delete(ctx, k.kubeconfig()); err != nil {
			return facts, err
		}
		fallthrough
	case kindcluster.Absent:
		facts, err = k.create(ctx, cluster, facts, report)
	case kindcluster.Stopped:
		report.Note("starting its containers")
		err = cluster.Start(ctx)
	case kindcluster.Foreign, kindcluster.Running:
	}
	if err != nil {
		return facts, err
	}
	if state.Phase == kindcluster.Running || state.Phase == kindcluster.Stopped {
		if err := k.reach(ctx, cluster, facts, report); err != nil {
			return facts, err
		}
	}
	if facts.Cluster.Version, err = serverVersion(facts); err != nil {
		return facts, err
	}
	report.Note("%s", k.detail(facts))
	return facts, nil
}

// create makes the cluster once its ports and its image are found.
func (k kindCluster) create(ctx context.Context, cluster *kindcluster.Cluster, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	// A port that cannot be had is told before an image is waited for; which ones it will be is decided after that, for
	// they are free until the containers take them.
	if _, err := choosePorts(ctx, k.env, k.deps, facts, unheard{}); err != nil {
		return facts, err
	}
	engine, err := k.shared.find(ctx)
	if err != nil {
		return facts, err
	}
	image, err := k.nodeImage(ctx, engine, report)
	if err != nil {
		return facts, err
	}
	chosen, err := choosePorts(ctx, k.env, k.deps, facts, report)
	if err != nil {
		return facts, err
	}
	if err := k.markNetwork(ctx, engine); err != nil {
		return facts, err
	}
	k.shared.begun.now()
	ports := map[int]int{gatewayNodePort: chosen.Gateway, issuerNodePort: chosen.Issuer}
	err = cluster.Create(ctx, kindcluster.Spec{
		Image: image, Kubeconfig: k.kubeconfig(), Ports: ports, Mounts: k.env.Kind.Mounts, Patches: k.env.Kind.ConfigPatches,
	})
	return k.learn(facts, cluster, ports), err
}

// unheard is a reporter that nobody listens to.
type unheard struct{}

func (unheard) Note(string, ...any) {}
func (unheard) Warn(string, ...any) {}
func (unheard) Output(string)       {}

// nodeImage makes the engine hold the node image and returns its reference.
func (k kindCluster) nodeImage(ctx context.Context, engine *kindcluster.Engine, report bootstrap.Reporter) (string, error) {
	if k.deps.Bundle != nil {
		return loadNode(ctx, engine, k.deps, report)
	}
	image := NodeImage(k.env)
	there, err := engine.HasImage(ctx, image)
	if err != nil || there {
		return image, err
	}
	report.Note("pulling node image %s", image)
	if err := engine.Pull(ctx, image, report.Output); err != nil {
		return image, fmt.Errorf("%s: %w: %w", image, ErrNodeImage, err)
	}
	return image, nil
}

// NodeImage returns the reference of an environment's node image.
func NodeImage(e bootstrap.Environment) string {
	if e.Images.Node != "" {
		return e.Images.Node
	}
	return kindcluster.DefaultImage
}

// reach waits until the API server of a cluster that was there before answers.
func (k kindCluster) reach(ctx context.Context, cluster *kindcluster.Cluster, facts bootstrap.Facts, report bootstrap.Reporter) error {
	report.Note("waiting for its API server")
	ctx, cancel := context.WithTimeout(ctx, apiLimit)
	defer cancel()
	for {
		err := cluster.WriteKubeconfig(k.kubeconfig())
		if err == nil {
			_, err = serverVersion(facts)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(time.Second):
		}
	}
}

// networkMark is a file in the state folder that says that the engine's network kind was made for this environment.
func (k kindCluster) networkMark() string { return filepath.Join(k.deps.Dir, "made-network") }

func (k kindCluster) markNetwork(ctx context.Context, engine *kindcluster.Engine) error {
	there, err := engine.HasNetwork(ctx)
	if err != nil || there {
		return err
	}
	return os.WriteFile(k.networkMark(), nil, 0o600)
}

// Remove deletes the containers and, if it was made for them, their network.
func (k kindCluster) Remove(ctx context.Context, _ bootstrap.Facts, report bootstrap.Reporter) error {
	cluster, state, err := k.shared.cluster(ctx, quiet)
	if err != nil {
		return err
	}
	if state.Phase == kindcluster.Foreign {
		report.Warn("cluster %s was not made by aip-dev and stays", k.shared.name)
		return nil
	}
	report.Note("deleting cluster %s", k.shared.name)
	if err := cluster.Delete(ctx, k.kubeconfig()); err != nil {
		return err
	}
	if _, err := os.Stat(k.networkMark()); err != nil {
		return nil //nolint:nilerr // it was there before
	}
	engine, err := k.shared.find(ctx)
	if err != nil {
		return err
	}
	return engine.RemoveNetwork(ctx)
}

// Stop stops the containers.
func (k kindCluster) Stop(ctx context.Context, _ bootstrap.Facts, report bootstrap.Reporter) error {
	cluster, state, err := k.shared.cluster(ctx, quiet)
	if err != nil || state.Phase != kindcluster.Running {
		return err
	}
	report.Note("stopping the containers of cluster %s", k.shared.name)
	return cluster.Stop(ctx)
}
