package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

const (
	// goneEvery is how often a deleted object is looked for until it is gone.
	goneEvery = 100 * time.Millisecond
	// lookers is how many kinds of a namespace are looked through at once.
	lookers = 8
)

// Kind is a kind of object to look for. Namespace is empty for kinds of the whole cluster.
type Kind struct {
	Resource  schema.GroupVersionResource
	Namespace string
}

// Remove deletes the objects of kinds that carry the owner's marks, in the order of kinds, and returns what it
// deleted as "resource namespace/name". Kinds that the server does not know are passed over. It does not wait.
func (o Owner) Remove(ctx context.Context, cfg *rest.Config, kinds ...Kind) ([]string, error) {
	if o.alone() {
		return nil, nil // nothing carries marks
	}
	client, err := metadata.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a metadata client: %w", err)
	}
	var removed []string
	for _, kind := range kinds {
		in := client.Resource(kind.Resource).Namespace(kind.Namespace)
		found, err := in.List(ctx, metav1.ListOptions{LabelSelector: o.Selector()})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("list %s: %w", kind.Resource.Resource, err)
		}
		for i := range found.Items {
			if err := deleteExactly(ctx, in, &found.Items[i]); err != nil {
				return removed, fmt.Errorf("delete %s %s: %w", kind.Resource.Resource, found.Items[i].Name, err)
			}
			removed = append(removed, place(kind, found.Items[i].Name))
		}
	}
	return removed, nil
}

func place(kind Kind, name string) string {
	if kind.Namespace != "" {
		name = kind.Namespace + "/" + name
	}
	return kind.Resource.Resource + " " + name
}

// deleteExactly deletes the object that was looked at, and no other that took its name meanwhile. One that is gone
// already is no error.
func deleteExactly(ctx context.Context, in metadata.ResourceInterface, object *metav1.PartialObjectMetadata) error {
	background := metav1.DeletePropagationBackground
	err := in.Delete(ctx, object.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &object.UID}, PropagationPolicy: &background,
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// RemoveOne deletes the object of this name if it carries the owner's marks, and waits until it is gone.
func (o Owner) RemoveOne(ctx context.Context, cfg *rest.Config, kind Kind, name string) (removed bool, err error) {
	client, err := metadata.NewForConfig(cfg)
	if err != nil {
		return false, fmt.Errorf("make a metadata client: %w", err)
	}
	in := client.Resource(kind.Resource).Namespace(kind.Namespace)
	object, err := in.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s: %w", place(kind, name), err)
	case !o.Owns(object.Labels):
		return false, nil
	}
	if err := deleteExactly(ctx, in, object); err != nil {
		return false, fmt.Errorf("delete %s: %w", place(kind, name), err)
	}
	return true, waitGone(ctx, in, place(kind, name), name)
}

// waitGone waits until an object is gone.
func waitGone(ctx context.Context, in metadata.ResourceInterface, what, name string) error {
	err := wait.PollUntilContextCancel(ctx, goneEvery, true, func(ctx context.Context) (bool, error) {
		_, err := in.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("wait for the end of %s: %w", what, err)
	}
	return nil
}

// RemoveNamespace deletes the namespace if it carries the owner's marks and nothing of others is in it, and waits until
// it is gone. It returns false and what is in the way when it stays: a namespace of others, or things of others in it.
func (o Owner) RemoveNamespace(ctx context.Context, cfg *rest.Config, name string) (gone bool, why []string, err error) {
	client, err := metadata.NewForConfig(cfg)
	if err != nil {
		return false, nil, fmt.Errorf("make a metadata client: %w", err)
	}
	namespaces := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	object, err := namespaces.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil, nil
	case err != nil:
		return false, nil, fmt.Errorf("read namespace %s: %w", name, err)
	case !o.Owns(object.Labels):
		return false, nil, nil
	}
	if object.DeletionTimestamp == nil {
		if why, err = o.strangers(ctx, cfg, client, name); err != nil || len(why) > 0 {
			return false, why, err
		}
		if err := deleteExactly(ctx, namespaces, object); err != nil {
			return false, nil, fmt.Errorf("delete namespace %s: %w", name, err)
		}
	}
	if err := waitGone(ctx, namespaces, "namespace "+name, name); err != nil {
		return false, nil, err
	}
	return true, nil, nil
}

// strangers returns what others put into a namespace, and the kinds that cannot be looked through.
func (o Owner) strangers(ctx context.Context, cfg *rest.Config, client metadata.Interface, namespace string) ([]string, error) {
	disc, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	lists, err := disc.ServerPreferredNamespacedResourcesWithContext(ctx)
	if err != nil && len(lists) == 0 {
		return nil, fmt.Errorf("list the kinds of the cluster: %w", err)
	}
	var found []string
	if err != nil {
		found = append(found, "kinds that cannot be looked at: "+err.Error())
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	free := make(chan struct{}, lookers)
	for _, kind := range listable(lists) {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			others := o.othersOf(ctx, client, Kind{kind, namespace})
			mu.Lock()
			found = append(found, others...)
			mu.Unlock()
		})
	}
	all.Wait()
	slices.Sort(found)
	return found, ctx.Err()
}

// listable returns the kinds that hold objects of their own. Events and endpoints come from what they are about.
func listable(lists []*metav1.APIResourceList) []schema.GroupVersionResource {
	var out []schema.GroupVersionResource
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // not a group version, so nothing can be asked for
		}
		for _, r := range list.APIResources {
			follows := r.Name == "events" || r.Name == "endpoints"
			if slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "delete") && !strings.Contains(r.Name, "/") && !follows {
				out = append(out, gv.WithResource(r.Name))
			}
		}
	}
	return out
}

func (o Owner) othersOf(ctx context.Context, client metadata.Interface, kind Kind) []string {
	list, err := client.Resource(kind.Resource).Namespace(kind.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return nil
	}
	if err != nil {
		return []string{fmt.Sprintf("%s that cannot be looked at: %v", kind.Resource.Resource, err)}
	}
	var found []string
	for i := range list.Items {
		if object := &list.Items[i]; !o.follows(kind, object) {
			found = append(found, place(kind, object.Name))
		}
	}
	return found
}

// follows reports whether an object is the owner's, belongs to another object, or comes with every namespace.
func (o Owner) follows(kind Kind, object *metav1.PartialObjectMetadata) bool {
	switch {
	case len(object.OwnerReferences) > 0, object.DeletionTimestamp != nil:
		return true
	case object.Labels[LabelManagedBy] == managedBy && (o.Owns(object.Labels) || object.Labels[LabelEnvironment] == ""):
		return true
	case kind.Resource.Resource == "serviceaccounts":
		return object.Name == "default"
	case kind.Resource.Resource == "configmaps":
		return object.Name == "kube-root-ca.crt"
	default:
		return false
	}
}
