package policy_test

import (
	"reflect"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
)

const ciSchema = `{"type":"object","required":["ciStatus"],"properties":{"ciStatus":{"type":"string"},"openPRCount":{"type":"integer"},
	"cost":{"type":"number"},"labels":{"type":"array","items":{"type":"string"}},"maybe":{"type":"string","nullable":true},
	"owner":{"type":"object","properties":{"team":{"type":"string"}}},"any":{}}}`

func governing(name, schema string) v1alpha1.GovernedResource {
	return v1alpha1.GovernedResource{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
		Spec:       v1alpha1.GovernedResourceSpec{ContextFetcher: "github", ContextSchema: &apiextensionsv1.JSON{Raw: []byte(schema)}},
	}
}

// Policies with a contextType are compiled against the contextSchema; what the schema does not have is a fault at a place.
func TestContextType(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`context.ciStatus == "success" && ctxData.openPRCount < 3`:              "",
		`context.cost > 1 && context.cost + 0.5 > 1.0`:                          "",
		`context.labels.exists(l, l == "x") && size(context.owner.team) > 0`:    "",
		`!has(context.maybe) || context.maybe == "x" && context.any.thing == 1`: "",
		`target.whatever == 1`:              "",
		`context.ciStatuz == "success"`:     `rule "r", line 1, column 8: undefined field 'ciStatuz' (by the contextSchema of GovernedResource "ci")`,
		`ctxData.openPRCount + "x" == "1x"`: `found no matching overload`,
		`context.owner.name == "x"`:         `undefined field 'name'`,
		`context.labels.exists(l, l == 1)`:  `found no matching overload`,
	} {
		p := set("", rule("r", v1alpha1.ActionDeny, expression))
		p.Spec.ContextType = "github"
		resources := []v1alpha1.GovernedResource{governing("other", `{"type":"object"}`), governing("ci", ciSchema)}
		faults := policy.Check(&p, resources...)
		if want == "" && len(faults) > 0 || want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Error(), want)) {
			t.Errorf("%s: %v, expected %q", expression, faults, want)
		}
		d := policy.Compile([]v1alpha1.SafetyPolicy{p}, resources...).Decide(t.Context(), input())
		if failed := d.Code == v1alpha1.DenialEvaluationFailure && strings.Contains(d.Message, "by the contextSchema"); failed != (want != "") {
			t.Errorf("%s: %+v", expression, d)
		}
		// Neither a policy of another type nor one that selects other resources is bound by the schema.
		p.Spec.GovernedResourceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"name": "other"}}
		if faults := policy.Check(&p, resources...); len(faults) > 0 {
			t.Errorf("%s, selecting another resource: %v", expression, faults)
		}
	}
}

// What a context fetcher found is as the schema says, or it is not what policies rely on.
func TestConform(t *testing.T) {
	t.Parallel()
	schema, err := policy.ReadSchema(&apiextensionsv1.JSON{Raw: []byte(ciSchema)})
	if err != nil {
		t.Fatal(err)
	}
	found, err := schema.Conform(map[string]any{
		"ciStatus": "success", "openPRCount": int64(2), "cost": int64(3), "labels": []any{"a"}, "maybe": nil, "more": int64(1),
	})
	want := map[string]any{
		"ciStatus": "success", "openPRCount": int64(2), "cost": 3.0, "labels": []any{"a"}, "maybe": nil, "more": int64(1),
	}
	if err != nil || !reflect.DeepEqual(found, want) {
		t.Errorf("%v, %v", found, err)
	}
	for want, found := range map[string]map[string]any{
		"context.ciStatus is missing":                             {},
		"context.ciStatus is of type null, expected string":       {"ciStatus": nil},
		"context.openPRCount is of type number, expected integer": {"ciStatus": "", "openPRCount": 1.5},
		"context.labels is of type string, expected array":        {"ciStatus": "", "labels": "a"},
		"context.labels[1] is of type boolean, expected string":   {"ciStatus": "", "labels": []any{"a", true}},
		"context.owner.team is of type integer, expected string":  {"ciStatus": "", "owner": map[string]any{"team": int64(1)}},
		"context.owner is of type array, expected object":         {"ciStatus": "", "owner": []any{}},
	} {
		if got, err := schema.Conform(found); err == nil || err.Error() != want || got != nil {
			t.Errorf("%v: %v, expected %s", got, err, want)
		}
	}
}

func TestReadSchema(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"type":"string"}`:                             "contextSchema.type is string, expected object",
		`{"type":"object","properties":[]}`:             "contextSchema.properties is no object",
		`{"properties":{"a":{"type":"date"}}}`:          "contextSchema.properties.a.type is date",
		`{"properties":{"a":{"items":{"enum":["x"]}}}}`: `contextSchema.properties.a.items has the keyword "enum"`,
		`[]`:                    "contextSchema is no object",
		`{"required":["a", 1]}`: "not a schema",
	} {
		if _, err := policy.ReadSchema(&apiextensionsv1.JSON{Raw: []byte(text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}
