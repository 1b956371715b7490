package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// kind is one kind of what administrators define, such as *v1alpha1.SafetyPolicy or *v1alpha1.GovernedResource. Its endpoints
// take and give whole Kubernetes objects.
type kind[T store.Definition] struct {
	server *Server
	// path is below /, name the kind; namespaced says that objects have a namespace.
	path, name string
	namespaced bool
	// absent is the answer about an object that is not there; empty means that it names the kind.
	absent string
	// reads is who may read; none means administrators, who alone may write.
	reads authz.Need
	empty func() T
	// nameOf, when not nil, names an object that comes without a name.
	nameOf func(T) (string, error)
	// check refuses what the schema cannot; old is nil for a new object.
	check func(ctx context.Context, fresh, old T) error
	// stored, when not nil, does what is left to do once the caller has made an object.
	stored func(ctx context.Context, who caller, object T) error
	// list returns the stored objects of a namespace, all when it is empty, as the answer to a list.
	list func(ctx context.Context, namespace string) (any, error)
	// sample is one object and a list of them, for the document of the API.
	sample, samples any
}

// definition is one object of a call.
type definition[T store.Definition] struct {
	ignored
	object T
}

// defined is the answer to a definition that was stored.
type defined struct {
	store.Definition
	fresh bool
}

// MarshalJSON returns the object itself: json takes an embedded interface for a field.
func (d defined) MarshalJSON() ([]byte, error) {
	return json.Marshal(d.Definition) //nolint:wrapcheck // json wraps the errors of a Marshaler
}

func (d defined) status() int {
	if d.fresh {
		return http.StatusCreated
	}
	return http.StatusOK
}

// removed is the answer to a definition that was removed, or will be once no request refers to it.
type removed struct {
	Message string `json:"message"`
	gone    bool
}

func (r removed) status() int {
	if r.gone {
		return http.StatusNoContent
	}
	return http.StatusAccepted
}

// routes returns the endpoints of the kind.
func (k kind[T]) routes() []route {
	s, one, query, reads := k.server, k.path+"/{name}", k.parameters(), cmp.Or(k.reads, authz.Admin)
	return []route{
		{
			Method: http.MethodPost, Path: k.path, Needs: authz.Admin, Serve: handle(s, k.read, k.create), Does: "define a " + k.name,
			API: api{Query: query, Body: k.sample, Answers: answers{http.StatusCreated: k.sample}, Refuses: []int{400, 409, 413, 422}},
		},
		{
			Method: http.MethodGet, Path: k.path, Needs: reads, Serve: handle(s, k.readListed, k.all), Does: "list every " + k.name,
			API: api{Query: k.listParameters(), Answers: answers{http.StatusOK: k.samples}, Refuses: []int{400}},
		},
		{
			Method: http.MethodGet, Path: one, Needs: reads, Serve: handle(s, k.readKey, k.get), Does: "one " + k.name,
			API: api{Query: query, Answers: answers{http.StatusOK: k.sample}, Refuses: []int{400, 404}},
		},
		{
			Method: http.MethodPut, Path: one, Needs: authz.Admin, Serve: handle(s, k.read, k.replace), Does: "replace spec, labels and annotations of a " + k.name,
			API: api{Query: query, Body: k.sample, Answers: answers{http.StatusOK: k.sample}, Refuses: []int{400, 404, 409, 413, 422}},
		},
		{
			Method: http.MethodDelete, Path: one, Needs: authz.Admin, Serve: handle(s, k.readKey, k.remove), Does: "remove a " + k.name,
			API: api{Query: query, Answers: answers{http.StatusAccepted: removed{}, http.StatusNoContent: nil}, Refuses: []int{400, 404}},
		},
	}
}

func (k kind[T]) parameters() []parameter {
	if k.namespaced {
		return []parameter{namespaceParameter()}
	}
	return nil
}

func (k kind[T]) listParameters() []parameter {
	if k.namespaced {
		return append(k.parameters(), allNamespacesParameter())
	}
	return nil
}

// readListed reads the namespace of the query; it is empty for all namespaces, and for kinds without namespaces.
func (k kind[T]) readListed(r *http.Request) (string, error) {
	if !k.namespaced {
		return "", nil
	}
	return readNamespaces(r.URL.Query())
}

