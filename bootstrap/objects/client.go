package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// client applies objects one after another. It is not safe for use by several goroutines.
type client struct {
	dynamic   dynamic.Interface
	discovery *discovery.DiscoveryClient
	namespace string
	owner     Owner
	kinds     map[schema.GroupVersionKind]metav1.APIResource
}

// outcome is what applying one object came to.
type outcome int

const (
	unchanged outcome = iota
	created
	updated
	kept
	foreign
)

// applied is an outcome with the object as the server holds it now.
type applied struct {
	outcome outcome
	live    *unstructured.Unstructured
}

func newClient(cfg *rest.Config, namespace string, owner Owner) (*client, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1 // a handful of requests; the server has its own limits
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	disc, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a discovery client: %w", err)
	}
	return &client{
		dynamic: dyn, discovery: disc, namespace: namespace, owner: owner, kinds: map[schema.GroupVersionKind]metav1.APIResource{},
	}, nil
}

// apply brings obj about. It asks the server first what would change (a dry run), so that it writes nothing when
// nothing differs. With force, fields that others own are taken over; without, the object is kept as it is.
func (c *client) apply(ctx context.Context, obj *unstructured.Unstructured, force bool) (applied, error) {
	res, err := c.resource(ctx, obj)
	if err != nil {
		return applied{}, err
	}
	found, err := c.compare(ctx, res, obj, force)
	if err != nil {
		return applied{}, err
	}
	switch found.outcome {
	case unchanged, kept:
		return found, nil
	case foreign:
		if !c.owner.PassOver {
			return applied{}, foreignError(found.live)
		}
		return found, nil
	case created, updated:
	}
	obj = c.owner.mark(obj)
	live, err := res.Apply(ctx, obj.GetName(), obj, metav1.ApplyOptions{FieldManager: FieldManager, Force: force})
	if err != nil {
		return applied{}, fmt.Errorf("apply %s: %w", describe(obj), err)
	}
	return applied{found.outcome, live}, nil
}

// compare says what applying obj would come to.
func (c *client) compare(ctx context.Context, res dynamic.ResourceInterface, obj *unstructured.Unstructured, force bool) (applied, error) {
	live, err := res.Get(ctx, obj.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return applied{outcome: created}, nil
	}
	if err != nil {
		return applied{}, fmt.Errorf("read %s: %w", describe(obj), err)
	}
	if !c.owner.alone() && !c.owner.Owns(live.GetLabels()) {
		return applied{c.owner.foreign(live, obj), live}, nil
	}
	obj = c.owner.mark(obj)
	opts := metav1.ApplyOptions{FieldManager: FieldManager, Force: force, DryRun: []string{metav1.DryRunAll}}
	next, err := res.Apply(ctx, obj.GetName(), obj, opts)
	if apierrors.IsConflict(err) && !force {
		return applied{kept, live}, nil
	}
	if err != nil {
		return applied{}, fmt.Errorf("compare %s: %w", describe(obj), err)
	}
	if sameContent(live, next) {
		return applied{unchanged, live}, nil
	}
	return applied{updated, live}, nil
}

// sameContent leaves out what the server keeps for itself and what is not described by a manifest.
func sameContent(a, b *unstructured.Unstructured) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, u := range []*unstructured.Unstructured{a, b} {
		unstructured.RemoveNestedField(u.Object, "metadata", "managedFields")
		unstructured.RemoveNestedField(u.Object, "metadata", "resourceVersion")
		unstructured.RemoveNestedField(u.Object, "metadata", "generation")
		unstructured.RemoveNestedField(u.Object, "status")
	}
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}

func (c *client) differences(ctx context.Context, objs []*unstructured.Unstructured, force bool) ([]Difference, error) {
	var out []Difference
	for _, obj := range objs {
		res, err := c.lookup(ctx, obj)
		if errors.Is(err, errUnknownKind) {
			out = append(out, Difference{Object: describe(obj), Absent: true})
			continue
		}
		if err != nil {
			return nil, err
		}
		found, err := c.compare(ctx, res, obj, force)
		if err != nil {
			return nil, err
		}
		if found.outcome != unchanged {
			out = append(out, Difference{
				Object: describe(obj), Absent: found.outcome == created, Kept: found.outcome == kept,
				Foreign: foreignOf(found),
			})
		}
	}
	return out, nil
}

