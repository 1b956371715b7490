package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/bootstrap/release"
	"github.com/aip-dev/aip-dev/manifests"
)

const (
	// removeLimit is how long an object, or the pods of a Deployment, may take to be gone.
	removeLimit = 2 * time.Minute
	removeEvery = 200 * time.Millisecond
	// lease is what the gateway's replicas agree by; they make it themselves.
	lease = "aip-gateway.governance.aip.io"
	// lockLabel marks the leases that are locks on the targets of requests under way (package store).
	lockLabel = "governance.aip.io/managed-by=aip-controller"
	// gatewayManager is the field manager of what the gateway writes.
	gatewayManager = "aip-gateway"
)

// ownerOf returns whose marks the objects of an environment carry: nobody's in a cluster of its own.
func ownerOf(facts bootstrap.Facts) objects.Owner {
	if facts.Cluster.Kind != bootstrap.ClusterExisting {
		return objects.Owner{}
	}
	return objects.Owner{Environment: facts.Name}
}

func core(resource, namespace string) objects.Kind {
	return objects.Kind{Resource: corev1.SchemeGroupVersion.WithResource(resource), Namespace: namespace}
}

func deployments(namespace string) objects.Kind {
	return objects.Kind{Resource: appsv1.SchemeGroupVersion.WithResource("deployments"), Namespace: namespace}
}

func governance(resource, namespace string) objects.Kind {
	group := schema.GroupVersion{Group: "governance.aip.io", Version: "v1alpha1"}
	return objects.Kind{Resource: group.WithResource(resource), Namespace: namespace}
}

func definitions() objects.Kind {
	return objects.Kind{Resource: schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}}
}

// ownPolicies are the sample policies in a cluster of others.
type ownPolicies struct{ policies }

// Remove deletes the sample policies.
func (ownPolicies) Remove(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	config, err := kube(facts)
	if err != nil {
		return err
	}
	removed, err := ownerOf(facts).Remove(ctx, config, governance("safetypolicies", policyNamespace))
	tell(report, removed)
	return err
}

func tell(report bootstrap.Reporter, removed []string) {
	for _, object := range removed {
		report.Note("deleted %s", object)
	}
}

// ownGateway is the chart in a cluster of others.
type ownGateway struct{ gateway }

// Remove uninstalls the release if it is this environment's, and what its pods made.
func (g ownGateway) Remove(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	m, err := g.manager(facts, func(format string, args ...any) { report.Output(fmt.Sprintf(format, args...)) })
	if err != nil {
		return err
	}
	state, err := m.Observe(ctx, Release, g.spec(facts))
	if err != nil {
		return err
	}
	if state.Phase == release.Absent {
		return nil
	}
	if foreign := notOurs(facts, state); foreign != nil {
		report.Warn("%v; it stays", foreign)
		return nil
	}
	report.Note("uninstalling Helm release %s", Release)
	if err := m.Remove(ctx, Release); err != nil {
		return err
	}
	config, err := kube(facts)
	if err != nil {
		return err
	}
	return removeLeases(ctx, config, report)
}

// removeLeases deletes the lease that the gateways elected by, and the locks of requests under way, once no pod is left that could
// make them again.
func removeLeases(ctx context.Context, config *rest.Config, report bootstrap.Reporter) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	report.Note("waiting for the end of its pods")
	limited, cancel := context.WithTimeout(ctx, removeLimit)
	defer cancel()
	only := metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=gateway,app.kubernetes.io/instance=" + Release}
	err = wait.PollUntilContextCancel(limited, removeEvery, true, func(ctx context.Context) (bool, error) {
		pods, err := client.CoreV1().Pods(Namespace).List(ctx, only)
		return err == nil && len(pods.Items) == 0, err
	})
	if err != nil {
		return fmt.Errorf("wait for the end of the gateway's pods: %w", err)
	}
	leases := client.CoordinationV1().Leases(Namespace)
	locks, err := leases.List(ctx, metav1.ListOptions{LabelSelector: lockLabel})
	if err != nil {
		return fmt.Errorf("list the gateways' locks: %w", err)
	}
	names := []string{lease}
	for i := range locks.Items {
		names = append(names, locks.Items[i].Name)
	}
	for _, name := range names {
		if err := leases.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete lease %s: %w", name, err)
		}
	}
	return nil
}

