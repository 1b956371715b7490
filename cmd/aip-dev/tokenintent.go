package main

import (
	"context"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/doctor"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// intend adds to a question what is to be asked for, and what the environment has to say about that.
func intend(ctx context.Context, s *session.Session, o whyOptions, q *why.Question) (err error) {
	q.Intent = &why.Intent{Action: o.action, Target: o.target}
	if q.Resources, err = doctor.Objects[v1alpha1.GovernedResource](ctx, s, "governedresources", ""); err != nil {
		return err
	}
	policies, err := doctor.Objects[v1alpha1.AgentGraduationPolicy](ctx, s, "agentgraduationpolicies", o.namespace)
	if err != nil {
		return err
	}
	if len(policies) > 0 {
		q.Graduation = &policies[0]
	}
	profiles, err := doctor.Objects[v1alpha1.AgentTrustProfile](ctx, s, "agenttrustprofiles", o.namespace)
	q.Levels = make(map[string]string, len(profiles))
	for i := range profiles {
		q.Levels[profiles[i].Spec.AgentIdentity] = profiles[i].Status.TrustLevel
	}
	return err
}
