package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

// Names is a value that holds a list of names, and that this program keeps together with the people who change it by
// helm upgrade. What somebody else put into the list stays there.
type Names struct {
	// Path leads to the value, such as gateway, auth, agentSubjects. It is written as "a,b" or as a YAML list, and keeps
	// the form that it has.
	Path []string
	// Proposed are put into the list when they are new, that is, when the release does not say that they were proposed
	// before; one that was taken out by hand afterwards stays out and is named in State.Kept. A name that was proposed
	// before and is no more is taken out.
	Proposed []string
	// In have to be in the list and Out must not, whoever put them in or took them out. Names in In count as proposed.
	In, Out []string
}

// String returns the path as --set writes it.
func (n Names) String() string { return strings.Join(n.Path, ".") }

// settle returns the list that have should become, and the proposals that were taken out of it by hand.
func (n Names) settle(have []string, labels map[string]string) (want, kept []string) {
	proposed := func(name string) bool { return slices.Contains(n.Proposed, name) || slices.Contains(n.In, name) }
	for _, name := range have {
		if !slices.Contains(n.Out, name) && (proposed(name) || !n.recorded(labels, name)) {
			want = append(want, name)
		}
	}
	add := func(name string) {
		if !slices.Contains(want, name) && !slices.Contains(n.Out, name) {
			want = append(want, name)
		}
	}
	for _, name := range n.Proposed {
		if n.recorded(labels, name) && !slices.Contains(n.In, name) {
			if !slices.Contains(want, name) && !slices.Contains(n.Out, name) {
				kept = append(kept, name)
			}
			continue
		}
		add(name)
	}
	for _, name := range n.In {
		add(name)
	}
	return want, kept
}

// forgotten removes a label when helm upgrades.
// Source: mergeCustomLabels in helm.sh/helm/v3/pkg/action.
const forgotten = "null"

// record is the value of the labels that record names of this list as proposed; each has one of its own.
func (n Names) record() string { return "names-" + digest(n.Path) }

func (n Names) label(name string) string {
	return labelPrefix + digest(append([]string{name}, n.Path...))
}

func (n Names) recorded(labels map[string]string, name string) bool {
	return labels[n.label(name)] == n.record()
}

// labels returns what the next revision has to record, given the labels of the last.
func (n Names) labels(last map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range last {
		if value == n.record() {
			out[key] = forgotten
		}
	}
	for _, name := range slices.Concat(n.Proposed, n.In) {
		if !slices.Contains(n.Out, name) {
			out[n.label(name)] = n.record()
		}
	}
	return out
}

// compareNames adds to d how the lists of a release differ.
func (d *diff) compareNames(chrt *chart.Chart, given map[string]any, lists []Names, labels map[string]string) {
	for _, n := range lists {
		have := namesOf(effective(chrt, given, n.Path))
		want, kept := n.settle(have, labels)
		if !slices.Equal(have, want) {
			d.addf("%s is %q, want %q", n, strings.Join(have, ","), strings.Join(want, ","))
		}
		if len(kept) > 0 {
			d.kept = append(d.kept, fmt.Sprintf("%s without %s", n, strings.Join(kept, ",")))
		}
	}
}

// setNames brings the lists in vals about.
func setNames(chrt *chart.Chart, vals map[string]any, lists []Names, labels map[string]string) {
	for _, n := range lists {
		old := effective(chrt, vals, n.Path)
		have := namesOf(old)
		if want, _ := n.settle(have, labels); !slices.Equal(have, want) {
			set(vals, n.Path, shaped(old, want))
		}
	}
}

// labelsOf returns the labels of the next revision, given those of the last.
func labelsOf(want Spec, last map[string]string) map[string]string {
	out := proposals(want.Defaults)
	for _, n := range want.Names {
		maps.Copy(out, n.labels(last))
	}
	maps.Copy(out, want.Labels)
	return out
}

// namesOf reads a list in either form, as the gateway does: space around a name does not count, nor do empty names.
func namesOf(value any) []string {
	var names []string
	add := func(text string) {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	switch v := value.(type) {
	case nil:
	case []any:
		for _, each := range v {
			add(fmt.Sprint(each))
		}
	case []string:
		for _, each := range v {
			add(each)
		}
	default:
		add(fmt.Sprint(v))
	}
	return names
}

// shaped writes names in the form that old has.
func shaped(old any, names []string) any {
	switch old.(type) {
	case []any, []string:
		list := make([]any, len(names))
		for i, name := range names {
			list[i] = name
		}
		return list
	default:
		return strings.Join(names, ",")
	}
}

// Names returns the list of names at path as the values that were given have it. One that was not given is empty.
func (s State) Names(path ...string) []string {
	value, _ := lookup(s.Values, path)
	return namesOf(value)
}
