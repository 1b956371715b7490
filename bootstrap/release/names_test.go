package release

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
)

// kept returns the labels after helm merged next into last.
func kept(last, next map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, last)
	maps.Copy(out, next)
	maps.DeleteFunc(out, func(_, value string) bool { return value == forgotten })
	return out
}

func TestNamesSettle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		have           []string
		recorded       []string
		proposed       []string
		in, out        []string
		want, wantKept []string
	}{
		"nothing":                          {},
		"new proposal":                     {proposed: []string{"a", "b"}, want: []string{"a", "b"}},
		"others stay, in their order":      {have: []string{"z", "a"}, proposed: []string{"a", "b"}, want: []string{"z", "a", "b"}},
		"taken out by hand":                {have: []string{"b"}, recorded: []string{"a", "b"}, proposed: []string{"a", "b"}, want: []string{"b"}, wantKept: []string{"a"}},
		"taken out by hand, asked for":     {have: []string{"b"}, recorded: []string{"a", "b"}, proposed: []string{"a", "b"}, in: []string{"a"}, want: []string{"b", "a"}},
		"proposed no more":                 {have: []string{"a", "hand", "b"}, recorded: []string{"a", "b"}, proposed: []string{"b"}, want: []string{"hand", "b"}},
		"there before it was proposed":     {have: []string{"a"}, proposed: []string{"a"}, want: []string{"a"}},
		"by hand, and never proposed":      {have: []string{"a"}, want: []string{"a"}},
		"out, whoever put it in":           {have: []string{"hand", "a", "b"}, recorded: []string{"a", "b"}, proposed: []string{"b"}, out: []string{"hand", "a"}, want: []string{"b"}},
		"out wins over a proposal":         {have: []string{"a"}, proposed: []string{"a", "b"}, out: []string{"a", "b"}},
		"in that is there changes nothing": {have: []string{"a", "b"}, recorded: []string{"a"}, proposed: []string{"a"}, in: []string{"b"}, want: []string{"a", "b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := Names{Path: []string{"x", "list"}, Proposed: tt.recorded}
			n := Names{Path: before.Path, Proposed: tt.proposed, In: tt.in, Out: tt.out}
			labels := before.labels(nil)
			want, wantKept := n.settle(tt.have, labels)
			if d := cmp.Diff(tt.want, want); d != "" {
				t.Errorf("list (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.wantKept, wantKept); d != "" {
				t.Errorf("kept (-want +got):\n%s", d)
			}
			// What was settled stays settled: the next look finds nothing to do.
			again := Names{Path: n.Path, Proposed: slices.Concat(tt.proposed, tt.in)}
			settled, _ := again.settle(want, kept(labels, n.labels(labels)))
			if len(tt.out) == 0 && !cmp.Equal(want, settled) {
				t.Errorf("a second look wants %v, expected %v", settled, want)
			}
		})
	}
}

