package kindcluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/exec"
)

// network is the engine's network that kind puts its nodes into and leaves behind.
const network = "kind"

// DefaultImage is the node image that kind takes when none is named.
const DefaultImage = defaultImage

// Cluster is a cluster by its name, whether it is there or not.
type Cluster struct {
	// Name is the name that `kind get clusters` shows.
	Name string

	engine   *Engine
	provider *cluster.Provider
}

// Cluster returns the cluster of this name. note receives kind's chatter, a line a call.
func (e *Engine) Cluster(name string, note func(line string)) *Cluster {
	return &Cluster{
		Name: name, engine: e,
		provider: cluster.NewProvider(e.provider, cluster.ProviderWithLogger(logger{note})),
	}
}

// Engine is the name of the engine that has its containers.
func (c *Cluster) Engine() string { return c.engine.Command }

// Context is the name of the cluster's context in its kubeconfig.
func (c *Cluster) Context() string { return "kind-" + c.Name }

// Spec is what a cluster should be.
type Spec struct {
	// Image is the node image; empty means DefaultImage.
	Image string
	// Kubeconfig is the file that gets the administrator's access.
	Kubeconfig string
	// Ports lead from a port of the node, the key, to a port of this machine on 127.0.0.1.
	Ports map[int]int
	// Mounts are folders of this machine inside the node: host path by path in the node.
	Mounts map[string]string
	// Patches are kubeadm configuration patches in YAML.
	// Source: https://kind.sigs.k8s.io/docs/user/configuration/#kubeadm-config-patches
	Patches []string
}

// oldCgroups lets a kubelet start on a machine with cgroup v1, which it refuses from Kubernetes 1.35 on.
// Source: https://kubernetes.io/docs/concepts/architecture/cgroups/
const oldCgroups = `kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
failCgroupV1: false
`

func (s Spec) config(cgroups int) *v1alpha4.Cluster {
	node := v1alpha4.Node{Role: v1alpha4.ControlPlaneRole, Image: s.Image}
	for inside, outside := range s.Ports {
		node.ExtraPortMappings = append(node.ExtraPortMappings, v1alpha4.PortMapping{
			ContainerPort: int32(inside), HostPort: int32(outside), ListenAddress: "127.0.0.1", //nolint:gosec // ports fit
		})
	}
	for inside, outside := range s.Mounts {
		node.ExtraMounts = append(node.ExtraMounts, v1alpha4.Mount{ContainerPath: inside, HostPath: outside})
	}
	patches := s.Patches
	if cgroups == 1 {
		patches = append([]string{oldCgroups}, patches...)
	}
	return &v1alpha4.Cluster{Nodes: []v1alpha4.Node{node}, KubeadmConfigPatches: patches}
}

// said returns an error that names what a command printed last about its failure, in place of the whole command.
func said(err error) error {
	var run *exec.RunError
	if !errors.As(err, &run) || len(run.Command) < 2 {
		return err
	}
	lines := slices.DeleteFunc(strings.Split(string(run.Output), "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	if len(lines) == 0 {
		return err
	}
	last := lines[len(lines)-1]
	for _, line := range lines {
		if strings.Contains(strings.ToLower(line), "error") {
			last = line
		}
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(run.Command[:2], " "), run.Inner, strings.TrimSpace(last))
}

// endLimit is how long kind may take to notice that its nodes are gone.
const endLimit = time.Minute

// Create makes the cluster and returns when its API server answers; nodes may still be about to become ready. When ctx
// ends, or creation fails, nothing of it is left.
func (c *Cluster) Create(ctx context.Context, s Spec) error {
	ended := make(chan error, 1)
	go func() {
		ended <- c.provider.Create(c.Name,
			cluster.CreateWithV1Alpha4Config(s.config(c.engine.Info.CgroupVersion)),
			cluster.CreateWithKubeconfigPath(s.Kubeconfig),
			cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false))
	}()
	select {
	case err := <-ended:
		if err != nil {
			return errors.Join(fmt.Errorf("create cluster %s: %w", c.Name, said(err)), c.deleteVolumes(context.WithoutCancel(ctx)))
		}
		return c.finish(ctx)
	case <-ctx.Done():
	}
	return errors.Join(ctx.Err(), c.abandon(context.WithoutCancel(ctx), ended, s.Kubeconfig))
}

