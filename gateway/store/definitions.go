package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Definition is what administrators define: for example a *v1alpha1.SafetyPolicy.
type Definition = client.Object

// Define stores a new definition and leaves in it what is stored.
//
// Errors: ErrExists, ErrNoNamespace, *InvalidError, ErrUnavailable.
func (s *Store) Define(ctx context.Context, d Definition) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return classify("create "+d.GetName(), s.live.Create(ctx, d))
}

// Fetch reads the definition with the namespace and name of d into d, as it is stored now, or returns ErrNotFound.
func (s *Store) Fetch(ctx context.Context, d Definition) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return classify("get "+d.GetName(), s.live.Get(ctx, client.ObjectKeyFromObject(d), d))
}

// Redefine replaces the spec, the labels and the annotations of a stored definition with those of d, unless may refuses
// to replace what is stored, and leaves in d what is stored then. When d has a resource version, it must be the stored
// one. Reading and writing are one step, as in Decide: when d has none and the definition changed in between, if only
// its finalizers did, may is asked again. The error of may is returned as it is.
//
// Errors: ErrNotFound, ErrConflict, *InvalidError, ErrUnavailable.
func (s *Store) Redefine(ctx context.Context, d Definition, may func(stored Definition) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	version := d.GetResourceVersion()
	for range maxAttempts {
		d.SetResourceVersion(version)
		if err := s.tryRedefine(ctx, d, may); version != "" || !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("update %s: %w: %d times", d.GetName(), ErrConflict, maxAttempts)
}

func (s *Store) tryRedefine(ctx context.Context, d Definition, may func(stored Definition) error) error {
	stored := d.DeepCopyObject().(Definition) //nolint:forcetypeassert // the copy of a Definition is one
	if err := s.live.Get(ctx, client.ObjectKeyFromObject(d), stored); err != nil {
		return classify("get "+d.GetName(), err)
	}
	if err := may(stored); err != nil {
		return err
	}
	if d.GetResourceVersion() == "" {
		d.SetResourceVersion(stored.GetResourceVersion())
	}
	d.SetUID(stored.GetUID())
	d.SetFinalizers(stored.GetFinalizers())
	d.SetOwnerReferences(stored.GetOwnerReferences())
	return classify("update "+d.GetName(), s.live.Update(ctx, d))
}

// Undefine removes the definition with the namespace and name of d. It reports whether the definition is gone already:
// a GovernedResource that requests refer to goes when they are finished.
func (s *Store) Undefine(ctx context.Context, d Definition) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := s.live.Delete(ctx, d); err != nil {
		return false, classify("delete "+d.GetName(), err)
	}
	err = classify("get "+d.GetName(), s.live.Get(ctx, client.ObjectKeyFromObject(d), d))
	return isNotFound(err), unlessNotFound(err)
}

// SetFinalizers stores d, whose finalizers alone changed, provided that d is else what is stored; else ErrConflict.
func (s *Store) SetFinalizers(ctx context.Context, d Definition) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return classify("update "+d.GetName(), s.live.Update(ctx, d))
}

// Policies returns the SafetyPolicies of all namespaces, as the cache has them, by namespace and name.
func (s *Store) Policies(ctx context.Context) ([]v1alpha1.SafetyPolicy, error) {
	return s.PoliciesIn(ctx, "")
}

// PoliciesIn returns the SafetyPolicies of a namespace (all when empty), as the cache has them, by namespace and name.
func (s *Store) PoliciesIn(ctx context.Context, namespace string) ([]v1alpha1.SafetyPolicy, error) {
	var list v1alpha1.SafetyPolicyList
	if err := s.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, classify("list SafetyPolicies", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.SafetyPolicy) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return list.Items, nil
}

// Policy returns one SafetyPolicy as the cache has it, or ErrNotFound.
func (s *Store) Policy(ctx context.Context, namespace, name string) (*v1alpha1.SafetyPolicy, error) {
	var p v1alpha1.SafetyPolicy
	return &p, classify("get SafetyPolicy", s.cache.Get(ctx, key(namespace, name), &p, shared()))
}

// GovernedResources returns all GovernedResources as the cache has them, by name.
func (s *Store) GovernedResources(ctx context.Context) ([]v1alpha1.GovernedResource, error) {
	var list v1alpha1.GovernedResourceList
	if err := s.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, classify("list GovernedResources", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.GovernedResource) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// GovernedResource returns one GovernedResource as the cache has it, or ErrNotFound.
func (s *Store) GovernedResource(ctx context.Context, name string) (*v1alpha1.GovernedResource, error) {
	var g v1alpha1.GovernedResource
	return &g, classify("get GovernedResource", s.cache.Get(ctx, key("", name), &g, shared()))
}

// shared asks the cache for its own object instead of a copy.
func shared() *client.GetOptions { return &client.GetOptions{UnsafeDisableDeepCopy: ptr.To(true)} }
