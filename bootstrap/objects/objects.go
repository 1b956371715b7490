// Package objects brings Kubernetes objects about by server-side apply: CustomResourceDefinitions and plain
// manifests. Bootstrap steps call it; YAML goes in, and what had to be changed comes out. It writes nothing when
// nothing differs.
package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
)

// FieldManager is the name under which this program owns the fields that it applied.
const FieldManager = "aip-dev"

// Difference is one object that is not as described.
type Difference struct {
	// Object is kind, namespace and name, for example "Deployment keycloak/keycloak".
	Object string
	// Absent says that the object is not there at all.
	Absent bool
	// Kept says that somebody else changed a described field by hand. Such an object is left alone.
	Kept bool
	// Foreign is a ForeignError when somebody else's object is in the way.
	Foreign error
}

// String says in a few words what differs.
func (d Difference) String() string {
	switch {
	case d.Absent:
		return d.Object + " is missing"
	case d.Foreign != nil:
		return d.Foreign.Error()
	case d.Kept:
		return d.Object + " was changed by hand"
	default:
		return d.Object + " differs"
	}
}

// Result is what applying a manifest came to. Objects that were as described already are in neither list.
type Result struct {
	// Changed were created or changed.
	Changed []string
	// Kept were changed by somebody else and left alone.
	Kept []string
	// Foreign belong to others and were passed over.
	Foreign []string
}

// ApplyManifests creates or updates the objects of manifest (YAML documents, applied in their order). Objects of
// namespaced kinds that name no namespace go into namespace. A field that another field manager took over since is
// not taken back: the object is left alone and named in Result.Kept.
//
// A kind that the server does not know yet is waited for, up to ten seconds, because a CustomResourceDefinition takes
// a moment to show up in discovery.
func (o Owner) ApplyManifests(ctx context.Context, cfg *rest.Config, manifest []byte, namespace string) (Result, error) {
	c, objs, err := o.prepare(cfg, manifest, namespace)
	if err != nil {
		return Result{}, err
	}
	var res Result
	for _, obj := range objs {
		out, err := c.apply(ctx, obj, false)
		if err != nil {
			return res, err
		}
		switch out.outcome {
		case created, updated:
			res.Changed = append(res.Changed, describe(obj))
		case kept:
			res.Kept = append(res.Kept, describe(obj))
		case foreign:
			res.Foreign = append(res.Foreign, describe(obj))
		}
	}
	return res, nil
}

// CompareManifests says what ApplyManifests would do, and writes nothing. Objects as described are left out.
func (o Owner) CompareManifests(ctx context.Context, cfg *rest.Config, manifest []byte, namespace string) ([]Difference, error) {
	c, objs, err := o.prepare(cfg, manifest, namespace)
	if err != nil {
		return nil, err
	}
	return c.differences(ctx, objs, false)
}

// ApplyCRDs creates or updates the CustomResourceDefinitions in the YAML files at the root of crds, and returns when
// the API server serves all of them. It takes over fields that others applied: the definitions have to be those that
// this program was built with. changed is the number of definitions written, 0 when all were as described.
//
// An API server holds the first object of a new kind back for up to two seconds; ApplyCRDs does not wait for that.
func (o Owner) ApplyCRDs(ctx context.Context, cfg *rest.Config, crds fs.FS) (changed int, err error) {
	c, objs, err := o.prepareFiles(cfg, crds)
	if err != nil {
		return 0, err
	}
	var live []*unstructured.Unstructured
	for _, obj := range objs {
		out, err := c.apply(ctx, obj, true)
		if err != nil {
			return changed, err
		}
		if out.outcome == created || out.outcome == updated {
			changed++
		}
		live = append(live, out.live)
	}
	for _, obj := range live {
		if err := c.waitEstablished(ctx, obj); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// CompareCRDs says what ApplyCRDs would do, and writes nothing. Definitions as described are left out.
func (o Owner) CompareCRDs(ctx context.Context, cfg *rest.Config, crds fs.FS) ([]Difference, error) {
	c, objs, err := o.prepareFiles(cfg, crds)
	if err != nil {
		return nil, err
	}
	return c.differences(ctx, objs, true)
}

func (o Owner) prepare(cfg *rest.Config, manifest []byte, namespace string) (*client, []*unstructured.Unstructured, error) {
	objs, err := decode(manifest)
	if err != nil {
		return nil, nil, err
	}
	c, err := newClient(cfg, namespace, o)
	return c, objs, err
}

func (o Owner) prepareFiles(cfg *rest.Config, files fs.FS) (*client, []*unstructured.Unstructured, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, nil, fmt.Errorf("list manifests: %w", err)
	}
	slices.Sort(names)
	var objs []*unstructured.Unstructured
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, nil, fmt.Errorf("read manifest: %w", err)
		}
		more, err := decode(b)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		objs = append(objs, more...)
	}
	c, err := newClient(cfg, "", o)
	return c, objs, err
}

// decode reads YAML documents; empty ones are skipped.
func decode(manifest []byte) ([]*unstructured.Unstructured, error) {
	dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	var objs []*unstructured.Unstructured
	for n := 1; ; n++ {
		obj := &unstructured.Unstructured{}
		err := dec.Decode(&obj.Object)
		if errors.Is(err, io.EOF) {
			return objs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode document %d: %w", n, err)
		}
		if len(obj.Object) == 0 {
			continue
		}
		if obj.GetAPIVersion() == "" || obj.GetKind() == "" || obj.GetName() == "" {
			return nil, fmt.Errorf("document %d: want apiVersion, kind and metadata.name, got %q, %q and %q",
				n, obj.GetAPIVersion(), obj.GetKind(), obj.GetName())
		}
		objs = append(objs, obj)
	}
}

// describe returns kind, namespace and name.
func describe(obj *unstructured.Unstructured) string {
	name := obj.GetName()
	if ns := obj.GetNamespace(); ns != "" {
		name = ns + "/" + name
	}
	return obj.GetKind() + " " + name
}

// ApplyCRDs is Owner.ApplyCRDs in a cluster of the environment's own.
func ApplyCRDs(ctx context.Context, cfg *rest.Config, crds fs.FS) (changed int, err error) {
	return Owner{}.ApplyCRDs(ctx, cfg, crds)
}

// CompareCRDs is Owner.CompareCRDs in a cluster of the environment's own.
func CompareCRDs(ctx context.Context, cfg *rest.Config, crds fs.FS) ([]Difference, error) {
	return Owner{}.CompareCRDs(ctx, cfg, crds)
}
