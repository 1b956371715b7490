package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

// described is the document of the API, as far as the tests read it.
type described struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct {
				Schema *jsonschema.Schema
			}
		}
		RequestBody struct {
			Content map[string]struct {
				Schema *jsonschema.Schema
			}
		}
	}
	Components struct{ Schemas map[string]*jsonschema.Schema }
}

// contract compares answers with the document.
type contract struct {
	routes *http.ServeMux
	doc    described

	mu       sync.Mutex
	resolved map[string]*jsonschema.Resolved
}

// theContract is read once.
var theContract = sync.OnceValues(func() (*contract, error) {
	s := &Server{}
	text, err := openAPI(s.routes())
	if err != nil {
		return nil, err
	}
	c := &contract{routes: http.NewServeMux(), resolved: map[string]*jsonschema.Resolved{}}
	for _, r := range s.routes() {
		c.routes.Handle(r.pattern(), http.NotFoundHandler())
	}
	return c, json.Unmarshal(text, &c.doc)
})

// check says how an answer differs from what the document says, or "".
func (c *contract) check(method, path string, got reply) string {
	req := httptest.NewRequest(method, path, nil)
	_, pattern := c.routes.Handler(req)
	verb, route, known := strings.Cut(pattern, " ")
	if !known {
		return "" // no route
	}
	response, ok := c.doc.Paths[route][strings.ToLower(verb)].Responses[strconv.Itoa(got.status)]
	if !ok {
		return "status " + strconv.Itoa(got.status) + " is not in the document"
	}
	media, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	content, ok := response.Content[media]
	switch {
	case !ok && media == "" && len(response.Content) == 0:
		return ""
	case !ok:
		return "media type " + strconv.Quote(media) + " is not in the document"
	case media != "application/json":
		return ""
	}
	var value any
	if err := json.Unmarshal([]byte(got.body), &value); err != nil {
		return err.Error()
	}
	schema, err := c.schema(pattern+" "+strconv.Itoa(got.status), content.Schema)
	if err != nil {
		return err.Error()
	}
	if err := schema.Validate(value); err != nil {
		return err.Error()
	}
	return ""
}

// schema resolves a schema of the document together with those that it refers to.
func (c *contract) schema(name string, schema *jsonschema.Schema) (*jsonschema.Resolved, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resolved[name] == nil {
		whole := &jsonschema.Schema{
			Extra: map[string]any{}, Defs: map[string]*jsonschema.Schema{}, AllOf: []*jsonschema.Schema{local(schema)},
		}
		for id, s := range c.doc.Components.Schemas {
			whole.Defs[id] = local(s)
		}
		resolved, err := whole.Resolve(nil)
		if err != nil {
			return nil, err
		}
		c.resolved[name] = resolved
	}
	return c.resolved[name], nil
}

// local returns a schema whose references lead into its own definitions.
func local(s *jsonschema.Schema) *jsonschema.Schema {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // it was JSON before
	}
	var out jsonschema.Schema
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "#/components/schemas/", "#/$defs/")), &out); err != nil {
		panic(err)
	}
	return &out
}

// TestOpenAPI: the document that people read is the one of the route table, and it knows every route.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := &Server{}
	got, err := openAPI(s.routes())
	check(t, err)
	const file = "../docs/openapi.json"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		check(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	check(t, err)
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs; UPDATE_GOLDEN=1 accepts it (-want +got):\n%s", file, d)
	}
	c, err := theContract()
	check(t, err)
	for _, r := range s.routes() {
		operation, ok := c.doc.Paths[r.Path][strings.ToLower(r.Method)]
		if !ok || len(operation.Responses) == 0 {
			t.Errorf("%s is not in the document", r.pattern())
		}
		if _, refused := operation.Responses["401"]; refused == (r.Needs == 1) {
			t.Errorf("%s: a 401 is %t", r.pattern(), refused)
		}
		if media, ok := operation.RequestBody.Content["application/json"]; ok {
			if _, err := c.schema(r.pattern(), media.Schema); err != nil {
				t.Errorf("%s: body: %v", r.pattern(), err)
			}
		}
	}
}

// TestContractFindsFaults: the comparison would find an answer that is not as the document says.
func TestContractFindsFaults(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	check(t, err)
	asJSON := http.Header{"Content-Type": {"application/json"}}
	for want, got := range map[string]reply{
		"":                                     {200, asJSON, `{"identity":"a","role":"agent"}`},
		"status 418 is not in the document":    {418, asJSON, `{}`},
		"media type \"text/html\" is not":      {200, http.Header{"Content-Type": {"text/html"}}, ``},
		"required: missing properties":         {200, asJSON, `{"identity":"a"}`},
		"unexpected additional properties":     {200, asJSON, `{"identity":"a","role":"agent","more":1}`},
		"validating /properties/error: type: ": {401, asJSON, `{"error":7}`},
	} {
		if fault := c.check("GET", "/whoami", got); want == "" && fault != "" || !strings.Contains(fault, strings.TrimPrefix(want, "validating ")) {
			t.Errorf("found %q, expected %q", fault, want)
		}
	}
}
