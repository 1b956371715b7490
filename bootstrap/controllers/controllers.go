// Package controllers runs the parts of kube-controller-manager that an embedded cluster needs, unchanged, in this
// process: deployments, replica sets, service accounts, namespaces and garbage collection. The serving process calls
// it with the cluster administrator's configuration.
package controllers

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

// The sizes of a cluster for one developer; kube-controller-manager's defaults are for thousands of nodes.
const (
	workers         = 2
	collectors      = 2
	initialMonitors = 30 * time.Second
	rediscover      = 30 * time.Second
)

// controller runs until its context ends.
type controller func(ctx context.Context)

// Run runs all controllers until ctx ends and returns when every one of them has. The error says which one could not
// be made; then none runs. Objects of the kinds in unowned have no owner, so garbage collection need not know them.
func Run(ctx context.Context, config *rest.Config, unowned ...schema.GroupResource) error {
	config = rest.AddUserAgent(rest.CopyConfig(config), "controllers")
	config.QPS = -1 // one process for one developer: the server is the limit
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for the controllers: %w", err)
	}
	shared := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutManagedFields))
	workloads, err := workloadControllers(ctx, client, shared)
	if err != nil {
		return err
	}
	cleanup, err := cleanupControllers(ctx, config, client, shared, unowned)
	if err != nil {
		return err
	}
	shared.Start(ctx.Done())
	var all sync.WaitGroup
	for _, run := range append(workloads, cleanup...) {
		all.Go(func() { run(ctx) })
	}
	all.Wait()
	shared.Shutdown()
	return nil
}

// workloadControllers turn Deployments into pods and give each namespace its default service account.
func workloadControllers(ctx context.Context, client kubernetes.Interface, shared informers.SharedInformerFactory) ([]controller, error) {
	apps, core := shared.Apps().V1(), shared.Core().V1()
	deployments, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), core.Pods(), client)
	if err != nil {
		return nil, fmt.Errorf("make the deployment controller: %w", err)
	}
	sets := replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), core.Pods(), client, replicaset.BurstReplicas)
	accounts, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), core.ServiceAccounts(), core.Namespaces(),
		client, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, fmt.Errorf("make the service account controller: %w", err)
	}
	return []controller{
		func(ctx context.Context) { deployments.Run(ctx, workers) },
		func(ctx context.Context) { sets.Run(ctx, workers) },
		func(ctx context.Context) { accounts.Run(ctx, workers) },
	}, nil
}

// cleanupControllers empty namespaces that are deleted and collect objects whose owner is gone.
func cleanupControllers(
	ctx context.Context, config *rest.Config, client kubernetes.Interface, shared informers.SharedInformerFactory,
	unowned []schema.GroupResource,
) ([]controller, error) {
	partial, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a metadata client for the controllers: %w", err)
	}
	namespaces := namespace.NewNamespaceController(ctx, client, partial, client.Discovery().ServerPreferredNamespacedResources,
		shared.Core().V1().Namespaces(), 0, corev1.FinalizerKubernetes)

	monitors := metadatainformer.NewSharedInformerFactoryWithOptions(partial, 0, metadatainformer.WithTransform(withoutManagedFields))
	mapper := meta.ResettableRESTMapper(restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())))
	started := make(chan struct{})
	collector, err := garbagecollector.NewGarbageCollector(ctx, client, partial, mapper,
		notCollected(unowned), informerfactory.NewInformerFactory(shared, monitors), started)
	if err != nil {
		return nil, fmt.Errorf("make the garbage collector: %w", err)
	}
	return []controller{
		func(ctx context.Context) { namespaces.Run(ctx, workers) },
		func(ctx context.Context) {
			monitors.Start(ctx.Done())
			defer monitors.Shutdown()
			close(started)
			collector.Run(ctx, collectors, initialMonitors)
		},
		// New kinds, such as those of a chart, are found by asking again.
		func(ctx context.Context) { collector.Sync(ctx, client.Discovery(), rediscover) },
	}, nil
}

// notCollected are the kinds that garbage collection does not look at: unowned and those that Kubernetes leaves out.
func notCollected(unowned []schema.GroupResource) map[schema.GroupResource]struct{} {
	out := maps.Clone(garbagecollector.DefaultIgnoredResources())
	for _, kind := range unowned {
		out[kind] = struct{}{}
	}
	return out
}

// withoutManagedFields saves the memory of what no controller here reads.
func withoutManagedFields(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}
