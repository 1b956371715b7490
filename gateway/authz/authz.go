// Package authz turns an identity, an action and an object into a Verdict. The gateway's routes and handlers ask it
// before they read a body or write anything; it does no I/O.
package authz

import (
	"slices"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Role is what an identity may do at the gateway.
type Role string

// The roles, in ascending order of weight.
const (
	RoleAgent    Role = "agent"
	RoleReviewer Role = "reviewer"
	RoleAdmin    Role = "admin"
)

// unknown is what /whoami calls an identity without a role.
const unknown = "unknown"

// Config says who has which role, by the value of the identity claim or by a value of the groups claim. The zero
// value gives nobody any role.
type Config struct {
	AgentSubjects, ReviewerSubjects, AdminSubjects []string
	AgentGroups, ReviewerGroups, AdminGroups       []string
}

// Roles are the roles that an identity holds, highest first.
type Roles []Role

// RolesOf returns the roles of an identity, highest first. An empty subject has none, and empty values in the lists
// and among the groups count for nothing.
func (c Config) RolesOf(subject string, groups []string) Roles {
	var roles Roles
	if subject == "" {
		return roles
	}
	for _, r := range []struct {
		role             Role
		subjects, groups []string
	}{
		{RoleAdmin, c.AdminSubjects, c.AdminGroups},
		{RoleReviewer, c.ReviewerSubjects, c.ReviewerGroups},
		{RoleAgent, c.AgentSubjects, c.AgentGroups},
	} {
		member := func(group string) bool { return group != "" && slices.Contains(r.groups, group) }
		if slices.Contains(r.subjects, subject) || slices.ContainsFunc(groups, member) {
			roles = append(roles, r.role)
		}
	}
	return roles
}

// Has reports whether role is among r.
func (r Roles) Has(role Role) bool { return slices.Contains(r, role) }

// Highest returns the heaviest role by name, or unknown.
func (r Roles) Highest() string {
	if len(r) == 0 {
		return unknown
	}
	return string(r[0])
}

// Need is what a route asks of its caller. The zero value is no need at all and denies everybody; a route table that
// holds it is refused.
type Need int

// What a route can need.
const (
	// None serves callers without a token.
	None Need = iota + 1
	// Authenticated serves every caller with a verified token, whatever its roles.
	Authenticated
	// Agent, Reviewer and Admin ask for that role.
	Agent
	Reviewer
	Admin
	// AdminOrReviewer asks for one of the two.
	AdminOrReviewer
	// AnyRole asks for one role or more.
	AnyRole
)

// Verdict is the answer to "may they". The zero value denies.
type Verdict struct {
	Allowed bool
	// Reason is the text of the 403 answer; empty when allowed.
	Reason string
}

func allowed() Verdict             { return Verdict{Allowed: true} }
func denied(reason string) Verdict { return Verdict{Reason: reason} }

// Allow says whether a caller with roles may use a route with need.
func Allow(need Need, roles Roles) Verdict {
	var enough []Role
	var reason string
	switch need {
	case None, Authenticated:
		return allowed()
	case Agent:
		enough, reason = []Role{RoleAgent}, "agent role required"
	case Reviewer:
		enough, reason = []Role{RoleReviewer}, "reviewer role required"
	case Admin:
		enough, reason = []Role{RoleAdmin}, "admin role required"
	case AdminOrReviewer:
		enough, reason = []Role{RoleAdmin, RoleReviewer}, "admin or reviewer role required"
	case AnyRole:
		enough, reason = []Role{RoleAgent, RoleReviewer, RoleAdmin}, "agent, reviewer, or admin role required"
	default:
		return denied("this route serves nobody")
	}
	if slices.ContainsFunc(enough, roles.Has) {
		return allowed()
	}
	return denied(reason)
}

// MayDecide says whether subject, who may act as these agents, may approve, deny or grade r. Nobody decides about what they
// asked for or submitted, whatever their roles.
func MayDecide(subject string, r *v1alpha1.AgentRequest, agents ...string) Verdict {
	switch {
	case subject == "":
		return denied("caller identity required")
	case subject == r.Spec.AgentIdentity, Owns(subject, agents, r):
		return denied("forbidden: self-approval not permitted")
	default:
		return allowed()
	}
}

// Owns reports whether r is subject's own: it submitted the request, or may act as the agent of it.
func Owns(subject string, agents []string, r *v1alpha1.AgentRequest) bool {
	return subject != "" && (subject == r.Annotations[v1alpha1.AnnotationSubmittedBy] || slices.Contains(agents, r.Spec.AgentIdentity))
}

// MayRead says whether subject, who may act as these agents, may see r: reviewers and admins see every request, agents their
// own.
func MayRead(subject string, agents []string, roles Roles, r *v1alpha1.AgentRequest) Verdict {
	switch {
	case roles.Has(RoleReviewer), roles.Has(RoleAdmin), roles.Has(RoleAgent) && Owns(subject, agents, r):
		return allowed()
	default:
		return denied("forbidden: agents see their own requests only")
	}
}