// readNamespace reads the namespace of the query; it is empty for kinds without namespaces.
func (k kind[T]) readNamespace(r *http.Request) (string, error) {
	if !k.namespaced {
		return "", nil
	}
	namespace := cmp.Or(r.URL.Query().Get("namespace"), defaultNamespace)
	return namespace, checkNamespace(namespace)
}

// readKey reads the name of the path and the namespace of the query.
func (k kind[T]) readKey(r *http.Request) (definition[T], error) {
	out := definition[T]{object: k.empty()}
	namespace, err := k.readNamespace(r)
	if err != nil {
		return out, err
	}
	out.object.SetNamespace(namespace)
	out.object.SetName(r.PathValue("name"))
	if len(validation.IsDNS1123Subdomain(out.object.GetName())) > 0 {
		return out, k.notFound() // no object can have such a name
	}
	return out, nil
}

// read reads an object. Of its metadata the name, the labels, the annotations and the resource version count.
func (k kind[T]) read(r *http.Request) (definition[T], error) {
	out := definition[T]{object: k.empty()}
	namespace, err := k.readNamespace(r)
	if err != nil {
		return out, err
	}
	if out.ignored, err = decode(r, out.object, false); err != nil {
		return out, err
	}
	name := cmp.Or(r.PathValue("name"), out.object.GetName())
	if name == "" && k.nameOf != nil {
		if name, err = k.nameOf(out.object); err != nil {
			return out, err
		}
	}
	switch {
	case name == "":
		return out, refuse(http.StatusBadRequest, "metadata.name is required")
	case out.object.GetName() != "" && out.object.GetName() != name:
		return out, refuse(http.StatusBadRequest, "metadata.name is %q, the path says %q", out.object.GetName(), name)
	case k.namespaced && out.object.GetNamespace() != "" && out.object.GetNamespace() != namespace:
		return out, refuse(http.StatusBadRequest, "metadata.namespace is %q, the query says %q", out.object.GetNamespace(), namespace)
	}
	if faults := validation.IsDNS1123Subdomain(name); len(faults) > 0 {
		return out, refuse(http.StatusBadRequest, "invalid metadata.name %q: %s", name, faults[0])
	}
	meta := metav1.ObjectMeta{
		Name: name, Namespace: namespace, Labels: out.object.GetLabels(), Annotations: out.object.GetAnnotations(),
		ResourceVersion: out.object.GetResourceVersion(),
	}
	out.object = k.withMeta(out.object, meta)
	return out, nil
}

// withMeta returns the spec of an object under other metadata.
func (k kind[T]) withMeta(object T, meta metav1.ObjectMeta) T {
	switch o := any(object).(type) {
	case *v1alpha1.SafetyPolicy:
		*o = v1alpha1.SafetyPolicy{ObjectMeta: meta, Spec: o.Spec}
	case *v1alpha1.GovernedResource:
		*o = v1alpha1.GovernedResource{ObjectMeta: meta, Spec: o.Spec}
	case *v1alpha1.AgentRegistration:
		*o = v1alpha1.AgentRegistration{ObjectMeta: meta, Spec: o.Spec}
	case *v1alpha1.AgentGraduationPolicy:
		*o = v1alpha1.AgentGraduationPolicy{ObjectMeta: meta, Spec: o.Spec}
	}
	return object
}

func (k kind[T]) notFound() error {
	return refuse(http.StatusNotFound, "%s", cmp.Or(k.absent, k.name+" not found"))
}

// known turns the errors of the store about a definition into answers.
func (k kind[T]) known(err error, name string) error {
	var invalid *store.InvalidError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return k.notFound()
	case errors.Is(err, store.ErrExists):
		return &problem{status: http.StatusConflict, text: k.name + " \"" + name + "\" already exists", cause: err}
	case errors.Is(err, store.ErrConflict):
		return &problem{status: http.StatusConflict, text: k.name + " \"" + name + "\" changed since you read it: read it again", cause: err}
	case errors.Is(err, store.ErrNoNamespace):
		return &problem{status: http.StatusBadRequest, text: "namespace not found", cause: err}
	case errors.As(err, &invalid):
		return refuse(http.StatusBadRequest, "%s", invalid)
	default:
		return err
	}
}

