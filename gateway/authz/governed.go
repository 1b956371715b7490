package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Governing returns the GovernedResource whose pattern matches uri, or nil. Of several the one with the longest
// pattern counts, of equally long ones the first by name. A pattern that is no glob matches nothing.
func Governing(resources []v1alpha1.GovernedResource, uri string) *v1alpha1.GovernedResource {
	var best *v1alpha1.GovernedResource
	for i := range resources {
		g := &resources[i]
		if pattern, err := Pattern(g.Spec.URIPattern); err != nil || !pattern.MatchString(uri) {
			continue
		}
		if best == nil || len(g.Spec.URIPattern) > len(best.Spec.URIPattern) ||
			len(g.Spec.URIPattern) == len(best.Spec.URIPattern) && strings.Compare(g.Name, best.Name) < 0 {
			best = g
		}
	}
	return best
}

// Admission says whether an agent may ask for an action on a target at all. The zero value denies.
type Admission struct {
	Verdict
	// Code is the denial code when it is denied; Verdict.Reason begins with it.
	Code string
	// Resource governs the target; nil when none does.
	Resource *v1alpha1.GovernedResource
}

// Admit holds what an agent asks for against the GovernedResources. When there is none at all and none is required,
// everything may be asked for.
func Admit(resources []v1alpha1.GovernedResource, required bool, agent, action, uri string) Admission {
	if len(resources) == 0 && !required {
		return Admission{Verdict: allowed()}
	}
	g := Governing(resources, uri)
	refuse := func(code, format string, args ...any) Admission {
		return Admission{Verdict: denied(code + ": " + fmt.Sprintf(format, args...)), Code: code, Resource: g}
	}
	switch {
	case g == nil:
		return refuse(v1alpha1.DenialActionNotPermitted, "no GovernedResource matches %q", uri)
	case len(g.Spec.PermittedAgents) > 0 && !slices.Contains(g.Spec.PermittedAgents, agent):
		return refuse(v1alpha1.DenialIdentityInvalid, "agent %q is not permitted by GovernedResource %q", agent, g.Name)
	case !slices.Contains(g.Spec.PermittedActions, action):
		return refuse(v1alpha1.DenialActionNotPermitted, "action %q is not permitted by GovernedResource %q", action, g.Name)
	default:
		return Admission{Verdict: allowed(), Resource: g}
	}
}

// Reference returns what a request records about the GovernedResource that governs its target; nil for nil.
func Reference(g *v1alpha1.GovernedResource) *v1alpha1.GovernedResourceRef {
	if g == nil {
		return nil
	}
	return &v1alpha1.GovernedResourceRef{Name: g.Name, Generation: g.Generation, UID: g.UID}
}
