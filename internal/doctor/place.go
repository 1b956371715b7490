package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"golang.org/x/sys/unix"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/check/machine"
	"github.com/aip-dev/aip-dev/internal/ports"
	"github.com/aip-dev/aip-dev/internal/state"
)

// state asks whether what the environment remembers can be read, and by nobody else.
func (d *doctor) state() check.Check {
	return check.Check{ID: "state", Group: machine.Group, Question: "can the state folder be read and written, and by nobody else", Ask: func(context.Context) check.Answer {
		writable := unix.Access(machine.Existing(d.Folder.Path), unix.W_OK)
		elsewhere := check.Fix{Command: "export XDG_STATE_HOME=DIR  # a folder that you can write"}
		switch {
		case errors.Is(d.loaded, state.ErrNotThere) && writable != nil:
			return check.Failed(elsewhere, "there is no environment %s, and none can be made in %s: %v", d.Folder.Name, machine.Existing(d.Folder.Path), writable)
		case errors.Is(d.loaded, state.ErrNotThere):
			return check.Skipped("there is no environment %s yet; `%s` makes one", d.Folder.Name, d.Command("up"))
		case errors.Is(d.loaded, state.ErrNewer):
			return check.Failed(check.Fix{Command: "aip-dev version  # install the one that wrote it"}, "%v", d.loaded)
		case errors.Is(d.loaded, state.ErrDamaged):
			return check.Failed(d.up(), "%v", d.loaded)
		case d.loaded != nil:
			return check.Failed(elsewhere, "%v", d.loaded)
		case writable != nil:
			return check.Failed(check.Fix{Command: "ls -ld " + shellescape.Quote(d.Folder.Path)}, "the state folder cannot be written: %v", writable)
		}
		open, err := openToOthers(d.Folder.Path)
		if err != nil {
			return check.Failed(check.Fix{Command: "ls -la " + shellescape.Quote(d.Folder.Path)}, "%v", err)
		}
		if len(open) > 0 {
			return check.Differ(check.Fix{Command: "chmod -R go-rwx " + shellescape.Quote(d.Folder.Path)}, "nobody else may read it", strings.Join(open, ", "), "others may read what the environment keeps")
		}
		return check.OK("%s", d.Folder.Path)
	}}
}

// openToOthers names what of a state folder others may read. The folder itself being closed closes all in it.
func openToOthers(folder string) ([]string, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil, nil
	}
	open := []string{fmt.Sprintf("%s is %o", filepath.Base(folder), info.Mode().Perm())}
	for _, name := range []string{"kubeconfig", "facts.json", "tokens"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.Mode().Perm()&0o077 != 0 {
			open = append(open, fmt.Sprintf("%s is %o", name, info.Mode().Perm()))
		}
	}
	return open, nil
}

// engine asks whether a container engine answers, where one is needed.
func (d *doctor) engine() check.Check {
	const patience = soon / 2 // one that hangs does not answer
	return check.Check{ID: "engine", Group: machine.Group, Question: "does a container engine answer", Limit: soon, Ask: func(ctx context.Context) check.Answer {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if k := d.kind(); k != "" && k != bootstrap.ClusterKind {
			return check.Skipped("an environment in an %s cluster needs none", k)
		}
		found, err := steps.Engine(ctx, d.Engine)
		switch {
		case err == nil:
			return check.OK("%s", found)
		case d.kind() == "":
			return check.Skipped("none answers, so `up` makes an embedded environment: %v", err)
		default:
			return check.Failed(check.Fix{Command: steps.EngineFix(err)}, "%v", err)
		}
	}}
}

// freePorts tells who holds the default ports, where there is no environment yet.
func (d *doctor) freePorts() check.Check {
	return check.Check{ID: "ports", Group: machine.Group, Question: "are the default ports free", Ask: func(ctx context.Context) check.Answer {
		for _, port := range []int{bootstrap.DefaultGatewayPort, bootstrap.DefaultIssuerPort} {
			if err := ports.Check(ctx, port); err != nil {
				return check.Warned(check.Fix{Command: d.Command("up --gateway-port PORT --issuer-port PORT")}, "%v; `up` takes the next free one", err)
			}
		}
		return check.OK("%d and %d are free", bootstrap.DefaultGatewayPort, bootstrap.DefaultIssuerPort)
	}}
}

