package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/bootstrap/release"
	"github.com/aip-dev/aip-dev/manifests"
)

// Inspector looks at single parts of an environment that was made, for checks that have to tell one fault from another. It
// only reads.
type Inspector struct {
	env   bootstrap.Environment
	deps  Deps
	facts bootstrap.Facts
}

// NewInspector returns an Inspector of e, as facts know it.
func NewInspector(e bootstrap.Environment, d Deps, facts bootstrap.Facts) Inspector {
	return Inspector{e, d, facts}
}

func (i Inspector) kube() (*kubernetes.Clientset, error) {
	config, err := kube(i.facts)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of the API server: %w", err)
	}
	return client, nil
}

// Ready says whether the API server answers that it is ready, and how many nodes are there and ready.
func (i Inspector) Ready(ctx context.Context) (nodes, ready int, err error) {
	client, err := i.kube()
	if err != nil {
		return 0, 0, err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, 0, fmt.Errorf("ask the API server: %w", err)
	}
	for n := range list.Items {
		for _, c := range list.Items[n].Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return len(list.Items), ready, nil
}

// Kinds says how the kinds of governance.aip.io differ from those of this program, "" when they do not.
func (i Inspector) Kinds(ctx context.Context) (string, error) {
	config, err := kube(i.facts)
	if err != nil {
		return "", err
	}
	differences, err := ownerOf(i.facts).CompareCRDs(ctx, config, manifests.CRDs())
	if err != nil || len(differences) == 0 {
		return "", err
	}
	if differences[0].Foreign != nil {
		return "", differences[0].Foreign
	}
	return differences[0].String(), nil
}

// Realm says how the realm and its clients differ from the described ones. An external provider is not asked.
func (i Inspector) Realm(ctx context.Context) (keycloak.Diff, error) {
	if i.facts.Identity.External {
		return keycloak.Diff{}, nil
	}
	config, err := kube(i.facts)
	if err != nil {
		return keycloak.Diff{}, err
	}
	id := identity{env: i.env, deps: i.deps}
	if err := id.recall(ctx, config, i.facts); err != nil {
		return keycloak.Diff{}, err
	}
	return id.admin(i.facts).Observe(ctx, id.realm(i.facts))
}

// Secrets returns the described clients whose Secret is not there or empty. Clients whose secret nobody told have none.
func (i Inspector) Secrets(ctx context.Context) ([]string, error) {
	client, err := i.kube()
	if err != nil {
		return nil, err
	}
	list, err := client.CoreV1().Secrets(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the secrets of clients: %w", err)
	}
	var missing []string
	for _, c := range i.facts.Identity.Clients {
		there := slices.ContainsFunc(list.Items, func(s corev1.Secret) bool {
			return s.Name == c.Secret && len(s.Data[bootstrap.ClientSecretKey]) > 0
		})
		if c.Secret != "" && !there {
			missing = append(missing, c.ID)
		}
	}
	return missing, nil
}

// Chart compares the gateway's release with what it should be. A Phase of Ready says nothing about pods.
func (i Inspector) Chart(ctx context.Context) (release.State, error) {
	g := gateway{env: i.env, deps: i.deps}
	m, err := g.manager(i.facts, func(string, ...any) {})
	if err != nil {
		return release.State{}, err
	}
	return m.Observe(ctx, Release, g.spec(i.facts))
}

// ChartDrift says how the gateway's release differs from what it should be, "" when it does not, and which chart it is of.
func (i Inspector) ChartDrift(ctx context.Context) (drift, chart string, err error) {
	s, err := i.Chart(ctx)
	switch {
	case err != nil:
		return "", "", err
	case s.Phase == release.Absent:
		return "release " + Release + " is not installed", "", nil
	case s.Phase != release.Ready:
		return s.Detail, s.Chart + " " + s.ChartVersion, nil
	default:
		return "", s.Chart + " " + s.ChartVersion, nil
	}
}

// Absent returns the described clients that the list of their role in the chart's values does not name.
func (i Inspector) Absent(ctx context.Context) (clients []bootstrap.ClientFacts, err error) {
	roles, err := Subjects(ctx, i.deps, i.facts)
	if err != nil {
		return nil, err
	}
	for _, c := range i.facts.Identity.Clients {
		if !slices.Contains(roles[c.Role], c.ID) {
			clients = append(clients, c)
		}
	}
	return clients, nil
}

// Policies says which sample policy is not as described, "" when all are or none are wanted.
func (i Inspector) Policies(ctx context.Context) (string, error) {
	seen, err := (policies{wanted: i.env.SamplePolicies, now: i.deps.Now}).Observe(ctx, i.facts)
	if err != nil || seen.State == bootstrap.Ready {
		return "", err
	}
	return seen.Detail, nil
}

// Rollout is how far a Deployment is.
type Rollout struct {
	// Absent says that there is no such Deployment.
	Absent bool
	// Stopped says that it is to have no pods.
	Stopped bool
	// Paused says that its pods stay as they were before it was changed.
	Paused bool
	// Available says that its newest template is the one that serves, and Serves that a pod of any template does.
	Available, Serves bool
	// Underway says that its newest template is on its way, nothing about it failed so far, and pods of before serve meanwhile.
	Underway bool
	// Reason is what its newest pod says, when it is not available.
	Reason string
	// Unpulled is the image that a node cannot pull, "" when that is not the reason.
	Unpulled string
}

// Gateway says how far the gateway's Deployment is.
func (i Inspector) Gateway(ctx context.Context) (Rollout, error) {
	return i.rollout(ctx, Namespace, GatewayDeployment)
}

// Provider says how far the identity provider's Deployment is.
func (i Inspector) Provider(ctx context.Context) (Rollout, error) {
	return i.rollout(ctx, IdentityNamespace, IdentityName)
}

func (i Inspector) rollout(ctx context.Context, namespace, name string) (Rollout, error) {
	config, err := kube(i.facts)
	if err != nil {
		return Rollout{}, err
	}
	d, ok, err := rolledOut(ctx, config, namespace, name)
	if err == nil && d != nil && d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		return Rollout{Stopped: true, Reason: "it is scaled to 0"}, nil
	}
	if err != nil || ok || d == nil {
		return Rollout{Absent: d == nil && err == nil, Available: ok, Serves: ok}, err
	}
	client, err := i.kube()
	if err != nil {
		return Rollout{}, err
	}
	pod := lookAtPod(ctx, client, namespace, name)
	if unknown, ok := strings.CutPrefix(pod.reason, "image ["); ok && pod.unpulled == "" { // an embedded node refuses the pod
		pod.unpulled, _, _ = strings.Cut(unknown, "]")
	}
	r := Rollout{Reason: pod.reason, Unpulled: pod.unpulled, Paused: d.Spec.Paused, Serves: d.Status.ReadyReplicas > 0}
	r.Underway = r.Serves && pod.starting && !r.Paused
	return r, nil
}

