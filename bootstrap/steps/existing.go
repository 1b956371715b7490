package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/manifests"
)

// answerLimit is how long an API server may take to answer.
const answerLimit = 10 * time.Second

// ErrAPIServer says that the API server of a cluster that is there already does not answer as it should.
var ErrAPIServer = errors.New("the API server cannot be used")

// OtherClusterError says that the context leads to another cluster than the one the environment lives in.
type OtherClusterError struct{ Context, Was, Is string }

// Error names both servers.
func (e *OtherClusterError) Error() string {
	return fmt.Sprintf("context %s leads to %s, expected the cluster that the environment lives in, which was at %s", e.Context, e.Is, e.Was)
}

// existingCluster is a cluster that somebody else made. Only a copy of the way to it is ours.
type existingCluster struct {
	env  bootstrap.Environment
	deps Deps
}

func (existingCluster) Name() string { return clusterStep }

func (x existingCluster) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	way, err := x.deps.pick(x.env.Existing)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if facts, err = x.ask(ctx, facts, way); err != nil {
		return bootstrap.Observation{}, err
	}
	kept, err := way.kept(x.deps.ownKubeconfig())
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if !kept {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "the copy of the context is missing or old", Facts: facts}, nil
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: x.detail(facts), Facts: facts}, nil
}

func (existingCluster) detail(facts bootstrap.Facts) string {
	return fmt.Sprintf("context %s, kube-apiserver %s", facts.Cluster.Context, facts.Cluster.Version)
}

// Apply copies the context into the state folder. It makes nothing in the cluster.
func (x existingCluster) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	way, err := x.deps.pick(x.env.Existing)
	if err != nil {
		return facts, err
	}
	if facts, err = x.ask(ctx, facts, way); err != nil {
		return facts, err
	}
	if err := way.keep(x.deps.ownKubeconfig()); err != nil {
		return facts, err
	}
	report.Note("%s", x.detail(facts))
	return facts, nil
}

// ask learns which server a way leads to, and whether it is the one that the environment lives in.
func (x existingCluster) ask(ctx context.Context, facts bootstrap.Facts, way access) (bootstrap.Facts, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(way.content)
	if err != nil {
		return facts, fmt.Errorf("read context %s: %w", x.env.Existing.Context, err)
	}
	found, id, err := identify(ctx, config)
	if err != nil {
		return facts, fmt.Errorf("%w: %s of context %s: %w", ErrAPIServer, way.server, x.env.Existing.Context, err)
	}
	known := facts.Cluster
	if known.ID != "" && id != "" && known.ID != id || known.ID == "" && known.Server != "" && known.Server != way.server {
		return facts, &OtherClusterError{Context: x.env.Existing.Context, Was: known.Server, Is: way.server}
	}
	facts.Cluster.Kind = bootstrap.ClusterExisting
	facts.Cluster.Kubeconfig, facts.Cluster.Context = x.deps.ownKubeconfig(), x.env.Existing.Context
	facts.Cluster.Server, facts.Cluster.Version, facts.Cluster.APIPort = way.server, found, 0
	if id != "" {
		facts.Cluster.ID = id
	}
	return facts, oldEnough(found)
}

// identify returns the version of an API server and the uid of its namespace kube-system, "" when that may not be read.
func identify(ctx context.Context, config *rest.Config) (version, id string, err error) {
	config = rest.CopyConfig(config)
	config.Timeout = answerLimit
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", "", err
	}
	info, err := client.Discovery().ServerVersion()
	if err != nil {
		return "", "", err
	}
	system, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return info.GitVersion, "", ctx.Err() // who may not read it is told apart by the server's URL alone
	}
	return info.GitVersion, string(system.UID), nil
}

// oldEnough refuses a server that the chart does not support.
func oldEnough(found string) error {
	have, err := version.ParseGeneric(found)
	if err != nil {
		return fmt.Errorf("%w: read its version: %w", ErrAPIServer, err)
	}
	oldest, err := version.ParseGeneric(manifests.OldestKubernetes())
	if err != nil {
		return fmt.Errorf("read the oldest version that the chart supports: %w", err)
	}
	if have.LessThan(oldest) {
		return fmt.Errorf("%w: it is Kubernetes %s, expected %s or newer", ErrAPIServer, found, oldest)
	}
	return nil
}

// Renew copies the context again if it still leads to the environment's server: credentials may have expired since. When
// the context cannot be read, the copy of the last time has to do.
func Renew(e bootstrap.Environment, d Deps, facts bootstrap.Facts) error {
	way, err := d.pick(e.Existing)
	if err != nil || way.server != facts.Cluster.Server {
		return nil //nolint:nilerr // see above
	}
	return way.keep(d.ownKubeconfig())
}