// holds reports whether the environment may hold its ports itself: its process lives, or its containers were not stopped.
func (d *doctor) holds(ctx context.Context) bool {
	if d.kind() == bootstrap.ClusterKind {
		found, err := d.nodes(ctx)
		return err != nil || found != steps.ContainersStopped
	}
	_, alive, err := daemon.Look(d.Folder.Path)
	return err == nil && alive
}

// ports asks who holds the environment's ports while it does not.
func (d *doctor) ports() check.Check {
	return check.Check{ID: "ports", Group: groupPlace, Question: "are the environment's ports its own", Needs: []string{"engine"}, Ask: func(ctx context.Context) check.Answer {
		c := d.facts.Cluster
		if c.GatewayPort == 0 {
			return check.Skipped("none was given to it yet")
		}
		text := fmt.Sprintf("gateway %d, issuer %d", c.GatewayPort, c.IssuerPort)
		kind := d.kind() == bootstrap.ClusterKind
		if !kind && !d.facts.Cluster.Served() || d.holds(ctx) {
			return check.OK("%s", text)
		}
		for _, p := range []struct{ has, asked int }{{c.GatewayPort, d.env.Ports.Gateway}, {c.IssuerPort, d.env.Ports.Issuer}} {
			if p.has == 0 {
				continue
			}
			err := ports.Check(ctx, p.has)
			switch {
			case err == nil:
			case p.asked == p.has, kind: // containers keep the port that they were made with
				return check.Differ(check.Fix{Command: fmt.Sprintf("ss -ltnp 'sport = :%d'  # end it, or give `%s` another port", p.has, d.Command("up"))},
					fmt.Sprintf("port %d free", p.has), err.Error(), "the environment is stopped, and the port it was given belongs to another program")
			default:
				return check.Warned(d.up(), "%v; `up` takes the next free one", err)
			}
		}
		return check.OK("%s", text)
	}}
}

// process asks whether what serves the environment runs: a process of this program, or containers.
func (d *doctor) process() check.Check {
	c := check.Check{ID: "process", Group: groupPlace, Question: "does what serves the environment run", Needs: []string{"state", "engine", "ports"}}
	c.Ask = func(ctx context.Context) check.Answer {
		start := check.Fix{Command: d.Command("start"), Repair: check.RepairStart}
		switch {
		case d.kind() == bootstrap.ClusterKind:
			return d.containersRun(ctx, start)
		case !d.facts.Cluster.Served():
			return check.OK("the cluster is reached by itself")
		}
		status, alive, err := daemon.Look(d.Folder.Path)
		switch {
		case err != nil:
			return check.Failed(start, "%v", err)
		case !alive && status.State == daemon.Failed:
			return check.Failed(start, "the process ended: %s", status.Failure)
		case !alive:
			return check.Failed(start, "it is stopped: its process does not run")
		case status.State == daemon.Stopping:
			return check.Failed(start, "process %d was told to end and is about to", status.PID)
		case status.State != daemon.Usable && d.facts.Cluster.Kubeconfig == "":
			return check.Failed(d.up(), "process %d is %s, and `up` did not wait for it", status.PID, status.State)
		case status.State != daemon.Usable:
			return check.Failed(check.Fix{Command: d.Command("logs serve")}, "process %d is %s", status.PID, status.State)
		default:
			return check.OK("process %d", status.PID)
		}
	}
	return c
}

func (d *doctor) containersRun(ctx context.Context, start check.Fix) check.Answer {
	found, err := d.nodes(ctx)
	switch {
	case err != nil:
		return check.Failed(start, "%v", err)
	case found == steps.ContainersStopped:
		return check.Failed(start, "it is stopped: its containers do not run")
	case found == steps.ContainersGone:
		return check.Failed(d.up(), "cluster %s is gone", steps.KindName(d.facts.Name))
	default:
		return check.OK("the containers of %s run", steps.KindName(d.facts.Name))
	}
}