// foreignOf returns why an object in the way stays, nil when none is.
func foreignOf(found applied) error {
	if found.outcome != foreign {
		return nil
	}
	return foreignError(found.live)
}

// errUnknownKind says that the server does not serve a kind.
var errUnknownKind = errors.New("the server does not know this kind")

// resource is lookup, patient with a kind that was defined a moment ago.
func (c *client) resource(ctx context.Context, obj *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	var res dynamic.ResourceInterface
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		res, last = c.lookup(ctx, obj)
		if errors.Is(last, errUnknownKind) {
			return false, nil
		}
		return true, last
	})
	if err != nil && last != nil {
		return nil, last
	}
	return res, err
}

// lookup returns the endpoint of obj's kind, and sets obj's namespace if the kind has one and obj names none.
func (c *client) lookup(ctx context.Context, obj *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := obj.GroupVersionKind()
	kind, ok := c.kinds[gvk]
	if !ok {
		var err error
		if kind, err = c.discover(ctx, gvk); err != nil {
			return nil, err
		}
		c.kinds[gvk] = kind
	}
	res := c.dynamic.Resource(gvk.GroupVersion().WithResource(kind.Name))
	if !kind.Namespaced {
		return res, nil
	}
	if obj.GetNamespace() == "" {
		obj.SetNamespace(c.namespace)
	}
	return res.Namespace(obj.GetNamespace()), nil
}

func (c *client) discover(ctx context.Context, gvk schema.GroupVersionKind) (metav1.APIResource, error) {
	list, err := c.discovery.ServerResourcesForGroupVersionWithContext(ctx, gvk.GroupVersion().String())
	if err != nil && !apierrors.IsNotFound(err) {
		return metav1.APIResource{}, fmt.Errorf("look up %s: %w", gvk.Kind, err)
	}
	if err == nil {
		for _, r := range list.APIResources {
			if r.Kind == gvk.Kind && !strings.Contains(r.Name, "/") {
				return r, nil
			}
		}
	}
	return metav1.APIResource{}, fmt.Errorf("%s of %s: %w", gvk.Kind, gvk.GroupVersion(), errUnknownKind)
}

// waitEstablished returns when the API server serves the definition obj.
func (c *client) waitEstablished(ctx context.Context, obj *unstructured.Unstructured) error {
	if ok, err := established(obj); ok || err != nil {
		return err
	}
	res := c.dynamic.Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	only := fields.OneTermEqualSelector("metadata.name", obj.GetName()).String()
	watcher := &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return res.Watch(ctx, o)
		},
	}
	_, err := watchtools.Until(ctx, obj.GetResourceVersion(), watcher, func(e watch.Event) (bool, error) {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Deleted {
			return false, fmt.Errorf("unexpected %s event", e.Type)
		}
		return established(u)
	})
	if err != nil {
		return fmt.Errorf("wait for %s to be served: %w", describe(obj), err)
	}
	return nil
}

// established reads the conditions Established and NamesAccepted of a definition.
func established(obj *unstructured.Unstructured) (bool, error) {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &crd); err != nil {
		return false, fmt.Errorf("read %s: %w", describe(obj), err)
	}
	for _, cond := range crd.Status.Conditions {
		switch {
		case cond.Type == apiextensionsv1.NamesAccepted && cond.Status == apiextensionsv1.ConditionFalse:
			return false, fmt.Errorf("%s: names not accepted: %s", describe(obj), cond.Message)
		case cond.Type == apiextensionsv1.Established && cond.Status == apiextensionsv1.ConditionTrue:
			return true, nil
		}
	}
	return false, nil
}
