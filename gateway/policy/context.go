package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// typedEnvironment is an environment in which context and ctxData are as the contextSchema of one GovernedResource says.
// Expressions are checked in it; they are evaluated in the one where both may hold anything.
type typedEnvironment struct {
	resource string
	env      *cel.Env
}

// typedEnvironments returns those that the rules of p must compile in: of the GovernedResources that p selects and whose
// context fetcher is the contextType of p. A schema that cannot be read types nothing; nothing that was found conforms
// to it either.
func typedEnvironments(
	env *cel.Env, p *v1alpha1.SafetyPolicy, selector labels.Selector, resources []v1alpha1.GovernedResource,
) ([]typedEnvironment, error) {
	var out []typedEnvironment
	for i := range resources {
		g := &resources[i]
		if p.Spec.ContextType == "" || g.Spec.ContextFetcher != p.Spec.ContextType || g.Spec.ContextSchema == nil ||
			!selector.Matches(labels.Set(g.Labels)) {
			continue
		}
		schema, err := ReadSchema(g.Spec.ContextSchema)
		if err != nil || len(schema.Properties) == 0 {
			continue
		}
		typed, err := withContext(env, schema)
		if err != nil {
			return nil, fmt.Errorf("contextSchema of GovernedResource %q: %w", g.Name, err)
		}
		out = append(out, typedEnvironment{resource: g.Name, env: typed})
	}
	return out, nil
}

// withContext returns env with another type of context and ctxData.
func withContext(env *cel.Env, schema *Schema) (*cel.Env, error) {
	objects := objectTypes{Provider: env.CELTypeProvider(), objects: map[string]*Schema{}}
	context := objects.typeOf(schema, "contextSchema")
	typed, err := cel.NewEnv(
		cel.CustomTypeProvider(objects), cel.CrossTypeNumericComparisons(true), cel.Variable(varRequest, cel.DynType), cel.Variable(varTarget, cel.DynType),
		cel.Variable(varContext, context), cel.Variable(varCtxData, context),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	return typed, nil
}

// objectTypes adds the objects of a schema to the types that CEL knows. Their names are their places in the schema.
type objectTypes struct {
	types.Provider
	objects map[string]*Schema
}

// typeOf returns the CEL type of a schema. An object without properties may have any fields.
func (o objectTypes) typeOf(s *Schema, at string) *cel.Type {
	switch {
	case s == nil, s.Nullable:
		return cel.DynType
	case len(s.Properties) > 0 && (s.Type == typeObject || s.Type == ""):
		o.objects[at] = s
		return cel.ObjectType(at)
	case s.Type == typeObject:
		return cel.MapType(cel.StringType, cel.DynType)
	case s.Type == typeArray:
		return cel.ListType(o.typeOf(s.Items, at+".items"))
	}
	simple := map[string]*cel.Type{
		typeString: cel.StringType, typeInteger: cel.IntType, typeNumber: cel.DoubleType, typeBoolean: cel.BoolType,
	}
	if kind, ok := simple[s.Type]; ok {
		return kind
	}
	return cel.DynType
}

// FindStructType returns the type of that name.
func (o objectTypes) FindStructType(name string) (*types.Type, bool) {
	if _, ok := o.objects[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return o.Provider.FindStructType(name)
}

// FindStructFieldNames returns the properties of an object.
func (o objectTypes) FindStructFieldNames(name string) ([]string, bool) {
	if s, ok := o.objects[name]; ok {
		return slices.Sorted(maps.Keys(s.Properties)), true
	}
	return o.Provider.FindStructFieldNames(name)
}

// FindStructFieldType returns the type of one property of an object.
func (o objectTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	s, ok := o.objects[name]
	if !ok {
		return o.Provider.FindStructFieldType(name, field)
	}
	property, ok := s.Properties[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{Type: o.typeOf(property, name+"."+field)}, true
}
