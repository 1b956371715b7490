// Package steps is the plan of an environment: one file per step, thin glue from the description and the facts to an
// adapter. `up`, `start`, `status` and `down` run it through the engine of package bootstrap.
package steps

import (
	"context"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
)

// Names of what the chart and the manifests make.
const (
	Namespace         = "aip-k8s-system"
	Release           = "aip-k8s"
	GatewayDeployment = "aip-k8s-gateway"
	IdentityNamespace = "keycloak"
	IdentityName      = "keycloak"
)

// Deps are what the steps cannot do by themselves.
type Deps struct {
	// Dir is the state folder of the environment.
	Dir string
	// Reserved are the ports of other environments on this machine, which may be stopped, and the names of these.
	Reserved map[int]string
	// Engine names the container engine to use, as KIND_EXPERIMENTAL_PROVIDER does for kind; empty means any.
	Engine string
	// Bundle is where the images of a kind cluster come from; nil means the engine and the registries.
	Bundle *images.Bundle
	// RolloutLimit is how long a Deployment may take to become available; 0 means DefaultRolloutLimit.
	RolloutLimit time.Duration
	// Program and ServeArgs start the serving copy of this program.
	Program   string
	ServeArgs func(ports Ports) []string
	// ForwardArgs start a copy of this program that carries connections into a cluster; of goes into its status.
	ForwardArgs func(ports Ports, of string) []string
	// Kubeconfigs are the user's kubeconfig files, in the order in which kubectl merges them.
	Kubeconfigs []string
	// Prove sends a request the whole way, from a token to a decision, and takes it away again.
	Prove func(ctx context.Context, facts bootstrap.Facts, note func(string)) error
	// Reach asks the gateway whether it is ready; for environments of which no token can be had.
	Reach func(ctx context.Context, facts bootstrap.Facts) error
	// Unminted is what an error of Prove wraps when the provider gives no tokens for client credentials as they were
	// asked for.
	Unminted error
	// Unreachable is what an error of Prove and Whoami wraps when the gateway could not be reached.
	Unreachable error
	// Whoami asks the gateway who the named client is, with a fresh token, and returns its role.
	Whoami func(ctx context.Context, facts bootstrap.Facts, client string) (role string, err error)
	// Now is the clock.
	Now func() time.Time
}

// Ports are the ports on loopback that an embedded cluster listens on.
type Ports struct{ API, Gateway, Issuer int }

// Embedded returns the plan of an environment without containers.
func Embedded(e bootstrap.Environment, d Deps) bootstrap.Plan {
	return bootstrap.Plan{
		// Is there room: memory, disk, a state folder that fits a socket.
		bootstrap.Then(preflight{dir: d.Dir}),
		// kube-apiserver, etcd, controllers and the node, in a process of their own.
		bootstrap.Then(cluster{env: e, deps: d}),
		bootstrap.Together(
			// The kinds of governance.aip.io.
			resources{},
			// The OIDC provider, its realm and clients, and the Secrets that hold the clients' secrets.
			identity{env: e, deps: d},
		),
		// The chart, and the gateway available.
		bootstrap.Then(gateway{env: e, deps: d}),
		// The sample SafetyPolicies.
		bootstrap.Then(policies{wanted: e.SamplePolicies, now: d.Now}),
		// A token, a request and a decision, the whole way.
		bootstrap.Then(proof{env: e, deps: d}),
	}
}

// InContainers returns the plan of an environment in a kind cluster.
func InContainers(e bootstrap.Environment, d Deps) bootstrap.Plan {
	shared := newContainers(e, d)
	return bootstrap.Plan{
		// Does the engine answer, and is there room: memory, disk, inotify.
		bootstrap.Then(kindPreflight{shared: shared, proc: "/proc", program: madeInto(e, d)}),
		// When there is a bundle: is it for this machine, and as it was written.
		bundled(d, shared),
		bootstrap.Together(
			// One node in a container, with ports of this machine that lead to the gateway and the provider.
			kindCluster{env: e, deps: d, shared: shared},
			// The gateway's image, made of this program, and the provider's, while the control plane starts.
			kindImages{env: e, deps: d, shared: shared},
		),
		bootstrap.Together(resources{}, identity{env: e, deps: d}),
		bootstrap.Then(gateway{env: e, deps: d}),
		bootstrap.Then(policies{wanted: e.SamplePolicies, now: d.Now}),
		bootstrap.Then(proof{env: e, deps: d}),
	}
}

// InExisting returns the plan of an environment in a cluster that somebody else made. Its steps make nothing before
// Preview was shown to the user, write over nothing that is not theirs, and take away what they made and nothing else.
func InExisting(e bootstrap.Environment, d Deps) bootstrap.Plan {
	clients := ownIdentity{identity{env: e, deps: d}}
	var idp bootstrap.Step = clients
	if e.External() {
		idp = externalIdentity{env: e, deps: d, own: clients}
	}
	return bootstrap.Plan{
		// A copy of the context, and does its API server answer.
		bootstrap.Then(existingCluster{env: e, deps: d}),
		// May everything be made, and is nothing of others in the way.
		bootstrap.Then(existingPreflight{env: e, deps: d}),
		// Ports of this machine that lead to the gateway and the provider, in a process of its own.
		bootstrap.Then(forwarding{env: e, deps: d}),
		bootstrap.Together(ownResources{}, idp),
		bootstrap.Then(ownGateway{gateway{env: e, deps: d}}),
		bootstrap.Then(ownPolicies{policies{wanted: e.SamplePolicies, now: d.Now}}),
		bootstrap.Then(proof{env: e, deps: d}),
	}
}

// kube returns the administrator's access to the cluster.
func kube(f bootstrap.Facts) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", f.Cluster.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return config, nil
}