// DNSError says that a cluster resolves no names.
type DNSError struct {
	// Deployment is the one in kube-system whose pods would resolve them, "" when there is none under the usual label.
	Deployment string
	// Stopped says that it is to have no pods.
	Stopped bool
}

// Error says what is missing.
func (e *DNSError) Error() string {
	if e.Stopped {
		return "the cluster's DNS, deployment " + e.Deployment + ", is scaled to 0"
	}
	return "no pod of the cluster's DNS is ready"
}

// dnsSelector finds what belongs to the DNS of a cluster.
// Source: https://kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution/
func dnsSelector() metav1.ListOptions { return metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"} }

// ErrUnseenDNS says that a cluster has no DNS under the usual label; it may have one under another.
var ErrUnseenDNS = errors.New("the cluster has no DNS under the label k8s-app=kube-dns")

// DNS says whether the cluster resolves names: whether a pod of its DNS is ready. An embedded cluster has none. The error is
// a *DNSError when it does not.
func (i Inspector) DNS(ctx context.Context) error {
	client, err := i.kube()
	if err != nil {
		return err
	}
	slices, err := client.DiscoveryV1().EndpointSlices("kube-system").List(ctx, dnsSelector())
	if err != nil {
		return fmt.Errorf("look at the cluster's DNS: %w", err)
	}
	for s := range slices.Items {
		for _, e := range slices.Items[s].Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				return nil
			}
		}
	}
	if len(slices.Items) == 0 {
		return ErrUnseenDNS
	}
	deployments, err := client.AppsV1().Deployments("kube-system").List(ctx, dnsSelector())
	if err != nil || len(deployments.Items) == 0 {
		return errors.Join(&DNSError{}, err)
	}
	d := deployments.Items[0]
	return &DNSError{Deployment: d.Name, Stopped: d.Spec.Replicas != nil && *d.Spec.Replicas == 0}
}
