package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AuditEvent is what an AuditRecord tells.
type AuditEvent string

// The events of an AgentRequest's life. Each is recorded once; policy.evaluated and state.drifted once for each
// evaluation.
const (
	AuditRequestSubmitted = AuditEvent("request.submitted")
	AuditRequestObserved  = AuditEvent("request.observed")
	AuditRequestApproved  = AuditEvent("request.approved")
	AuditRequestDenied    = AuditEvent("request.denied")
	AuditRequestExecuting = AuditEvent("request.executing")
	AuditRequestCompleted = AuditEvent("request.completed")
	AuditRequestFailed    = AuditEvent("request.failed")
	AuditRequestExpired   = AuditEvent("request.expired")
	AuditVerdictSubmitted = AuditEvent("verdict.submitted")
	AuditLockAcquired     = AuditEvent("lock.acquired")
	AuditLockReleased     = AuditEvent("lock.released")
	AuditLockExpired      = AuditEvent("lock.expired")
	AuditPolicyEvaluated  = AuditEvent("policy.evaluated")
	AuditHeartbeatTimeout = AuditEvent("heartbeat.timeout")
	AuditStateDrifted     = AuditEvent("state.drifted")
	// AuditStateDriftedVerify: an agent asked before it began, and what was approved had changed.
	AuditStateDriftedVerify = AuditEvent("state.drifted.verify")
	// AuditTokenIssued is recorded once for each token that was given out for the request.
	AuditTokenIssued = AuditEvent("token.issued")
)

// AuditTrustProfileUpdated is an event in the life of an agent: its level of trust changed. It is about no request.
const AuditTrustProfileUpdated = AuditEvent("agent.trustprofile.updated")

// Labels of an AuditRecord, beside LabelAgentIdentity and LabelCorrelationID, which it has from its request.
const (
	// LabelAgentRequestRef carries the name of the request, made fit for a label value.
	LabelAgentRequestRef = "aip.io/agentRequestRef"
	// LabelAgentRequestUID carries the uid of the request: another request may have its name later.
	LabelAgentRequestUID = "aip.io/agentRequestUID"
)

// Keys of the annotations in an AuditRecord's spec.
const (
	AuditApprovedBy        = "approvedBy"
	AuditApprovalReason    = "approvalReason"
	AuditVerdict           = "verdict"
	AuditVerdictBy         = "verdictBy"
	AuditVerdictReasonCode = "verdictReasonCode"
	// AuditDenialCode and AuditMessage say why a request was denied or failed.
	AuditDenialCode = "denialCode"
	AuditMessage    = "message"
	// AuditTokenID, AuditTokenTo, AuditTokenService, AuditTokenKind and AuditTokenExpiry say which token was given out, to whom, for
	// which service, where it comes from and when it ends. No record holds a token.
	AuditTokenID      = "tokenID"
	AuditTokenTo      = "issuedTo"
	AuditTokenService = "service"
	AuditTokenKind    = "tokenKind"
	AuditTokenExpiry  = "expiresAt"
	// AuditOldLevel and AuditNewLevel are the levels of trust before and after a change, AuditDemoted is "true" when the agent
	// fell, and AuditChange counts the changes of one agent in one namespace, from 1 on.
	AuditOldLevel = "oldLevel"
	AuditNewLevel = "newLevel"
	AuditDemoted  = "demoted"
	AuditChange   = "change"
)

// AuditRecord is one event in the life of an AgentRequest. It never changes, and it does not belong to its request:
// it stays when that goes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=auditrecords,shortName=aud
// +kubebuilder:printcolumn:name="Event",type=string,JSONPath=`.spec.event`
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentIdentity`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.action`
// +kubebuilder:printcolumn:name="Request",type=string,JSONPath=`.spec.agentRequestRef`
// +kubebuilder:printcolumn:name="Target",type=string,priority=1,JSONPath=`.spec.targetURI`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AuditRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is one fact, written at once, so that the API server keeps no owner for each of its fields.
	//
	// +structType=atomic
	Spec AuditRecordSpec `json:"spec"`
	// Status is there for readers that expect it; nothing writes it.
	Status AuditRecordStatus `json:"status,omitempty"`
}