// abandon takes the nodes away from a creation under way, which makes it end, and then what it may have made after that.
func (c *Cluster) abandon(ctx context.Context, ended <-chan error, kubeconfig string) error {
	limit := time.After(endLimit)
	for {
		err := c.provider.Delete(c.Name, kubeconfig)
		select {
		case <-ended: //nolint:errcheck // it failed because of abandon
			return c.Delete(ctx, kubeconfig)
		case <-limit:
			return errors.Join(err, fmt.Errorf("cluster %s is still being created", c.Name))
		case <-time.After(time.Second):
		}
	}
}

// finish marks the creation as complete.
func (c *Cluster) finish(ctx context.Context) error {
	found, err := c.nodes()
	if err != nil {
		return err
	}
	for _, n := range found {
		if err := n.CommandContext(ctx, "touch", marker).Run(); err != nil {
			return fmt.Errorf("mark node %s as complete: %w", n, err)
		}
	}
	return nil
}

// WriteKubeconfig writes the administrator's access to path. The nodes have to run.
func (c *Cluster) WriteKubeconfig(path string) error {
	if err := c.provider.ExportKubeConfig(c.Name, path, false); err != nil {
		return fmt.Errorf("write the kubeconfig of cluster %s: %w", c.Name, err)
	}
	return nil
}

// Start starts the containers of a stopped cluster.
func (c *Cluster) Start(ctx context.Context) error { return c.each(ctx, "start") }

// Stop stops the containers and keeps them. The grace is short: nodes keep their state in files.
func (c *Cluster) Stop(ctx context.Context) error { return c.each(ctx, "stop", "-t", "5") }

func (c *Cluster) each(ctx context.Context, args ...string) error {
	found, err := c.nodes()
	if err != nil || len(found) == 0 {
		return err
	}
	for _, n := range found {
		args = append(args, n.String())
	}
	_, err = c.engine.output(ctx, args...)
	return err
}

// Delete removes the containers with their volumes, and the cluster from the kubeconfig. A cluster that is not there
// is no error.
func (c *Cluster) Delete(ctx context.Context, kubeconfig string) error {
	if err := c.provider.Delete(c.Name, kubeconfig); err != nil {
		return fmt.Errorf("delete cluster %s: %w", c.Name, err)
	}
	return c.deleteVolumes(ctx)
}

// deleteVolumes removes the volumes that kind makes in podman before it makes the node they are for: when the node does
// not come about, kind leaves them behind. They carry the node's name as a label.
func (c *Cluster) deleteVolumes(ctx context.Context) error {
	if c.engine.Command != "podman" {
		return nil
	}
	left, err := c.engine.output(ctx, "volume", "ls", "--quiet", "--filter", "dangling=true", "--filter", "label="+c.Name+"-control-plane")
	if err != nil || len(left) == 0 {
		return err
	}
	_, err = c.engine.output(ctx, append([]string{"volume", "rm"}, strings.Fields(string(left))...)...)
	return err
}

// HasNetwork reports whether the network that kind makes is there.
func (e *Engine) HasNetwork(ctx context.Context) (bool, error) {
	out, err := e.output(ctx, "network", "ls", "--quiet", "--filter", "name=^"+network+"$")
	return len(out) > 0, err
}

// RemoveNetwork removes the network that kind made, unless a cluster still uses it: an engine refuses that.
func (e *Engine) RemoveNetwork(ctx context.Context) error {
	there, err := e.HasNetwork(ctx)
	if err != nil || !there {
		return err
	}
	used, err := e.output(ctx, "ps", "--all", "--quiet", "--filter", "network="+network)
	if err != nil || len(used) > 0 {
		return err
	}
	_, err = e.output(ctx, "network", "rm", network)
	return err
}

// node returns the node that pods run on, or an error when there is none yet.
func (c *Cluster) node() (nodes.Node, error) {
	found, err := c.nodes()
	if err != nil {
		return nil, err
	}
	inside, err := nodeutils.InternalNodes(found)
	if err != nil {
		return nil, fmt.Errorf("list the nodes of cluster %s: %w", c.Name, err)
	}
	if len(inside) == 0 {
		return nil, fmt.Errorf("cluster %s has no nodes", c.Name)
	}
	return inside[0], nil
}
