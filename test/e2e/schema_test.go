package e2e

import (
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// reports is the published schema of what doctor prints.
var reports = sync.OnceValues(func() (*jsonschema.Schema, error) { // read once
	return jsonschema.NewCompiler().Compile("../../docs/doctor.schema.json")
})

// valid checks that a file, or the last command's standard output, is a report of doctor and nothing else: valid FILE
func valid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: valid FILE")
	}
	schema, err := reports()
	ts.Check(err)
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(schema.Validate(document))
}
