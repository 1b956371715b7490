package trust

import (
	"fmt"
	"time"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// CodeInsufficient begins the reason for which an agent may not even ask.
const CodeInsufficient = "INSUFFICIENT_TRUST"

// Gate is what trust in an agent lets it do with a target that asks for trust. The zero value lets it ask, and nothing more: its
// requests are graded.
type Gate struct {
	// Level is what counts here: the agent's, but not more than the target's highest.
	Level string
	// Refused says why the agent may not even ask; empty when it may.
	Refused string
	// CanExecute says that requests are decided; otherwise they are graded.
	CanExecute bool
	// NeedsReview says that a reviewer decides, whatever the policies say. Otherwise trust stands in for the reviewer that a
	// policy asks for.
	NeedsReview bool
}

// Asks reports whether a target that g governs asks for trust. Nothing else has to be known about the agent when it does not.
func Asks(g *v1alpha1.GovernedResource) bool { return g != nil && g.Spec.TrustRequirements != nil }

// Through returns the gate of a target that asks for trust, for an agent of a level. Without a policy every agent is an Observer,
// and at a level that the policy does not list nobody executes.
func Through(g *v1alpha1.GovernedResource, p *v1alpha1.AgentGraduationPolicy, agent, level string) Gate {
	// What an agent without any record deserves, every agent deserves.
	if start := deserved(p, &Record{}); p == nil || rank(level) < rank(start) {
		level = start
	}
	asked := g.Spec.TrustRequirements
	out := Gate{Level: level}
	if rank(level) < rank(asked.MinTrustLevel) || rank(asked.MinTrustLevel) < 0 {
		out.Refused = fmt.Sprintf(CodeInsufficient+": GovernedResource %q asks for trust level %s; agent %q is %s", g.Name, asked.MinTrustLevel, agent, level)
		if p == nil {
			out.Refused += ": the namespace has no AgentGraduationPolicy"
		}
		return out
	}
	if rank(asked.MaxAutonomyLevel) < rank(level) {
		out.Level = asked.MaxAutonomyLevel
	}
	if at := LevelOf(p, out.Level); at != nil {
		out.CanExecute, out.NeedsReview = at.CanExecute, at.RequiresHumanApproval
	}
	return out
}

// Annotations are what the gateway notes on a request that came through the gate.
func (g Gate) Annotations() map[string]string {
	out := map[string]string{v1alpha1.AnnotationTrustLevel: g.Level}
	switch {
	case !g.CanExecute:
		out[v1alpha1.AnnotationCanExecute] = "false"
	case g.NeedsReview:
		out[v1alpha1.AnnotationRequiresHumanApproval] = "true"
	default:
		out[v1alpha1.AnnotationRequiresHumanApproval] = "false"
	}
	return out
}

// VerdictLimit returns for how long requests of a namespace may wait to be graded; otherwise when its policy does not say.
func VerdictLimit(p *v1alpha1.AgentGraduationPolicy, otherwise time.Duration) time.Duration {
	if p == nil {
		return otherwise
	}
	limit, err := time.ParseDuration(p.Spec.AwaitingVerdictTTL)
	if err != nil {
		return otherwise
	}
	return limit
}