// api asks whether the API server answers, and whether its nodes are ready.
func (d *doctor) api() check.Check {
	fix := check.Fix{Command: d.Command("stop") + " && " + d.Command("start")}
	if d.kind() == bootstrap.ClusterExisting {
		fix = d.kubectl("version")
	}
	return check.Check{ID: "api", Group: groupPlace, Question: "does the Kubernetes API answer", Needs: []string{"process"}, Limit: soon, Silence: fix, Ask: func(ctx context.Context) check.Answer {
		if d.facts.Cluster.Kubeconfig == "" {
			return check.Failed(d.up(), "`up` did not come so far that it is known where the API server is")
		}
		nodes, ready, err := d.inspect.Ready(ctx)
		switch {
		case err != nil:
			return check.Failed(fix, "%v", err)
		case ready == 0:
			return check.Differ(d.kubectl("describe nodes"), "a ready node", fmt.Sprintf("%d nodes, none ready", nodes), "no node is ready")
		default:
			return check.OK("%s, %d of %d nodes ready", d.facts.Cluster.Version, ready, nodes)
		}
	}}
}

// cluster asks for what the cluster itself has to have.
func (d *doctor) cluster() []check.Check {
	needs := []string{"api"}
	return []check.Check{
		{ID: "kinds", Group: groupPlace, Question: "are the kinds of governance.aip.io those of this version", Needs: needs, Ask: func(ctx context.Context) check.Answer {
			return d.same("this version's", "the kinds of governance.aip.io differ", d.inspect.Kinds)(ctx)
		}},
		{ID: "dns", Group: groupPlace, Question: "does the cluster resolve names", Needs: needs, Ask: func(ctx context.Context) check.Answer {
			if !d.containers() {
				return check.Skipped("an embedded cluster resolves no names: its parts are in one process")
			}
			return d.dns(ctx)
		}},
		{ID: "images", Group: groupPlace, Question: "do the nodes have the images", Needs: needs, Ask: d.images},
	}
}

// dns asks for the pods that resolve names.
func (d *doctor) dns(ctx context.Context) check.Answer {
	var without *steps.DNSError
	err := d.inspect.DNS(ctx)
	switch {
	case err == nil:
		return check.OK("a pod of its DNS is ready")
	case errors.Is(err, steps.ErrUnseenDNS) && d.kind() == bootstrap.ClusterExisting:
		return check.Skipped("%v", err)
	case errors.As(err, &without) && without.Stopped:
		return check.Failed(roll(d.session, "scale --replicas=2 deployment/"+without.Deployment, without.Deployment, "kube-system"), "%v", err)
	case errors.As(err, &without) && without.Deployment != "":
		return check.Failed(roll(d.session, "rollout restart deployment/"+without.Deployment, without.Deployment, "kube-system"), "%v", err)
	default:
		return check.Failed(d.kubectl("get all -n kube-system -l k8s-app=kube-dns"), "%v", err)
	}
}

// images asks whether a pod waits in vain for its image.
func (d *doctor) images(ctx context.Context) check.Answer {
	type deployment struct {
		namespace, name string
		ask             func(context.Context) (steps.Rollout, error)
	}
	all := []deployment{{steps.Namespace, steps.GatewayDeployment, d.rollout}}
	if !d.external() {
		all = append(all, deployment{steps.IdentityNamespace, steps.IdentityName, d.inspect.Provider})
	}
	for _, each := range all {
		r, err := each.ask(ctx)
		if err != nil {
			return check.Failed(check.Fix{}, "%v", err)
		}
		if r.Unpulled != "" {
			return check.Differ(roll(d.session, "rollout undo deployment/"+each.name, each.name, each.namespace), "an image that the node can pull or has", r.Unpulled, "%s", r.Reason)
		}
	}
	return check.OK("no pod waits for one")
}

// same turns a comparison into an answer: "" is as it should be.
func (d *doctor) same(fine, wrong string, compare func(context.Context) (string, error)) func(context.Context) check.Answer {
	return func(ctx context.Context) check.Answer {
		drift, err := compare(ctx)
		switch {
		case err != nil:
			return check.Failed(d.up(), "%v", err)
		case drift != "":
			return check.Failed(d.up(), "%s: %s", wrong, drift)
		default:
			return check.OK("%s", fine)
		}
	}
}
