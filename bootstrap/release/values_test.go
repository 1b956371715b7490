package release

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	helm "helm.sh/helm/v3/pkg/release"
)

// parse reads values the way they come back from the cluster.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMerged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		last     string
		values   map[string]any
		defaults map[string]any
		proposed map[string]any // what the labels of the last revision record
		want     string
	}{
		"nothing there":   {`{}`, map[string]any{"a": 1}, map[string]any{"b": map[string]any{"c": 2}}, nil, `{"a": 1, "b": {"c": 2}}`},
		"unknown stay":    {`{"x": {"y": 1}, "z": [1]}`, map[string]any{"x": map[string]any{"a": 2}}, nil, nil, `{"x": {"a": 2, "y": 1}, "z": [1]}`},
		"values hold":     {`{"a": 1}`, map[string]any{"a": 2}, nil, nil, `{"a": 2}`},
		"default is new":  {`{"a": 1}`, nil, map[string]any{"a": 2}, nil, `{"a": 2}`},
		"default changed": {`{"a": 1}`, nil, map[string]any{"a": 3}, map[string]any{"a": 2}, `{"a": 3}`},
		"default is old":  {`{"a": 1}`, nil, map[string]any{"a": 2}, map[string]any{"a": 2}, `{"a": 1}`},
		"value over default": {
			`{}`, map[string]any{"a": 1}, map[string]any{"a": 2}, nil, `{"a": 1}`,
		},
		"map over scalar":    {`{"a": 1}`, map[string]any{"a": map[string]any{"b": 2}}, nil, nil, `{"a": {"b": 2}}`},
		"list is one value":  {`{"a": ["x", "y"]}`, map[string]any{"a": []string{"z"}}, nil, nil, `{"a": ["z"]}`},
		"key with dots":      {`{"s": {"kubernetes.io/os": "a"}}`, map[string]any{"s": map[string]any{"kubernetes.io/os": "b"}}, nil, nil, `{"s": {"kubernetes.io/os": "b"}}`},
		"old default, dots":  {`{"s": {"a b": 1}}`, nil, map[string]any{"s": map[string]any{"a b": 2}}, map[string]any{"s": map[string]any{"a b": 2}}, `{"s": {"a b": 1}}`},
		"null of the user":   {`{"a": null}`, nil, map[string]any{"a": 2}, map[string]any{"a": 2}, `{"a": null}`},
		"empty map is value": {`{"a": {"b": 1}}`, map[string]any{"a": map[string]any{}}, nil, nil, `{"a": {}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := parse(t, tt.last)
			got := merged(last, Spec{Values: tt.values, Defaults: tt.defaults}, proposals(tt.proposed))
			if !same(got, parse(t, tt.want)) {
				t.Errorf("got %s, want %s", show(got), tt.want)
			}
			if d := cmp.Diff(parse(t, tt.last), last); d != "" {
				t.Errorf("the last values were changed (-before +after):\n%s", d)
			}
		})
	}
}

func TestNewDiff(t *testing.T) {
	t.Parallel()
	testChart := func(version string) *chart.Chart {
		return &chart.Chart{
			Metadata: &chart.Metadata{Name: "c", Version: version},
			Values:   map[string]any{"a": "chart", "n": map[string]any{"port": 8080}},
		}
	}
	tests := map[string]struct {
		status  helm.Status
		version string
		given   string
		spec    Spec
		labels  map[string]any
		want    diff
	}{
		"same":                 {given: `{"a": "x"}`, spec: Spec{Values: map[string]any{"a": "x"}}},
		"chart's default":      {given: `{}`, spec: Spec{Values: map[string]any{"a": "chart", "n": map[string]any{"port": 8080}}}},
		"more than wanted":     {given: `{"z": 1}`, spec: Spec{}},
		"failed":               {status: helm.StatusFailed, given: `{}`, want: diff{wrong: []string{"revision 7 is failed (why)"}}},
		"killed":               {status: helm.StatusPendingUpgrade, given: `{}`, want: diff{wrong: []string{"revision 7 was left pending-upgrade"}}},
		"killed uninstall":     {status: helm.StatusUninstalling, given: `{}`, want: diff{wrong: []string{"revision 7 was left uninstalling"}}},
		"other chart":          {version: "0.9.0", given: `{}`, want: diff{wrong: []string{"chart is c-0.9.0, want c-1.0.0"}}},
		"value differs":        {given: `{"n": {"port": 1}}`, spec: Spec{Values: map[string]any{"n": map[string]any{"port": 2}}}, want: diff{wrong: []string{"n.port is 1, want 2"}}},
		"value is unset":       {given: `{"n": null}`, spec: Spec{Values: map[string]any{"n": map[string]any{"port": 2}}}, want: diff{wrong: []string{"n.port is null, want 2"}}},
		"default never set":    {given: `{"a": "x"}`, spec: Spec{Defaults: map[string]any{"a": "y"}}, want: diff{wrong: []string{`a is "x", want "y"`}}},
		"default by hand":      {given: `{"a": "x"}`, spec: Spec{Defaults: map[string]any{"a": "y"}}, labels: map[string]any{"a": "y"}, want: diff{kept: []string{"a"}}},
		"default has moved on": {given: `{"a": "x"}`, spec: Spec{Defaults: map[string]any{"a": "z"}}, labels: map[string]any{"a": "y"}, want: diff{wrong: []string{`a is "x", want "z"`}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.status == "" {
				tt.status = helm.StatusDeployed
			}
			if tt.version == "" {
				tt.version = "1.0.0"
			}
			rel := &helm.Release{
				Version: 7, Info: &helm.Info{Status: tt.status, Description: "why"}, Chart: testChart(tt.version),
				Config: parse(t, tt.given), Labels: proposals(tt.labels),
			}
			got := newDiff(rel, testChart("1.0.0"), tt.spec)
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(diff{})); d != "" {
				t.Errorf("diff (-want +got):\n%s", d)
			}
		})
	}
}

// A label holds a path only if Kubernetes takes it, and never a value.
func TestProposals(t *testing.T) {
	t.Parallel()
	got := proposals(map[string]any{
		"gateway": map[string]any{"auth": map[string]any{"agentSubjects": "hidden-value"}},
		"a b":     1, strings.Repeat("x", 64): 2,
	})
	if len(got) != 3 || got["aip-dev/gateway.auth.agentSubjects"] == "" {
		t.Errorf("got %v", got)
	}
	for key, value := range got {
		if strings.ContainsAny(key, " ") || len(key) > len(labelPrefix)+63 || len(value) != 32 || strings.Contains(value, "hidden") {
			t.Errorf("%s=%s is no label or shows the value", key, value)
		}
	}
}