// A list keeps its form, and one label records each name.
func TestNamesInValues(t *testing.T) {
	t.Parallel()
	chrt := &chart.Chart{Values: map[string]any{"x": map[string]any{"list": ""}}}
	tests := map[string]struct{ given, want string }{
		"never given": {`{}`, `{"x": {"list": "a,b"}}`},
		"null":        {`{"x": {"list": null}}`, `{"x": {"list": "a,b"}}`},
		"text":        {`{"x": {"list": "hand, a"}, "y": 1}`, `{"x": {"list": "hand,a,b"}, "y": 1}`},
		"YAML list":   {`{"x": {"list": ["hand", "a"]}}`, `{"x": {"list": ["hand", "a", "b"]}}`},
		"as wanted":   {`{"x": {"list": "b , a,"}}`, `{"x": {"list": "b , a,"}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := Names{Path: []string{"x", "list"}, Proposed: []string{"a", "b"}}
			vals := parse(t, tt.given)
			var d diff
			d.compareNames(chrt, vals, []Names{n}, nil)
			setNames(chrt, vals, []Names{n}, nil)
			if !same(vals, parse(t, tt.want)) {
				t.Errorf("got %s, want %s", show(vals), tt.want)
			}
			if changed := tt.given != tt.want; changed != (len(d.wrong) > 0) {
				t.Errorf("differences %q", d.wrong)
			}
		})
	}
}

func TestNamesLabels(t *testing.T) {
	t.Parallel()
	agents := Names{Path: []string{"agents"}, Proposed: []string{"hidden-name"}, In: []string{"b"}}
	reviewers := Names{Path: []string{"reviewers"}, Proposed: []string{"hidden-name"}}
	labels := labelsOf(Spec{Names: []Names{agents, reviewers}, Defaults: map[string]any{"d": 1}}, nil)
	if len(labels) != 4 {
		t.Errorf("got %d labels, want one for each name and default: %v", len(labels), labels)
	}
	for key, value := range labels {
		if strings.Contains(key+value, "hidden") || len(key) > len(labelPrefix)+63 || len(value) > 63 {
			t.Errorf("%s=%s is no label or shows a name", key, value)
		}
	}
	agents.Proposed, agents.In, agents.Out = []string{"hidden-name"}, nil, []string{"hidden-name"}
	after := kept(labels, labelsOf(Spec{Names: []Names{agents}, Defaults: map[string]any{"d": 1}}, labels))
	if len(after) != 2 || !reviewers.recorded(after, "hidden-name") || agents.recorded(after, "hidden-name") || agents.recorded(after, "b") {
		t.Errorf("labels after the names left one list: %v", after)
	}
}

// On a real release: what people do with helm upgrade lives on beside what is proposed.
func TestNamesOfARelease(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "names")
	with := func(n Names) Spec {
		s := spec()
		s.Defaults = nil
		n.Path = []string{"gateway", "auth", "agentSubjects"}
		s.Names = []Names{n}
		return s
	}
	subjects := func(want string) {
		t.Helper()
		if args := p.args(t); !strings.Contains(args+" ", "--agent-subjects="+want+" ") {
			t.Errorf("args are %s, want %s", args, want)
		}
	}
	p.apply(t, with(Names{Proposed: []string{"a1"}}))
	subjects("a1")
	p.byHand(t, map[string]any{"gateway": map[string]any{"auth": map[string]any{"agentSubjects": []any{"a1", "hand"}}}})
	p.expect(t, with(Names{Proposed: []string{"a1"}}), Ready, 2, "")

	added := with(Names{Proposed: []string{"a1", "a2"}, In: []string{"a2"}})
	p.expect(t, added, Differs, 2, `gateway.auth.agentSubjects is "a1,hand", want "a1,hand,a2"`)
	state := p.apply(t, added)
	if d := cmp.Diff([]string{"a1", "hand", "a2"}, state.Names("gateway", "auth", "agentSubjects")); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	if _, list := state.Values["gateway"].(map[string]any)["auth"].(map[string]any)["agentSubjects"].([]any); !list {
		t.Error("the YAML list became a text")
	}
	subjects("a1,hand,a2")
	before := p.writes.Load()
	p.apply(t, added)
	p.apply(t, with(Names{Proposed: []string{"a1", "a2"}}))
	if n := p.writes.Load() - before; n != 0 {
		t.Errorf("nothing was to do, but it took %d writes", n)
	}

	p.byHand(t, auth("agentSubjects", "hand,a2"))
	state = p.expect(t, with(Names{Proposed: []string{"a1", "a2"}}), Ready, 4, "")
	if d := cmp.Diff([]string{"gateway.auth.agentSubjects without a1"}, state.Kept); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	p.apply(t, with(Names{Proposed: []string{"a1"}, Out: []string{"a2"}}))
	subjects("hand")
	p.apply(t, with(Names{Proposed: []string{"a1", "a2"}}))
	subjects("hand,a2")
	p.apply(t, with(Names{Proposed: []string{"a1"}}))
	subjects("hand")
}