// AuditRecordList is a list of AuditRecords.
//
// +kubebuilder:object:root=true
type AuditRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AuditRecord `json:"items"`
}

// AuditRecordSpec is what happened. The rule walks the fields as data, so that it covers details, whose type CEL does
// not know.
//
// +kubebuilder:validation:XValidation:rule="dyn(self).all(k, dyn(self)[?k] == dyn(oldSelf)[?k]) && dyn(self).size() == dyn(oldSelf).size()",message="an AuditRecord is immutable"
type AuditRecordSpec struct {
	// Timestamp is when it happened, to the second.
	Timestamp metav1.Time `json:"timestamp"`
	// AgentIdentity is the agent of the request.
	//
	// +kubebuilder:validation:MinLength=1
	AgentIdentity string `json:"agentIdentity"`
	// AgentRequestRef is the name of the request.
	//
	// +kubebuilder:validation:MinLength=1
	AgentRequestRef string `json:"agentRequestRef"`
	// Action is the action of the request.
	//
	// +kubebuilder:validation:MinLength=1
	Action string `json:"action"`
	// TargetURI is the target of the request.
	//
	// +kubebuilder:validation:MinLength=1
	TargetURI string `json:"targetURI"`
	// Event is what happened.
	//
	// +kubebuilder:validation:Enum=request.submitted;request.observed;request.approved;request.denied;request.executing;request.completed;request.failed;request.revoked;request.expired;verdict.submitted;lock.acquired;lock.released;lock.expired;policy.evaluated;cascade.mismatch;heartbeat.timeout;state.drifted;state.drifted.verify;agent.trustprofile.updated;token.issued
	Event AuditEvent `json:"event"`
	// Reason is the reason of the request; it may be empty.
	Reason string `json:"reason"`
	// PhaseTransition is the change of phase that the event brought, where there was one.
	//
	// +optional
	PhaseTransition *PhaseTransition `json:"phaseTransition,omitempty"`
	// PolicyEvaluations are the rules that spoke; policy.evaluated has them.
	//
	// +optional
	PolicyEvaluations []PolicyEvaluation `json:"policyEvaluations,omitempty"`
	// LockStatus is the lock that a lock event is about.
	//
	// +optional
	LockStatus *LockStatus `json:"lockStatus,omitempty"`
	// Annotations are further facts: approvedBy, approvalReason, verdict, verdictBy, verdictReasonCode, denialCode, message;
	// token.issued has tokenID, issuedTo, service, tokenKind and expiresAt; agent.trustprofile.updated has oldLevel, newLevel,
	// demoted and change.
	//
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Details is any JSON value; request.completed has status.result here.
	//
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +optional
	Details *apiextensionsv1.JSON `json:"details,omitempty"`
}

// PhaseTransition is a change of phase.
type PhaseTransition struct {
	From Phase `json:"from"`
	To   Phase `json:"to"`
}

// PolicyEvaluation is what one rule said.
type PolicyEvaluation struct {
	// PolicyName is the name of the SafetyPolicy.
	PolicyName string `json:"policyName"`
	// RuleName is the name of the rule in it.
	RuleName string `json:"ruleName"`
	// Result is the action of the rule, or how its evaluation failed.
	Result string `json:"result"`
	// Reason is what the rule told.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
}

// LockStatus is a lock on a target.
type LockStatus struct {
	// LeaseName is the name of the Lease that is the lock.
	LeaseName string `json:"leaseName"`
	// TargetURI is what it locks.
	TargetURI string `json:"targetURI"`
	// Event is acquired, released or expired.
	Event string `json:"event"`
}

// AuditRecordStatus is there for readers that expect it.
type AuditRecordStatus struct {
	// +listType=atomic
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
