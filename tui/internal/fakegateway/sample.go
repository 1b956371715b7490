package fakegateway

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Pending returns a request that waits for a reviewer.
func Pending(name, agent, action, target, reason string, created time.Time) *v1alpha1.AgentRequest {
	at := metav1.NewTime(created)
	r := &v1alpha1.AgentRequest{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "default", UID: types.UID("uid-" + name), CreationTimestamp: at,
		},
		Spec: v1alpha1.AgentRequestSpec{
			AgentIdentity: agent, Action: action, Target: v1alpha1.Target{URI: target}, Reason: reason, Mode: "govern",
		},
	}
	r.Status.Phase = v1alpha1.PhasePending
	r.Status.PolicyResults = []v1alpha1.PolicyResult{
		{PolicyName: "guard-destructive", RuleName: "needs-human", Result: v1alpha1.ActionRequireApproval, PolicyGeneration: 1},
	}
	r.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionRequestSubmitted, Status: metav1.ConditionTrue, Reason: "Initialization",
			Message: "Request received", LastTransitionTime: at},
		{Type: v1alpha1.ConditionPolicyEvaluated, Status: metav1.ConditionTrue, Reason: "EvaluationComplete",
			Message: "Rule needs-human of policy guard-destructive asks for approval", LastTransitionTime: at},
		{Type: v1alpha1.ConditionRequiresApproval, Status: metav1.ConditionTrue, Reason: "ApprovalRequired",
			Message:            "Rule needs-human of policy guard-destructive asks for approval: destructive actions need a human",
			LastTransitionTime: at},
	}
	return r
}

// Sample returns n requests of several agents, most of them waiting, created one after the other up to now. The same
// seed gives the same requests.
func Sample(n int, seed uint64, now time.Time) []*v1alpha1.AgentRequest {
	random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // test data
	agents := []string{"idle-reaper", "aip-agent-1", "cost-bot", "deployer"}
	actions := []string{"delete", "drain", "scale-down", "rollback", "restart"}
	kinds := []string{"deployment/payment-api", "deployment/cart", "node/worker-3", "deployment/etl", "statefulset/orders"}
	requests := make([]*v1alpha1.AgentRequest, n)
	for i := range requests {
		agent := agents[random.IntN(len(agents))]
		target := "k8s://prod/" + []string{"default", "web", "batch"}[random.IntN(3)] + "/" + kinds[random.IntN(len(kinds))]
		created := now.Add(-time.Duration(n-i) * 7 * time.Second).Truncate(time.Second)
		r := Pending(fmt.Sprintf("%s-%05d", agent, i), agent, actions[random.IntN(len(actions))], target,
			"Classified as idle: 0 req/min for 6 hours per monitoring cache. No active consumers in dependency graph. "+
				"Deleting to recover $32/day.", created)
		r.Spec.Parameters = &apiextensionsv1.JSON{
			Raw: fmt.Appendf(nil, `{"replicas":{"from":3,"to":0},"force":false,"ticket":"OPS-%d"}`, i),
		}
		if i%5 == 4 {
			r.Status.Phase = v1alpha1.PhaseApproved
			r.Status.Conditions = r.Status.Conditions[:2]
		}
		requests[i] = r
	}
	return requests
}

// Rich returns a request that uses every field an agent can fill in, and what the control plane verified.
func Rich(now time.Time) *v1alpha1.AgentRequest {
	r := Pending("idle-reaper-x7k2m", "idle-reaper", "delete", "k8s://prod/default/deployment/payment-api",
		"payment-api classified as idle: 0 req/min for 6 hours per monitoring cache.\n"+
			"No active consumers in dependency graph.\nDeleting to recover $32/day.", now.Add(-49*time.Second))
	confidence, priority, yes := 0.85, int32(3), true
	r.Labels = map[string]string{v1alpha1.LabelCorrelationID: "run-4711"}
	r.Annotations = map[string]string{v1alpha1.AnnotationSubmittedBy: "idle-reaper"}
	r.Spec.Classification, r.Spec.DedupKey, r.Spec.IntentPlanRef = "cost/idle", "idle/payment-api", "plan-12"
	r.Spec.Priority, r.Spec.Interruptibility = &priority, &yes
	r.Spec.Target.ResourceType = "Deployment"
	r.Spec.Target.Attributes = map[string]string{"team": "checkout", "region": "eu-1"}
	r.Spec.Parameters = &apiextensionsv1.JSON{
		Raw: []byte(`{"replicas":{"to":0,"from":3},"force":false,"note":"größe \u001b[31m\u202eevil","ids":[3,1,2]}`),
	}
	r.Spec.CascadeModel = &v1alpha1.CascadeModel{
		AffectedTargets: []v1alpha1.AffectedTarget{
			{URI: "k8s://prod/default/service/payment-api", EffectType: "orphaned"},
			{URI: "k8s://prod/web/deployment/checkout", EffectType: "disrupted"},
		},
		ModelSourceTrust: "inferred", ModelSourceID: "depgraph-7",
	}
	r.Spec.ReasoningTrace = &v1alpha1.ReasoningTrace{
		ConfidenceScore: &confidence, ComponentConfidence: map[string]float64{"traffic": 0.9, "dependencies": 0.6},
		CalibrationEvidence: "backtest-2026-10", TraceReference: "s3://traces/4711",
		Alternatives: []string{"scale to one replica", "ask the owner"},
	}
	r.Spec.ExecutionMode = "scoped"
	r.Spec.ScopeBounds = &v1alpha1.ScopeBounds{
		PermittedActions: []string{"delete"}, PermittedTargetPatterns: []string{"k8s://prod/default/*"}, TimeBoundSeconds: 300,
	}
	r.Status.ControlPlaneVerification = &v1alpha1.ControlPlaneVerification{
		TargetExists: true, HasActiveEndpoints: true, FetchedAt: metav1.NewTime(now.Add(-49 * time.Second)),
		EvaluatedStateFingerprint: "rv-88123", ActiveEndpointCount: 2, ReadyReplicas: 3, SpecReplicas: 3,
		DownstreamServices: []string{"checkout"},
	}
	return r
}

// Wild returns a request whose texts are as awkward as an agent can make them: long, wide, without spaces, and full of
// what would move the cursor or hide.
func Wild(now time.Time) *v1alpha1.AgentRequest {
	r := Pending("wild-agent-q2", "agent-日本\x1b[31m-with-a-name-that-does-not-end", "delete\u202eeteled",
		"k8s://prod-eu-west-1/"+strings.Repeat("a-namespace-with-a-long-name/", 4)+"deployment/payment-api-backend-for-frontend",
		"日本語の理由はとても長いので、この行は端末の幅よりもずっと長くなります。決定してください。 👩‍👩‍👧‍👦 family, e\u0301 accent\n"+
			strings.Repeat("nospaces", 30)+"\n\x1b]0;owned\x07\x1b[2J gone? pаypal", now.Add(-3*time.Minute))
	r.Spec.Parameters = &apiextensionsv1.JSON{
		Raw: []byte(`{"` + strings.Repeat("長い", 40) + `":"` + strings.Repeat("x", 300) + `\u0000\u202e"}`),
	}
	return r
}
