package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/tui/part/text"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// Change is one value that differs between two versions of a request, or between two requests. Old or New is empty
// where the value is not there. Neither is fit to be drawn; ChangeLines does that.
type Change struct {
	// What names the value in words where there are some, else by its path, for example "parameters.replicas.to".
	What     string
	Old, New string
}

// words are the names of paths that reviewers read often.
//
//nolint:gochecknoglobals // constant in all but syntax
var words = map[string]string{
	"status.controlPlaneVerification.targetExists":        "target exists",
	"status.controlPlaneVerification.hasActiveEndpoints":  "live endpoints",
	"status.controlPlaneVerification.activeEndpointCount": "verified endpoints",
	"status.controlPlaneVerification.readyReplicas":       "ready replicas",
	"status.controlPlaneVerification.specReplicas":        "wanted replicas",
	"status.controlPlaneVerification.downstreamServices":  "used by",
	"status.controlPlaneVerification.fetchedAt":           "verified at",
	"status.phase":                        "phase",
	"spec.target.uri":                     "target",
	"spec.agentIdentity":                  "agent",
	"spec.humanApproval.decision":         "decision",
	"spec.humanApproval.approvedBy":       "decided by",
	"spec.humanApproval.reason":           "decision's reason",
	"spec.reasoningTrace.confidenceScore": "confidence",
}

// Changes returns what differs between two versions of one request, in the order of the paths. What the API server
// counts for itself is left out.
func Changes(before, after *v1alpha1.AgentRequest) []Change {
	return compare(flat(before, "spec", "status", "metadata"), flat(after, "spec", "status", "metadata"))
}

// Differences returns what differs between what two requests ask for, and what was verified and found out about their
// targets.
func Differences(a, b *v1alpha1.AgentRequest) []Change {
	keep := func(all map[string]string) map[string]string {
		for path := range all {
			seen := strings.HasPrefix(path, "status.controlPlaneVerification.") || strings.HasPrefix(path, "status.providerContext.")
			if strings.HasPrefix(path, "status.") && !seen ||
				strings.HasPrefix(path, "spec.humanApproval.") {
				delete(all, path)
			}
		}
		return all
	}
	return compare(keep(flat(a, "spec", "status")), keep(flat(b, "spec", "status")))
}

func compare(before, after map[string]string) []Change {
	var changes []Change
	for path, was := range before {
		if is := after[path]; is != was {
			changes = append(changes, Change{What: path, Old: was, New: is})
		}
	}
	for path, is := range after {
		if _, known := before[path]; !known {
			changes = append(changes, Change{What: path, New: is})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.What, b.What) })
	for i, c := range changes {
		changes[i].What = wordsFor(c.What)
	}
	return changes
}

func wordsFor(path string) string {
	if known, ok := words[path]; ok {
		return known
	}
	return strings.TrimPrefix(strings.TrimPrefix(path, "spec."), "status.")
}

// flat returns the values of the parts of r by their paths.
func flat(r *v1alpha1.AgentRequest, parts ...string) map[string]string {
	values := map[string]string{}
	data, err := json.Marshal(r)
	if err != nil {
		// Only parameters can be unfit, and they say so themselves.
		return map[string]string{"parameters": err.Error()}
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var whole map[string]any
	if err := decoder.Decode(&whole); err != nil {
		return map[string]string{"parameters": err.Error()}
	}
	for _, part := range parts {
		flatten(part, whole[part], values)
	}
	for path := range values {
		if strings.HasPrefix(path, "metadata.") && !strings.HasPrefix(path, "metadata.labels.") &&
			!strings.HasPrefix(path, "metadata.annotations.") || conditionNoise(path) {
			delete(values, path)
		}
	}
	return values
}

// conditionNoise reports whether a value of a condition only says again what others do.
func conditionNoise(path string) bool {
	return strings.HasPrefix(path, "status.conditions.") &&
		(strings.HasSuffix(path, ".lastTransitionTime") || strings.HasSuffix(path, ".type"))
}

// flatten writes the values below v. Lists of names are one value; conditions go by their type, so that one more of
// them does not shift the others.
func flatten(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, each := range v {
			flatten(path+"."+k, each, into)
		}
	case []any:
		var plain []string
		for i, each := range v {
			switch each := each.(type) {
			case map[string]any:
				name, ok := each["type"].(string)
				if !ok {
					name = fmt.Sprint(i + 1)
				}
				flatten(path+"."+name, each, into)
			case []any:
				flatten(fmt.Sprintf("%s.%d", path, i+1), each, into)
			default:
				plain = append(plain, fmt.Sprint(each))
			}
		}
		if len(plain) > 0 {
			into[path] = strings.Join(plain, ", ")
		}
	default:
		if text := fmt.Sprint(v); text != "" {
			into[path] = text
		}
	}
}

// nothing stands for a value that is not there.
const nothing = "none"

// ChangeLines draws changes for width columns, at most limit of them, and says how many were left out. A limit of 0
// leaves out none.
func ChangeLines(changes []Change, look theme.Theme, width, limit int) []string {
	w := &writer{look: look, zone: time.UTC, width: max(width, 4), bar: look.Dim.Render(look.Quote) + " "}
	for i, c := range changes {
		if limit > 0 && i == limit {
			w.put("  ", ours(fmt.Sprintf("and %s", plural(len(changes)-limit, "more change"))), w.look.Dim.Render)
			break
		}
		w.change(c)
	}
	return w.lines
}

// change writes what was and what is, in one line if there is room.
func (w *writer) change(c Change) {
	was, is := valueOr(c.Old), valueOr(c.New)
	arrow := ours(" " + w.look.Arrow + " ")
	label := line(c.What)
	if text.Width(string(label)) > w.width/2 {
		w.put("  ", label, w.look.Dim.Render)
		w.put("    ", was+arrow+is, w.look.Soon.Render)
		return
	}
	w.labelled("  ", string(label), was+arrow+is, w.look.Soon.Render)
}

func valueOr(s string) safe {
	if s == "" {
		return ours(nothing)
	}
	return line(s)
}

// Altered reports whether what a request asks for, what was verified of its target, or what the policies say of it differs
// between two versions. The decision and what the request went through after it do not count.
func Altered(before, after *v1alpha1.AgentRequest) bool {
	return !equality.Semantic.DeepEqual(substance(before), substance(after))
}

// substance is what a reviewer decides about.
func substance(r *v1alpha1.AgentRequest) v1alpha1.AgentRequest {
	s := v1alpha1.AgentRequest{Spec: r.Spec}
	s.Spec.HumanApproval = nil
	s.Status.ProviderContext, s.Status.PolicyResults = r.Status.ProviderContext, r.Status.PolicyResults
	s.Status.GovernedResourceRef, s.Status.EvaluationGeneration = r.Status.GovernedResourceRef, r.Status.EvaluationGeneration
	if v := r.Status.ControlPlaneVerification; v != nil {
		seen := *v
		seen.FetchedAt = metav1.Time{}
		s.Status.ControlPlaneVerification = &seen
	}
	return s
}
