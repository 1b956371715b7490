package fakegateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// AllSafetyPolicies answers GET /safety-policies with the policy that all samples are held by.
func (g *Gateway) AllSafetyPolicies(context.Context) ([]v1alpha1.SafetyPolicy, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var p v1alpha1.SafetyPolicy
	p.Name, p.Namespace, p.Generation, p.UID = "guard-destructive", "default", 1, "policy-1"
	p.Spec.FailureMode = v1alpha1.FailClosed
	p.Spec.Rules = []v1alpha1.Rule{{
		Name: "needs-human", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionRequireApproval,
		Expression: `request.spec.action in ["delete", "drain", "restart", "rollback", "scale-down"]`,
		Message:    "destructive actions need a human",
	}}
	p.Status.Conditions = []metav1.Condition{{Type: "Valid", Status: metav1.ConditionTrue, Reason: "Compiled", Message: "all rules compile"}}
	return []v1alpha1.SafetyPolicy{p}, g.answering()
}

// SetTarget says how the target of a request is by now. Without it, targets are as they were verified.
func (g *Gateway) SetTarget(name string, t wire.Target) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.targets[name] = t
}

// Target answers GET /agent-requests/{name}/target.
func (g *Gateway) Target(_ context.Context, _, name string) (wire.Target, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.answering(); err != nil {
		return wire.Target{}, err
	}
	if t, ok := g.targets[name]; ok {
		return t, nil
	}
	for _, r := range g.requests {
		if r.Name == name {
			return wire.Target{Name: name, Recorded: r.Status.ControlPlaneVerification, Current: r.Status.ControlPlaneVerification}, nil
		}
	}
	return wire.Target{}, refuse(http.StatusNotFound, "AgentRequest not found")
}

// AuditRecords answers GET /audit-records: one record for each request, and one for each decision.
func (g *Gateway) AuditRecords(_ context.Context, o client.AuditOptions) ([]v1alpha1.AuditRecord, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.answering(); err != nil {
		return nil, err
	}
	var all []v1alpha1.AuditRecord
	for _, r := range g.requests {
		if o.Request != "" && o.Request != r.Name {
			continue
		}
		all = append(all, record(r, v1alpha1.AuditRequestSubmitted, r.CreationTimestamp))
		if h := r.Spec.HumanApproval; h != nil {
			event := v1alpha1.AuditRequestDenied
			if h.Decision == v1alpha1.DecisionApproved {
				event = v1alpha1.AuditRequestApproved
			}
			decided := record(r, event, metav1.NewTime(g.now()))
			decided.Spec.Annotations = map[string]string{v1alpha1.AuditApprovedBy: h.ApprovedBy, v1alpha1.AuditApprovalReason: h.Reason}
			all = append(all, decided)
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.AuditRecord) int {
		if by := b.Spec.Timestamp.Compare(a.Spec.Timestamp.Time); by != 0 {
			return by
		}
		return slices.Compare([]byte(a.UID), []byte(b.UID))
	})
	if o.Limit > 0 {
		all = all[:min(o.Limit, len(all))]
	}
	return all, nil
}

func record(r *v1alpha1.AgentRequest, event v1alpha1.AuditEvent, at metav1.Time) v1alpha1.AuditRecord {
	var a v1alpha1.AuditRecord
	a.Name, a.Namespace = fmt.Sprintf("%s-%s", r.Name, event), r.Namespace
	a.UID = types.UID(a.Name)
	a.Spec = v1alpha1.AuditRecordSpec{
		Timestamp: at, AgentIdentity: r.Spec.AgentIdentity, AgentRequestRef: r.Name, Action: r.Spec.Action,
		TargetURI: r.Spec.Target.URI, Event: event, Reason: r.Spec.Reason,
	}
	return a
}

// Grade answers PATCH /agent-requests/{name}/verdict.
func (g *Gateway) Grade(_ context.Context, namespace, name string, v wire.Verdict) (wire.Reported, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if err := g.answering(); err != nil {
		return wire.Reported{}, err
	}
	for _, r := range g.requests {
		if r.Name != name || r.Namespace != namespace {
			continue
		}
		if r.Status.Phase != v1alpha1.PhaseAwaitingVerdict {
			return wire.Reported{}, refuse(http.StatusConflict, "request is in phase %q — can only be graded in AwaitingVerdict", r.Status.Phase)
		}
		if v.Verdict != v1alpha1.VerdictCorrect && v.ReasonCode == "" {
			return wire.Reported{}, refuse(http.StatusBadRequest, "reasonCode is required when verdict is not 'correct'")
		}
		r = r.DeepCopy()
		r.Status.Verdict, r.Status.VerdictReasonCode, r.Status.VerdictNote, r.Status.VerdictBy = v.Verdict, v.ReasonCode, v.Note, g.who.Identity
		r.Status.Phase = v1alpha1.PhaseCompleted
		g.put(r)
		return wire.Reported{Message: "verdict submitted", Phase: r.Status.Phase}, nil
	}
	return wire.Reported{}, refuse(http.StatusNotFound, "AgentRequest not found")
}
