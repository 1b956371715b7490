package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/body"
)

// governedResources are the endpoints below /governed-resources.
func (s *Server) governedResources() []route {
	return kind[*v1alpha1.GovernedResource]{
		server: s, path: "/governed-resources", name: "GovernedResource",
		empty: func() *v1alpha1.GovernedResource { return &v1alpha1.GovernedResource{} },
		check: checkGoverned, list: s.listGoverned,
		sample: v1alpha1.GovernedResource{}, samples: v1alpha1.GovernedResourceList{},
	}.routes()
}

func (s *Server) listGoverned(ctx context.Context, _ string) (any, error) {
	found, err := s.store.GovernedResources(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := v1alpha1.GovernedResourceList{Items: make([]v1alpha1.GovernedResource, len(found))}
	out.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("GovernedResourceList"))
	for i := range found {
		out.Items[i] = found[i]
		out.Items[i].SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("GovernedResource"))
	}
	return out, nil
}

// checkGoverned refuses a pattern that is no glob, and a contextSchema that policies could not rely on: it knows a few
// keywords, and what it says of a property stays so.
func checkGoverned(fresh, old *v1alpha1.GovernedResource) error {
	if _, err := authz.Pattern(fresh.Spec.URIPattern); err != nil {
		return refuse(http.StatusUnprocessableEntity, "invalid uriPattern: %s", body.Clip(err.Error()))
	}
	next, err := readSchema(fresh)
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, "invalid contextSchema: %s", body.Clip(err.Error()))
	}
	if old == nil {
		return nil
	}
	// What is stored was checked before, or came past this gateway; then it binds nobody.
	before, err := readSchema(old)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if lost := before.lost(next, ""); lost != "" {
		return refuse(http.StatusConflict, "contextSchema is append-only: %s was removed or has another type", lost)
	}
	return nil
}

// contextSchema is the part of JSON Schema that a contextSchema may use.
type contextSchema struct {
	Type        string                    `json:"type,omitempty"`
	Properties  map[string]*contextSchema `json:"properties,omitempty"`
	Items       *contextSchema            `json:"items,omitempty"`
	Required    []string                  `json:"required,omitempty"`
	Nullable    bool                      `json:"nullable,omitempty"`
	Description string                    `json:"description,omitempty"`
}

func readSchema(g *v1alpha1.GovernedResource) (*contextSchema, error) {
	var out contextSchema
	if g.Spec.ContextSchema == nil {
		return &out, nil
	}
	var tree any
	if err := json.Unmarshal(g.Spec.ContextSchema.Raw, &tree); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if err := checkKeywords(tree, "contextSchema"); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(g.Spec.ContextSchema.Raw, &out); err != nil {
		return nil, fmt.Errorf("not a schema: %w", err)
	}
	return &out, nil
}

// checkKeywords refuses keywords and types that the evaluation of policies does not know.
func checkKeywords(schema any, at string) error {
	fields, ok := schema.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", at)
	}
	for keyword, value := range fields {
		switch keyword {
		case "required", "nullable", "description":
		case "type":
			if text, _ := value.(string); !slices.Contains([]string{"object", "string", "integer", "number", "boolean", "array"}, text) {
				return fmt.Errorf("%s.type is %v, expected object, string, integer, number, boolean or array", at, value)
			}
		case "items":
			if err := checkKeywords(value, at+".items"); err != nil {
				return err
			}
		case "properties":
			properties, _ := value.(map[string]any)
			for name, property := range properties {
				if err := checkKeywords(property, at+".properties."+name); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("%s has the keyword %q, expected type, properties, items, required, nullable or description", at, keyword)
		}
	}
	return nil
}

// lost returns the first part of s that next does not have, or has with another type; "" when there is none.
func (s *contextSchema) lost(next *contextSchema, at string) string {
	switch {
	case s == nil:
		return ""
	case next == nil, s.Type != "" && s.Type != next.Type:
		if at == "" {
			return "the whole"
		}
		return at
	}
	for name, property := range s.Properties {
		if lost := property.lost(next.Properties[name], at+"."+name); lost != "" {
			return lost
		}
	}
	return s.Items.lost(next.Items, at+"[]")
}
