package why

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/registry"
	"github.com/aip-dev/aip-dev/internal/check"
)

// strictRegistration is the value of --unregistered-agent-policy that refuses agents without a registration.
const strictRegistration = "strict"

// registration asks as which agent the caller submits, and whether a registration is in the way, by the gateway's own code.
func (r *replay) registration(found refusal) check.Answer {
	strict := r.Gateway.UnregisteredAgents == strictRegistration
	switch {
	case found.row != "":
		return check.Skipped("not asked (the token was refused at %s)", found.row)
	case r.Need == authz.Reviewer, !slices.Contains(r.report.Roles, string(authz.RoleAgent)):
		return check.Skipped("only agents that submit are registered")
	case r.Registrations == nil && strict:
		return check.Warned(check.Fix{Command: "kubectl get agentregistrations -A  # is " + r.report.Identity + " there, and Approved"},
			"this gateway refuses agents without a registration, and which are there is not known here")
	case r.Registrations == nil:
		return check.Skipped("which registrations this gateway has is not known here")
	}
	registered, _ := r.Registrations.ActsAs(r.identity)
	admission := r.Registrations.Admit(r.identity, "", strict)
	switch admission.Refused {
	case 0:
		if !admission.Registered {
			return check.OK("%s has no registration, and none is asked for", admission.Agent)
		}
		return check.OK("registered as %s", admission.Agent)
	case registry.RefusedUnnamed:
		return check.OK("registered as %s; a request says as which of them in agentIdentity", strings.Join(registered, ", "))
	case registry.RefusedMismatch:
		return r.unregistered(admission, r.mismatch(admission.By))
	default:
		return r.unregistered(admission, r.absent(admission))
	}
}

// agent returns the one that the caller submits as.
func (r *replay) agent() string {
	if r.Registrations != nil {
		if a := r.Registrations.Admit(r.identity, "", false); a.Agent != "" {
			return a.Agent
		}
	}
	return r.report.Identity
}

// unregistered notes a refusal for want of a registration that counts for the token.
func (r *replay) unregistered(admission registry.Admission, answer check.Answer) check.Answer {
	r.report.Refused, r.report.Accepted, r.report.Answer = RowRegistry, false, admission.Reason
	return answer
}

// mismatch compares a token with the registration that is for other tokens.
func (r *replay) mismatch(reg *v1alpha1.AgentRegistration) check.Answer {
	oidc := reg.Spec.OIDC
	name := fmt.Sprintf("AgentRegistration %s/%s", reg.Namespace, reg.Name)
	if oidc.Issuer != r.identity.Issuer {
		return check.Differ(r.Fixes.registration(reg, map[string]any{"issuer": r.identity.Issuer}), "iss "+oidc.Issuer, "iss "+r.identity.Issuer,
			"%s is for tokens of another issuer: %s", name, difference(oidc.Issuer, r.identity.Issuer))
	}
	claim, value := oidc.SubjectClaim, r.identity.Subject
	if claim == "" {
		claim = r.Gateway.OIDC.IdentityClaim
	} else {
		value = r.identity.Claim(claim)
	}
	allowed := registry.Admitted(reg)
	fix := r.Fixes.registration(reg, map[string]any{"allowedSubjects": append(slices.Clone(allowed), value)})
	if value == "" {
		fix = r.Fixes.registration(reg, map[string]any{"subjectClaim": nil})
	}
	return check.Differ(fix, fmt.Sprintf("%s one of %s", claim, strings.Join(allowed, ", ")), fmt.Sprintf("%s %q", claim, value), "%s is for other subjects", name)
}

// absent says what is missing of a registration that counts.
func (r *replay) absent(admission registry.Admission) check.Answer {
	const expected = "an AgentRegistration that counts"
	reg := admission.By
	if reg == nil {
		return check.Differ(r.Fixes.role(admission.Agent, string(authz.RoleAgent)), expected, "none", "agent %s has no registration, and this gateway asks for one", admission.Agent)
	}
	found := fmt.Sprintf("%s/%s, which is %s", reg.Namespace, reg.Name, reg.Status.Phase)
	if reg.Status.Phase == v1alpha1.RegistrationDenied {
		return check.Differ(r.Fixes.again(reg), expected, found, "the registration of agent %s was denied", admission.Agent)
	}
	return check.Differ(r.Fixes.approve(reg), expected, found, "the registration of agent %s waits for its approval", admission.Agent)
}

// oidcPatch is the JSON merge patch that changes fields of spec.oidc.
func oidcPatch(fields map[string]any) string {
	data, err := json.Marshal(map[string]any{"spec": map[string]any{"oidc": fields}})
	if err != nil {
		return "{}" // strings can always be written
	}
	return string(data)
}
