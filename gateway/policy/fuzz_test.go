package policy_test

import (
	"encoding/json"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
)

// FuzzContext: hole: a schema and a context that somebody else wrote decide what rules see. Attack: any schema, any
// context. Proof: what conforms keeps every field and conforms again; a rule that is compiled against the schema and
// evaluated with the context never lets a request through that it cannot judge.
func FuzzContext(f *testing.F) {
	f.Add([]byte(ciSchema), []byte(`{"ciStatus":"success","cost":1,"labels":["a"],"maybe":null}`), `context.ciStatus == "success"`)
	f.Add([]byte(`{"properties":{"a":{"type":"integer"}}}`), []byte(`{"a":9223372036854775807}`), `context.a + 1 > 0`)
	f.Add([]byte(`{"type":"object","items":{}}`), []byte(`{"a":[[[]]]}`), `size(context) == 1 && has(context.a)`)
	f.Fuzz(func(t *testing.T, schema, found []byte, expression string) {
		read, err := policy.ReadSchema(&apiextensionsv1.JSON{Raw: schema})
		if err != nil {
			t.Skip()
		}
		var context map[string]any
		if json.Unmarshal(found, &context) != nil {
			t.Skip()
		}
		if lost := read.Lost(read) + read.Conflict(read); lost != "" {
			t.Fatalf("a schema lost %s against itself", lost)
		}
		in := input()
		conforms, err := read.Conform(context)
		if err == nil {
			in.Target.Context = conforms
			if again, err := read.Conform(conforms); err != nil || len(again) != len(context) {
				t.Fatalf("%v conforms, and then not: %v", conforms, err)
			}
		}
		p := set("", rule("r", v1alpha1.ActionDeny, expression))
		p.Spec.ContextType = "github"
		resource := governing("g", string(schema))
		d := policy.Compile([]v1alpha1.SafetyPolicy{p}, resource).Decide(t.Context(), in)
		if faults := policy.Check(&p, resource); len(faults) > 0 && d.Code != v1alpha1.DenialEvaluationFailure {
			t.Fatalf("%v, and yet %+v", faults, d)
		}
	})
}
