package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
)

// Refusal is why a caller may not submit as an agent. The zero value refuses nothing.
type Refusal int

// The refusals.
const (
	// RefusedUnnamed means that the caller may act as several agents and named none.
	RefusedUnnamed Refusal = iota + 1
	// RefusedMismatch means that the agent is registered for other tokens.
	RefusedMismatch
	// RefusedUnregistered means that no registration of the agent counts, and that agents without one are refused.
	RefusedUnregistered
	// RefusedOther means that the caller names another agent, and no registration lets it.
	RefusedOther
)

// Codes that the reasons of refusals begin with.
const (
	CodeIdentityMismatch = "IDENTITY_MISMATCH"
	CodeNotRegistered    = "AGENT_NOT_REGISTERED"
)

// Admission is as which agent a caller submits, or why it may not.
type Admission struct {
	// Agent is the one that is named or meant, whether the caller may act as it or not; empty with RefusedUnnamed.
	Agent string
	// Refused is why the caller may not, and Reason says it in words.
	Refused Refusal
	Reason  string
	// Registered says that a registration lets the caller act as the agent.
	Registered bool
	// By is the registration that refuses, or that does not count (yet); nil when there is none.
	By *v1alpha1.AgentRegistration
}

// ActsAs returns the agents whose registrations admit a caller, sorted, and all that it may act as: those and, unless its own
// name is registered, the agent of that name.
func (r *Registry) ActsAs(who authn.Identity) (registered, all []string) {
	registered = r.Agents(who)
	all = registered
	if len(r.InForce(who.Subject)) == 0 && !slices.Contains(all, who.Subject) {
		all = append(slices.Clone(all), who.Subject)
	}
	return registered, all
}

// Admit says as which agent a caller submits. The caller may name one; without a name it is the agent that its token is registered
// for, else the one that is called like its identity. strict refuses agents without a registration that counts; otherwise such a
// caller acts as the agent of its own name, and as no other.
func (r *Registry) Admit(who authn.Identity, named string, strict bool) Admission {
	registered := r.Agents(who)
	a := Admission{Agent: named}
	switch {
	case named != "":
	case len(registered) == 0 || slices.Contains(registered, who.Subject):
		a.Agent = who.Subject
	case len(registered) == 1:
		a.Agent = registered[0]
	default:
		return a.refuse(RefusedUnnamed, CodeIdentityMismatch+": %q may act as %s; expected one of them in agentIdentity", who.Subject, strings.Join(registered, ", "))
	}
	switch {
	case slices.Contains(registered, a.Agent):
		a.Registered = true
		return a
	case len(r.InForce(a.Agent)) > 0:
		var why string
		a.By, why = r.Refusal(a.Agent, who)
		return a.refuse(RefusedMismatch, CodeIdentityMismatch+": agent %q: %s", a.Agent, why)
	case strict:
		a.By = r.Latest(a.Agent)
		return a.refuse(RefusedUnregistered, CodeNotRegistered+": agent %q has no AgentRegistration%s", a.Agent, howItStands(a.By))
	case a.Agent != who.Subject:
		return a.refuse(RefusedOther, "agentIdentity must match authenticated caller")
	default:
		return a
	}
}

func (a Admission) refuse(as Refusal, format string, args ...any) Admission {
	a.Refused, a.Reason = as, fmt.Sprintf(format, args...)
	return a
}

// howItStands says what became of a registration that does not count.
func howItStands(reg *v1alpha1.AgentRegistration) string {
	switch {
	case reg == nil:
		return ""
	case reg.Status.Phase == v1alpha1.RegistrationDenied:
		return " that counts: " + reg.Namespace + "/" + reg.Name + " was denied"
	default:
		return " that counts: " + reg.Namespace + "/" + reg.Name + " waits for its approval"
	}
}