// dynamicOf returns a maker of clients for one kind.
func dynamicOf(kind schema.GroupVersionResource) func(*rest.Config) (dynamic.NamespaceableResourceInterface, error) {
	return func(config *rest.Config) (dynamic.NamespaceableResourceInterface, error) {
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("make a client of the API server: %w", err)
		}
		return client.Resource(kind), nil
	}
}

// ownIdentity is a Keycloak in a cluster of others.
type ownIdentity struct{ identity }

// Remove deletes the provider, the clients' Secrets, and the namespaces in which nobody else has anything.
func (ownIdentity) Remove(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	config, err := kube(facts)
	if err != nil {
		return err
	}
	owner := ownerOf(facts)
	removed, err := owner.Remove(ctx, config,
		deployments(IdentityNamespace), core("services", IdentityNamespace), core("secrets", IdentityNamespace), core("secrets", Namespace))
	tell(report, removed)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, removeLimit)
	defer cancel()
	for _, name := range []string{IdentityNamespace, Namespace} {
		report.Note("namespace %s", name)
		gone, others, err := owner.RemoveNamespace(limited, config, name)
		if err != nil {
			return err
		}
		if !gone && len(others) > 0 {
			report.Warn("namespace %s stays, because others have things in it: %s", name, some(others))
		}
	}
	return nil
}

// some names the first few of many.
func some(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// ownResources are the kinds of governance.aip.io in a cluster of others.
type ownResources struct{ resources }

// Remove deletes the definitions that this environment made, unless others have objects of them.
func (ownResources) Remove(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	config, err := kube(facts)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, removeLimit)
	defer cancel()
	for _, resource := range manifests.Kinds() {
		name := resource + ".governance.aip.io"
		ours, others, err := usersOf(limited, config, resource, facts)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			report.Warn("definition %s stays, because others use it: %s", name, some(others))
		} else {
			removed, err := ownerOf(facts).RemoveOne(limited, config, definitions(), name)
			if err != nil {
				return err
			}
			if removed {
				report.Note("deleted definition %s and %d objects of it", name, len(ours))
				continue
			}
		}
		if len(ours) > 0 {
			report.Warn("%d %s of this environment stay, because their definition does: %s", len(ours), resource, some(ours))
		}
	}
	return nil
}

// usersOf returns the objects of a kind: those that came through this environment's gateway from its clients, and
// those of others.
func usersOf(ctx context.Context, config *rest.Config, resource string, facts bootstrap.Facts) (ours, others []string, err error) {
	in, err := dynamicOf(governance(resource, "").Resource)(config)
	if err != nil {
		return nil, nil, err
	}
	list, err := in.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", resource, err)
	}
	for i := range list.Items {
		object := &list.Items[i]
		name := strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
		if ownerOf(facts).Owns(object.GetLabels()) || cameThrough(object, facts) {
			ours = append(ours, name)
		} else {
			others = append(others, name)
		}
	}
	return ours, others, nil
}

// cameThrough reports whether the gateway made an object for one of the environment's clients.
func cameThrough(object *unstructured.Unstructured, facts bootstrap.Facts) bool {
	agent, _, err := unstructured.NestedString(object.Object, "spec", "agentIdentity")
	if err != nil {
		return false
	}
	made := slices.ContainsFunc(object.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == gatewayManager && f.Subresource == ""
	})
	return made && slices.ContainsFunc(facts.Identity.Clients, func(c bootstrap.ClientFacts) bool { return c.ID == agent })
}
