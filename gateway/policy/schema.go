package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Types of a Schema.
const (
	typeObject  = "object"
	typeString  = "string"
	typeInteger = "integer"
	typeNumber  = "number"
	typeBoolean = "boolean"
	typeArray   = "array"
)

// Schema is the part of JSON Schema that a contextSchema may use. Without a type it stands for any value. Policies are
// compiled against it, and what a context fetcher found must be as it says.
// Source: https://json-schema.org/draft/2020-12/json-schema-validation; nullable is that of OpenAPI 3.0.
type Schema struct {
	Type        string             `json:"type,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Nullable    bool               `json:"nullable,omitempty"`
	Description string             `json:"description,omitempty"`
}

// ReadSchema reads a contextSchema. It refuses keywords and types that it does not know, and a context that is no object;
// without a schema it returns one that says nothing.
func ReadSchema(raw *apiextensionsv1.JSON) (*Schema, error) {
	var out Schema
	if raw == nil {
		return &out, nil
	}
	var tree any
	if err := json.Unmarshal(raw.Raw, &tree); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if err := checkKeywords(tree, "contextSchema"); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw.Raw, &out); err != nil {
		return nil, fmt.Errorf("not a schema: %w", err)
	}
	if out.Type != "" && out.Type != typeObject {
		return nil, fmt.Errorf("contextSchema.type is %s, expected object: a context has fields", out.Type)
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
			known := []string{typeObject, typeString, typeInteger, typeNumber, typeBoolean, typeArray}
			if text, _ := value.(string); !slices.Contains(known, text) {
				return fmt.Errorf("%s.type is %v, expected object, string, integer, number, boolean or array", at, value)
			}
		case "items":
			if err := checkKeywords(value, at+".items"); err != nil {
				return err
			}
		case "properties":
			properties, ok := value.(map[string]any)
			if !ok {
				return fmt.Errorf("%s.properties is no object", at)
			}
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

// Lost returns the first part of s that next does not have, or has with another type; "" when there is none.
func (s *Schema) Lost(next *Schema) string { return s.lost(next, "") }

func (s *Schema) lost(next *Schema, at string) string {
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

// Conflict returns the first property that both have, with different types; "" when there is none.
func (s *Schema) Conflict(other *Schema) string { return s.conflict(other, "") }

func (s *Schema) conflict(other *Schema, at string) string {
	if s == nil || other == nil {
		return ""
	}
	if s.Type != "" && other.Type != "" && s.Type != other.Type {
		return at
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if conflict := s.Properties[name].conflict(other.Properties[name], at+"."+name); conflict != "" {
			return conflict
		}
	}
	return s.Items.conflict(other.Items, at+"[]")
}

// Conform returns value, decoded JSON, with each number as the kind that s says, or the first part that is not as s
// says. Fields that s does not name may be there.
func (s *Schema) Conform(value map[string]any) (map[string]any, error) {
	out, err := s.conform(value, "context")
	if err != nil {
		return nil, err
	}
	fields, _ := out.(map[string]any) // of an object conform returns an object
	return fields, nil
}

func (s *Schema) conform(value any, at string) (any, error) {
	if s == nil || value == nil && s.Nullable {
		return value, nil
	}
	if whole, ok := value.(int64); ok && s.Type == typeNumber {
		return float64(whole), nil
	}
	if kind := kindOf(value); s.Type != "" && s.Type != kind {
		return nil, fmt.Errorf("%s is of type %s, expected %s", at, kind, s.Type)
	}
	switch v := value.(type) {
	case map[string]any:
		return s.conformFields(v, at)
	case []any:
		return s.conformItems(v, at)
	default:
		return value, nil
	}
}

func (s *Schema) conformFields(fields map[string]any, at string) (any, error) {
	for _, name := range s.Required {
		if _, ok := fields[name]; !ok {
			return nil, fmt.Errorf("%s.%s is missing", at, name)
		}
	}
	out := make(map[string]any, len(fields))
	for name, value := range fields {
		var err error
		if out[name], err = s.Properties[name].conform(value, at+"."+name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Schema) conformItems(items []any, at string) (any, error) {
	out := make([]any, len(items))
	for i, value := range items {
		var err error
		if out[i], err = s.Items.conform(value, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// kindOf returns the type of a decoded JSON value, in which whole numbers are int64.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return typeObject
	case []any:
		return typeArray
	case string:
		return typeString
	case bool:
		return typeBoolean
	case int64:
		return typeInteger
	default:
		return typeNumber
	}
}