func (k kind[T]) answer(object T, fresh bool) defined {
	return defined{Definition: withType(object, k.name), fresh: fresh}
}

// withType returns an object with the kind and version that the client's typed objects go without.
func withType(object store.Definition, name string) store.Definition {
	object.GetObjectKind().SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(name))
	object.SetManagedFields(nil)
	return object
}

func (k kind[T]) create(ctx context.Context, who caller, in definition[T]) (defined, error) {
	var none T
	if err := k.check(ctx, in.object, none); err != nil {
		return defined{}, err
	}
	in.object.SetResourceVersion("")
	if err := k.server.store.Define(ctx, in.object); err != nil {
		return defined{}, k.known(err, in.object.GetName())
	}
	k.server.log.InfoContext(ctx, k.name+" was defined", "name", in.object.GetName(), "by", who.Subject)
	if k.stored != nil {
		if err := k.stored(ctx, who, in.object); err != nil {
			return defined{}, k.known(err, in.object.GetName())
		}
	}
	return k.answer(in.object, true), nil
}

func (k kind[T]) all(ctx context.Context, _ caller, namespace string) (any, error) {
	return k.list(ctx, namespace)
}

func (k kind[T]) get(ctx context.Context, _ caller, in definition[T]) (defined, error) {
	if err := k.server.store.Fetch(ctx, in.object); err != nil {
		return defined{}, k.known(err, in.object.GetName())
	}
	return k.answer(in.object, false), nil
}

func (k kind[T]) replace(ctx context.Context, who caller, in definition[T]) (defined, error) {
	err := k.server.store.Redefine(ctx, in.object, func(stored store.Definition) error {
		return k.check(ctx, in.object, stored.(T)) //nolint:forcetypeassert // what is stored has the type of what replaces it
	})
	if err != nil {
		return defined{}, k.known(err, in.object.GetName())
	}
	k.server.log.InfoContext(ctx, k.name+" was replaced", "name", in.object.GetName(), "by", who.Subject)
	return k.answer(in.object, false), nil
}

func (k kind[T]) remove(ctx context.Context, who caller, in definition[T]) (removed, error) {
	gone, err := k.server.store.Undefine(ctx, in.object)
	if err != nil {
		return removed{}, k.known(err, in.object.GetName())
	}
	k.server.log.InfoContext(ctx, k.name+" was removed", "name", in.object.GetName(), "by", who.Subject, "gone", gone)
	return removed{Message: k.name + " goes once no request refers to it", gone: gone}, nil
}

// safetyPolicies are the endpoints below /safety-policies.
func (s *Server) safetyPolicies() []route {
	return kind[*v1alpha1.SafetyPolicy]{
		server: s, path: "/safety-policies", name: "SafetyPolicy", namespaced: true,
		empty:  func() *v1alpha1.SafetyPolicy { return &v1alpha1.SafetyPolicy{} },
		check:  s.checkPolicy,
		list:   s.listPolicies,
		sample: v1alpha1.SafetyPolicy{}, samples: v1alpha1.SafetyPolicyList{},
	}.routes()
}

// checkPolicy refuses rules that do not compile, among them those that read what no context of their contextType has.
func (s *Server) checkPolicy(ctx context.Context, p, _ *v1alpha1.SafetyPolicy) error {
	resources, err := s.store.GovernedResources(ctx)
	if err != nil {
		return err //nolint:wrapcheck // problemOf knows the store's errors
	}
	faults := policy.Check(p, resources...)
	if len(faults) == 0 {
		return nil
	}
	return refuse(http.StatusUnprocessableEntity, "CEL type-check failed: %s", policy.Explain(faults))
}

func (s *Server) listPolicies(ctx context.Context, namespace string) (any, error) {
	found, err := s.store.PoliciesIn(ctx, namespace)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := v1alpha1.SafetyPolicyList{Items: make([]v1alpha1.SafetyPolicy, len(found))}
	out.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("SafetyPolicyList"))
	for i := range found {
		out.Items[i] = found[i]
		out.Items[i].SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("SafetyPolicy"))
	}
	return out, nil
}
