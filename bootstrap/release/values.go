package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/util/validation"
)

// labelPrefix leads the labels that record which defaults were proposed; the path of the value follows.
const labelPrefix = "aip-dev/"

// diff is how a revision compares to a Spec.
type diff struct {
	// wrong says in a few words each what has to be changed.
	wrong []string
	// kept are the paths of defaults that were changed by hand.
	kept []string
}

// newDiff compares without talking to anybody. Values are compared as the chart would see them, so a value that was
// never given but is the chart's default counts as set.
func newDiff(rel *helm.Release, chrt *chart.Chart, want Spec) diff {
	var d diff
	switch {
	case unfinished(rel):
		d.addf("revision %d was left %s", rel.Version, rel.Info.Status)
	case rel.Info.Status != helm.StatusDeployed:
		d.addf("revision %d is %s (%s)", rel.Version, rel.Info.Status, rel.Info.Description)
	}
	if have, wish := chartName(rel.Chart), chartName(chrt); have != wish {
		d.addf("chart is %s, want %s", have, wish)
	} else if !sameChart(rel, chrt) {
		d.addf("chart %s has other contents", wish)
	}
	for _, l := range leaves(want.Values) {
		if have := effective(chrt, rel.Config, l.path); !same(have, l.value) {
			d.addf("%s is %s, want %s", l, show(have), show(l.value))
		}
	}
	for _, l := range leaves(want.Defaults) {
		have := effective(chrt, rel.Config, l.path)
		switch {
		case same(have, l.value):
		case l.proposed(rel.Labels):
			d.kept = append(d.kept, l.String())
		default:
			d.addf("%s is %s, want %s", l, show(have), show(l.value))
		}
	}
	return d
}

func (d *diff) addf(format string, args ...any) {
	d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
}

// merged returns the complete values for the next revision: those of the last, with want.Values, and with those of
// want.Defaults that are new according to the labels of the last. It changes none of its arguments.
func merged(last map[string]any, want Spec, labels map[string]string) map[string]any {
	out := clone(last)
	for _, l := range leaves(want.Defaults) {
		if !l.proposed(labels) {
			set(out, l.path, l.value)
		}
	}
	for _, l := range leaves(want.Values) {
		set(out, l.path, l.value)
	}
	return out
}

// proposals returns the labels that record defaults as proposed.
func proposals(defaults map[string]any) map[string]string {
	out := map[string]string{}
	for _, l := range leaves(defaults) {
		out[l.label()] = digest(l.value)
	}
	return out
}

// labels returns everything that is kept with a revision.
func labels(want Spec) map[string]string {
	out := proposals(want.Defaults)
	for name, value := range want.Labels {
		out[name] = value
	}
	return out
}

// leaf is one value of nested maps. A list is one value, and so is an empty map.
type leaf struct {
	path  []string
	value any
}

// String returns the path as --set writes it.
func (l leaf) String() string { return strings.Join(l.path, ".") }

// label returns the label that records the proposal of this value. A path that makes no label is replaced by its
// digest.
func (l leaf) label() string {
	if name := l.String(); len(validation.IsQualifiedName(labelPrefix+name)) == 0 {
		return labelPrefix + name
	}
	return labelPrefix + digest(l.path)
}

// proposed reports whether the labels of a release say that the same value was proposed before.
func (l leaf) proposed(labels map[string]string) bool { return labels[l.label()] == digest(l.value) }

// leaves returns the values of nested maps, sorted by path.
func leaves(vals map[string]any) []leaf {
	var out []leaf
	for key, value := range vals {
		nested, ok := value.(map[string]any)
		if !ok || len(nested) == 0 {
			out = append(out, leaf{[]string{key}, value})
			continue
		}
		for _, l := range leaves(nested) {
			out = append(out, leaf{append([]string{key}, l.path...), l.value})
		}
	}
	slices.SortFunc(out, func(a, b leaf) int { return slices.Compare(a.path, b.path) })
	return out
}

// effective returns the value that the chart's templates see at path: the given one, else the chart's default.
func effective(chrt *chart.Chart, given map[string]any, path []string) any {
	if v, ok := lookup(given, path); ok {
		return v
	}
	v, _ := lookup(chrt.Values, path)
	return v
}

func lookup(vals map[string]any, path []string) (any, bool) {
	v, ok := vals[path[0]]
	if !ok || len(path) == 1 {
		return v, ok
	}
	nested, ok := v.(map[string]any)
	if !ok {
		return nil, true // something else is there, so nothing is at path
	}
	return lookup(nested, path[1:])
}

// set puts value at path and makes the maps on the way.
func set(vals map[string]any, path []string, value any) {
	if len(path) == 1 {
		vals[path[0]] = value
		return
	}
	nested, ok := vals[path[0]].(map[string]any)
	if !ok {
		nested = map[string]any{}
		vals[path[0]] = nested
	}
	set(nested, path[1:], value)
}

// clone copies nested maps, so that set may change them.
func clone(vals map[string]any) map[string]any {
	out := make(map[string]any, len(vals))
	for key, value := range vals {
		if nested, ok := value.(map[string]any); ok {
			value = clone(nested)
		}
		out[key] = value
	}
	return out
}

// same compares as JSON, because a release comes back from the cluster as JSON and knows one kind of number only.
func same(a, b any) bool { return digest(a) == digest(b) }

// digest is short enough for a label, and stable over a way through JSON.
func digest(v any) string {
	sum := sha256.Sum256([]byte(show(v)))
	return hex.EncodeToString(sum[:16])
}

// show returns v as JSON.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v) // not JSON, so equal to nothing that is
	}
	return string(b)
}
