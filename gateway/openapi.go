package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// api is what the document of the API says about a route. Bodies and answers are values of the types that the handlers
// read and write.
type api struct {
	Query []parameter
	Body  any
	// Optional says that the body may be left out.
	Optional bool
	Answers  answers
	// Events says that the endpoint streams server-sent events when the caller accepts them.
	Events bool
	// Refuses are the statuses of errors besides those that every route of its kind has.
	Refuses []int
}

// answers are the bodies of successes by their status; nil is no body.
type answers map[int]any

// Kinds of bodies that are no Go type: text is a line, anything is any JSON object, oneOf is one of several.
type (
	line     string
	anything struct{}
	oneOf    []any
	// form is a body that is sent as a form.
	form struct{ fields any }
)

const text = line("")

// parameter is one of the query or, when header is set, a header.
type parameter struct {
	name, does string
	header     bool
}

func namespaceParameter() parameter {
	return parameter{name: "namespace", does: "namespace of the object; " + defaultNamespace + " when it is left out"}
}

func lastEventParameter() parameter {
	return parameter{name: "Last-Event-ID", does: "id of the last event that the reader has; it gets what came after", header: true}
}

func allNamespacesParameter() parameter {
	return parameter{name: "allNamespaces", does: "true asks for all namespaces"}
}

func pageParameters() []parameter {
	return []parameter{
		namespaceParameter(), allNamespacesParameter(),
		{name: "limit", does: "how many a page has; the answer is then an object with items and continue"},
		{name: "continue", does: "the continue of the page before"},
	}
}

func listParameters() []parameter {
	return append(pageParameters(),
		parameter{name: "phase", does: "phases, separated by commas"}, parameter{name: "agentIdentity", does: "only requests of this agent"},
		parameter{name: "correlationID", does: "only requests with this correlation id"},
		parameter{name: "classification", does: "only requests of this classification"},
		parameter{name: "watch", does: "true streams the requests that exist, then synced, then every change"}, lastEventParameter())
}

func auditParameters() []parameter {
	return append(pageParameters(), parameter{name: "agentRequest", does: "only records of requests of this name"})
}

// document answers GET /openapi.json.
func (s *Server) document(w http.ResponseWriter, _ *http.Request, _ caller) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(s.openAPI) // a reader that hung up has no use for it
	return nil
}

// fields is a JSON object of the document.
type fields = map[string]any

// openAPI returns the routes as an OpenAPI document.
// Source: https://spec.openapis.org/oas/v3.1.1.html
func openAPI(routes []route) ([]byte, error) {
	d := schemas{of: map[string]*jsonschema.Schema{}}
	paths := map[string]fields{}
	for _, r := range routes {
		if paths[r.Path] == nil {
			paths[r.Path] = fields{}
		}
		operation, err := d.operation(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.pattern(), err)
		}
		paths[r.Path][strings.ToLower(r.Method)] = operation
	}
	out, err := json.MarshalIndent(fields{
		"openapi": "3.1.1",
		"info": fields{
			"title": "AIP gateway", "version": "v1alpha1",
			"description": "Agents ask for actions, policies and reviewers decide. Unknown fields of a body are ignored and told in warnings.",
		},
		"paths": paths,
		"components": fields{
			"schemas":         d.of,
			"securitySchemes": fields{"token": fields{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
		},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return append(out, '\n'), nil
}

// operation returns what the document says about one route.
func (d schemas) operation(r route) (fields, error) {
	out := fields{"summary": r.Does, "operationId": operationID(r)}
	if parameters := parametersOf(r); len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if r.Needs != authz.None {
		out["security"] = []fields{{"token": []string{}}}
	}
	if role := authz.Allow(r.Needs, nil); !role.Allowed {
		out["description"] = role.Reason
	}
	if r.API.Body != nil {
		content, err := d.content(r.API.Body)
		if err != nil {
			return nil, err
		}
		out["requestBody"] = fields{"required": !r.API.Optional, "content": content}
	}
	responses := fields{}
	for _, status := range slices.Sorted(maps.Keys(r.API.Answers)) {
		response := fields{"description": http.StatusText(status)}
		if answer := r.API.Answers[status]; answer != nil {
			content, err := d.content(answer)
			if err != nil {
				return nil, err
			}
			response["content"] = content
		}
		responses[strconv.Itoa(status)] = response
	}
	if r.API.Events {
		addEvents(responses)
	}
	refusal, err := d.content(wire.Error{})
	if err != nil {
		return nil, err
	}
	for _, status := range refusedWith(r) {
		responses[strconv.Itoa(status)] = fields{"description": http.StatusText(status), "content": refusal}
	}
	out["responses"] = responses
	return out, nil
}

// addEvents adds a stream to the answers with status 200.
func addEvents(responses fields) {
	ok, _ := responses["200"].(fields)
	if ok == nil {
		ok = fields{"description": http.StatusText(http.StatusOK), "content": fields{}}
		responses["200"] = ok
	}
	content, _ := ok["content"].(fields)
	content["text/event-stream"] = fields{"schema": fields{"type": "string"}}
}

// refusedWith are the statuses of errors of a route.
func refusedWith(r route) []int {
	out := slices.Clone(r.API.Refuses)
	if r.Needs == authz.None {
		return out
	}
	out = append(out, http.StatusUnauthorized, http.StatusInternalServerError, http.StatusServiceUnavailable)
	if r.Needs != authz.Authenticated {
		out = append(out, http.StatusForbidden)
	}
	return out
}

func operationID(r route) string {
	path := strings.NewReplacer("/", " ", "{", "", "}", "", "-", " ", ".", " ").Replace(r.Path)
	var out strings.Builder
	out.WriteString(strings.ToLower(r.Method))
	for _, word := range strings.Fields(path) {
		out.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return out.String()
}

func parametersOf(r route) []fields {
	var out []fields
	if strings.Contains(r.Path, "{name}") {
		out = append(out, fields{"name": "name", "in": "path", "required": true, "schema": fields{"type": "string"}})
	}
	for _, p := range r.API.Query {
		in := "query"
		if p.header {
			in = "header"
		}
		out = append(out, fields{"name": p.name, "in": in, "description": p.does, "schema": fields{"type": "string"}})
	}
	return out
}

// content returns the media type and the schema of a body.
func (d schemas) content(body any) (fields, error) {
	if _, ok := body.(line); ok {
		return fields{"text/plain": fields{"schema": fields{"type": "string"}}}, nil
	}
	media := "application/json"
	if f, ok := body.(form); ok {
		media, body = "application/x-www-form-urlencoded", f.fields
	}
	schema, err := d.reference(reflect.TypeOf(body), body)
	if err != nil {
		return nil, err
	}
	return fields{media: fields{"schema": schema}}, nil
}
