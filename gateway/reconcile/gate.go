package reconcile

import (
	"context"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/trust"
)

// mayExecute reports whether an agent's requests to a target are decided; otherwise they are graded. A gate of nil says nothing.
// What the request itself says can only take away: the gateway notes there what it found, but others may write there too.
func mayExecute(request *v1alpha1.AgentRequest, gate *trust.Gate) bool {
	return request.Annotations[v1alpha1.AnnotationCanExecute] != "false" && (gate == nil || gate.CanExecute && gate.Refused == "")
}

// byTrust lets trust in the agent have its say: less of it asks for a reviewer, more of it stands in for one.
func byTrust(request *v1alpha1.AgentRequest, gate *trust.Gate, e lifecycle.Evaluated) lifecycle.Evaluated {
	needsReview := request.Annotations[v1alpha1.AnnotationRequiresHumanApproval] == "true" || !mayExecute(request, gate) ||
		gate != nil && gate.NeedsReview
	switch {
	case needsReview && e.Outcome == lifecycle.Allow:
		e.Outcome, e.Message = lifecycle.Hold, "The level of trust in the agent asks for a reviewer's decision"
	case !needsReview && gate != nil && e.Outcome == lifecycle.Hold:
		e.Outcome, e.Message = lifecycle.Allow, "Trust in the agent stands in for a reviewer: "+e.Message
	}
	return e
}

// toBeGraded is what happens to a request that is not executed: a reviewer grades it, in time.
func (r *requests) toBeGraded(ctx context.Context, request *v1alpha1.AgentRequest, at *step) (lifecycle.Event, error) {
	if graded(request, at.status) {
		return lifecycle.Graded{}, nil
	}
	policy, err := r.store.GraduationPolicy(ctx, request.Namespace)
	if err != nil {
		return nil, err
	}
	limits := r.limits
	limits.Verdict = trust.VerdictLimit(policy, limits.Verdict)
	return r.overdue(limits, request, at), nil
}

// graded reports whether a verdict is recorded that counts: nobody grades what they asked for.
func graded(request *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) bool {
	return status.Verdict != "" && (status.VerdictBy == "" || authz.MayDecide(status.VerdictBy, request).Allowed)
}
