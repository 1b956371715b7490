package gateway

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// schemas are the schemas of the document, by the name of their Go type.
type schemas struct{ of map[string]*jsonschema.Schema }

// reference returns a schema that refers to that of a type, and keeps the latter.
func (d schemas) reference(t reflect.Type, value any) (*jsonschema.Schema, error) {
	switch value := value.(type) {
	case anything:
		return &jsonschema.Schema{Type: "object"}, nil
	case oneOf:
		out := &jsonschema.Schema{}
		for _, one := range value {
			schema, err := d.reference(reflect.TypeOf(one), one)
			if err != nil {
				return nil, err
			}
			out.OneOf = append(out.OneOf, schema)
		}
		return out, nil
	}
	if t.Kind() == reflect.Slice {
		items, err := d.reference(t.Elem(), reflect.Zero(t.Elem()).Interface())
		return &jsonschema.Schema{Type: "array", Items: items}, err
	}
	name := t.Name()
	if d.of[name] == nil {
		schema, err := d.schema(t)
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", name, err)
		}
		d.of[name] = schema
	}
	return referTo(name), nil
}

func referTo(name string) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/components/schemas/" + name}
}

// schema returns the schema of a type. Kubernetes objects are written out, because the library does not see that their
// metadata is one field.
func (d schemas) schema(t reflect.Type) (*jsonschema.Schema, error) {
	for _, o := range []struct{ kind, spec, status reflect.Type }{
		{reflect.TypeFor[v1alpha1.AgentRequest](), reflect.TypeFor[v1alpha1.AgentRequestSpec](), reflect.TypeFor[v1alpha1.AgentRequestStatus]()},
		{reflect.TypeFor[v1alpha1.SafetyPolicy](), reflect.TypeFor[v1alpha1.SafetyPolicySpec](), reflect.TypeFor[v1alpha1.SafetyPolicyStatus]()},
		{reflect.TypeFor[v1alpha1.GovernedResource](), reflect.TypeFor[v1alpha1.GovernedResourceSpec](), nil},
		{reflect.TypeFor[v1alpha1.AgentRegistration](), reflect.TypeFor[v1alpha1.AgentRegistrationSpec](), reflect.TypeFor[v1alpha1.AgentRegistrationStatus]()},
		{reflect.TypeFor[v1alpha1.AgentGraduationPolicy](), reflect.TypeFor[v1alpha1.AgentGraduationPolicySpec](), reflect.TypeFor[v1alpha1.AgentGraduationPolicyStatus]()},
		{reflect.TypeFor[v1alpha1.AgentTrustProfile](), reflect.TypeFor[v1alpha1.AgentTrustProfileSpec](), reflect.TypeFor[v1alpha1.AgentTrustProfileStatus]()},
		{reflect.TypeFor[v1alpha1.DiagnosticAccuracySummary](), reflect.TypeFor[v1alpha1.DiagnosticAccuracySummarySpec](), reflect.TypeFor[v1alpha1.DiagnosticAccuracySummaryStatus]()},
		{reflect.TypeFor[v1alpha1.AuditRecord](), reflect.TypeFor[v1alpha1.AuditRecordSpec](), reflect.TypeFor[v1alpha1.AuditRecordStatus]()},
	} {
		if t == o.kind {
			return d.object(o.kind.Name(), o.spec, o.status)
		}
	}
	switch t {
	case reflect.TypeFor[v1alpha1.SafetyPolicyList]():
		return d.list(t, reflect.TypeFor[v1alpha1.SafetyPolicy]())
	case reflect.TypeFor[v1alpha1.GovernedResourceList]():
		return d.list(t, reflect.TypeFor[v1alpha1.GovernedResource]())
	case reflect.TypeFor[v1alpha1.AgentRegistrationList]():
		return d.list(t, reflect.TypeFor[v1alpha1.AgentRegistration]())
	case reflect.TypeFor[page]():
		return d.page(reflect.TypeFor[v1alpha1.AgentRequest]())
	case reflect.TypeFor[auditPage]():
		return d.page(reflect.TypeFor[v1alpha1.AuditRecord]())
	}
	schema, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[metav1.Time]():          {Types: []string{"null", "string"}, Format: "date-time"},
		reflect.TypeFor[json.RawMessage]():      {Types: anyType()},
		reflect.TypeFor[apiextensionsv1.JSON](): {Types: anyType()},
	}})
	if err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	return schema, nil
}

// anyType lists all types: the library takes an empty schema behind a pointer for null.
func anyType() []string {
	return []string{"null", "boolean", "object", "array", "number", "string"}
}

// object returns the schema of a Kubernetes object; status may be nil.
func (d schemas) object(name string, spec, status reflect.Type) (*jsonschema.Schema, error) {
	properties := map[string]*jsonschema.Schema{
		"apiVersion": {Type: "string"}, "kind": {Type: "string"}, "metadata": referTo("ObjectMeta"),
	}
	d.of["ObjectMeta"] = &jsonschema.Schema{
		Type: "object", Description: "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/",
		Properties: map[string]*jsonschema.Schema{
			"name": {Type: "string"}, "namespace": {Type: "string"}, "uid": {Type: "string"}, "resourceVersion": {Type: "string"},
			"labels":      {Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "string"}},
			"annotations": {Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "string"}},
		},
	}
	for field, t := range map[string]reflect.Type{"spec": spec, "status": status} {
		if t == nil {
			continue
		}
		part, err := d.reference(t, reflect.Zero(t).Interface())
		if err != nil {
			return nil, err
		}
		properties[field] = part
	}
	return &jsonschema.Schema{
		Type: "object", Description: v1alpha1.GroupVersion().String() + " " + name, Properties: properties, Required: []string{"metadata", "spec"},
	}, nil
}

// list returns the schema of a list of Kubernetes objects.
func (d schemas) list(t, item reflect.Type) (*jsonschema.Schema, error) {
	items, err := d.reference(reflect.SliceOf(item), nil)
	return &jsonschema.Schema{
		Type: "object", Description: v1alpha1.GroupVersion().String() + " " + t.Name(), Required: []string{"items", "metadata"},
		Properties: map[string]*jsonschema.Schema{
			"apiVersion": {Type: "string"}, "kind": {Type: "string"}, "metadata": {Type: "object"}, "items": items,
		},
	}, err
}

// page returns the schema of a page of items.
func (d schemas) page(item reflect.Type) (*jsonschema.Schema, error) {
	items, err := d.reference(reflect.SliceOf(item), nil)
	return &jsonschema.Schema{
		Type: "object", Required: []string{"items", "continue"},
		Properties: map[string]*jsonschema.Schema{"items": items, "continue": {Type: "string"}},
	}, err
}
