package kindcluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster/nodes"
)

// Phase is how far a cluster is.
type Phase int

// Phases of a cluster. The zero value means that there is none.
const (
	Absent Phase = iota
	// Foreign is a cluster of the same name that was not made here: it lacks the ports that every one of ours has.
	Foreign
	// Unfinished is one of ours whose creation was interrupted; nobody can have used it.
	Unfinished
	// Stopped is complete, and its containers do not run.
	Stopped
	// Running is complete, and its containers run; whether its API answers has to be asked there.
	Running
)

// State is what an engine knows of a cluster.
type State struct {
	Phase Phase
	// Ports are the ports of this machine by the node's port that each leads to.
	Ports map[int]int
	// Nodes are the names of its containers.
	Nodes []string
	// Image is the reference that its nodes were made of.
	Image string
	// Mounts are folders of this machine by their path in the nodes.
	Mounts map[string]string
}

// marker is a file in the node's container that says that the creation was completed. It is inside the container, so
// it cannot outlive it, and can be read when the container does not run.
const marker = "/kind/aip-dev"

// Look says how far the cluster is. It only reads. ports are the node's ports that must lead outside for the cluster
// to be one of ours.
func (c *Cluster) Look(ctx context.Context, ports ...int) (State, error) {
	found, err := c.nodes()
	if err != nil {
		return State{}, err
	}
	if len(found) == 0 {
		return State{}, nil
	}
	state := State{Phase: Running, Ports: map[int]int{}}
	for _, n := range found {
		state.Nodes = append(state.Nodes, n.String())
	}
	running := true
	for _, name := range state.Nodes {
		seen, err := c.inspect(ctx, name)
		if err != nil {
			return State{}, err
		}
		running = running && seen.running
		state.Image, state.Mounts = seen.image, seen.mounts
		for container, host := range seen.ports {
			state.Ports[container] = host
		}
	}
	for _, port := range ports {
		if state.Ports[port] == 0 {
			state.Phase = Foreign
			return state, nil
		}
	}
	complete, err := c.complete(ctx, state.Nodes[0])
	switch {
	case err != nil:
		return State{}, err
	case !complete:
		state.Phase = Unfinished
	case !running:
		state.Phase = Stopped
	}
	return state, nil
}

type container struct {
	running bool
	image   string
	ports   map[int]int
	mounts  map[string]string
}

// inspect reads how a container is.
func (c *Cluster) inspect(ctx context.Context, name string) (container, error) {
	out, err := c.engine.output(ctx, "inspect", name)
	if err != nil {
		return container{}, err
	}
	seen, err := parseContainer(out)
	if err != nil {
		return container{}, fmt.Errorf("read what %s says of container %s: %w", c.engine.Command, name, err)
	}
	return seen, nil
}

// parseContainer reads what `inspect` prints of one container. Templates are not used, for engines differ in the fields that
// they know in them.
// Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerInspect
func parseContainer(data []byte) (container, error) {
	var said []struct {
		State struct {
			Running bool `json:"Running"`
		} `json:"State"`
		Config struct {
			Image string `json:"Image"`
		} `json:"Config"`
		Image      string `json:"Image"` // the reference with nerdctl, a digest with the others
		HostConfig struct {
			// {"30080/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}
			PortBindings map[string][]struct {
				HostPort string `json:"HostPort"`
			} `json:"PortBindings"`
		} `json:"HostConfig"`
		Mounts []struct {
			Type        string `json:"Type"`
			Source      string `json:"Source"`
			Destination string `json:"Destination"`
		} `json:"Mounts"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return container{}, err
	}
	if len(said) != 1 {
		return container{}, fmt.Errorf("found %d containers, expected 1", len(said))
	}
	one := said[0]
	seen := container{running: one.State.Running, image: cmp.Or(one.Config.Image, one.Image), ports: map[int]int{}, mounts: map[string]string{}}
	for _, m := range one.Mounts {
		if m.Type == "bind" {
			seen.mounts[m.Destination] = m.Source
		}
	}
	for port, bindings := range one.HostConfig.PortBindings {
		inside, err := strconv.Atoi(strings.TrimSuffix(port, "/tcp"))
		if err != nil || len(bindings) == 0 {
			continue // not TCP, or not published
		}
		if outside, err := strconv.Atoi(bindings[0].HostPort); err == nil {
			seen.ports[inside] = outside
		}
	}
	return seen, nil
}

// everywhere is a file that every node image has.
// Source: https://pkg.go.dev/sigs.k8s.io/kind/pkg/cluster/nodeutils#KubeVersion
const everywhere = "/kind/version"

// complete reports whether the marker is there. Copying works for containers that do not run as well. That the marker cannot be
// copied counts as an answer only when another file can.
func (c *Cluster) complete(ctx context.Context, node string) (bool, error) {
	folder, err := os.MkdirTemp("", "aip-dev-")
	if err != nil {
		return false, fmt.Errorf("make a folder for a file of node %s: %w", node, err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a folder below the temporary one
	for _, file := range []string{marker, everywhere} {
		if _, err = c.engine.output(ctx, "cp", node+":"+file, folder); err == nil {
			return file == marker, nil
		}
	}
	return false, fmt.Errorf("look into node %s: %w", node, err)
}

func (c *Cluster) nodes() ([]nodes.Node, error) {
	found, err := c.provider.ListNodes(c.Name)
	if err != nil {
		return nil, fmt.Errorf("list the nodes of cluster %s: %w", c.Name, err)
	}
	return found, nil
}
