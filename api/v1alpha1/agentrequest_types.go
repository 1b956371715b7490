package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Phase is the place of an AgentRequest in its lifecycle. The empty Phase means that the request was stored and
// not looked at yet.
type Phase string

// The phases of an AgentRequest. Only the gateway's reconciler writes them.
const (
	PhasePending         Phase = "Pending"
	PhaseApproved        Phase = "Approved"
	PhaseDenied          Phase = "Denied"
	PhaseExecuting       Phase = "Executing"
	PhaseCompleted       Phase = "Completed"
	PhaseFailed          Phase = "Failed"
	PhaseExpired         Phase = "Expired"
	PhaseObserved        Phase = "Observed"
	PhaseAwaitingVerdict Phase = "AwaitingVerdict"
)

// Terminal reports whether a request in this phase can change no more.
func (p Phase) Terminal() bool {
	switch p {
	case PhaseDenied, PhaseCompleted, PhaseFailed, PhaseExpired, PhaseObserved:
		return true
	default:
		return false
	}
}

// Condition types that an AgentRequest carries in status.conditions.
const (
	ConditionRequestSubmitted = "RequestSubmitted"
	ConditionPolicyEvaluated  = "PolicyEvaluated"
	ConditionRequiresApproval = "RequiresApproval"
	ConditionApproved         = "Approved"
	ConditionExecuting        = "Executing"
	ConditionCompleted        = "Completed"
	ConditionFailed           = "Failed"
)

// Labels and annotations that the gateway writes on an AgentRequest.
const (
	// LabelAgentIdentity carries spec.agentIdentity, made fit for a label value.
	LabelAgentIdentity = "aip.io/agentIdentity"
	// LabelCorrelationID carries the correlation id that the agent sent, made fit for a label value.
	LabelCorrelationID = "aip.io/correlationID"
	// LabelClassification carries spec.classification, made fit for a label value.
	LabelClassification = "aip.io/classification"
	// LabelProfileName carries the name under which trust in this agent is kept.
	LabelProfileName = "aip.io/profileName"
	// AnnotationSubmittedBy carries the identity of the token that submitted the request. It equals
	// spec.agentIdentity unless an identity may act for another; nobody may decide what they submitted.
	AnnotationSubmittedBy = "governance.aip.io/submitted-by"
)

// AgentRequest is one action that an agent wants to take and what became of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ar
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.action`
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentIdentity`
// +kubebuilder:printcolumn:name="Target",type=string,priority=1,JSONPath=`.spec.target.uri`
// +kubebuilder:printcolumn:name="Denial",type=string,priority=1,JSONPath=`.status.denial.code`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AgentRequest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the agent asked for, and the human's decision about it.
	Spec AgentRequestSpec `json:"spec"`
	// Status is what became of it. Only the reconciler writes it.
	Status AgentRequestStatus `json:"status,omitempty"`
}

// AgentRequestList is a list of AgentRequests.
//
// +kubebuilder:object:root=true
type AgentRequestList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AgentRequest `json:"items"`
}

// AgentRequestSpec is what the agent asked for. It never changes after creation, except that humanApproval may be
// set once.
//
// The first rule walks the fields as data (dyn), so that it covers fields added later and parameters, whose type
// CEL does not know; it refuses a field that is changed, added or removed.
//
// +kubebuilder:validation:XValidation:rule="dyn(self).all(k, k == 'humanApproval' || dyn(self)[?k] == dyn(oldSelf)[?k]) && dyn(oldSelf).all(k, k == 'humanApproval' || k in dyn(self))",message="spec cannot change after creation; only humanApproval may be set, once"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.humanApproval) || has(self.humanApproval) && self.humanApproval == oldSelf.humanApproval",message="humanApproval is already set; a decision cannot be changed or removed"
// +kubebuilder:validation:XValidation:rule="oldSelf.hasValue() || !has(self.humanApproval)",optionalOldSelf=true,message="humanApproval cannot be set at creation; a request is decided after it is stored"
type AgentRequestSpec struct {
	// AgentIdentity is the authenticated caller; the gateway sets it.
	//
	// +kubebuilder:validation:MinLength=1
	AgentIdentity string `json:"agentIdentity"`
	// Action is a free-form verb, for example scale-down or k8s/resources_scale.
	//
	// +kubebuilder:validation:MinLength=1
	Action string `json:"action"`
	// Target is what the action is applied to.
	Target Target `json:"target"`
	// Reason says in the agent's words why it asks.
	//
	// +kubebuilder:validation:MinLength=1
	Reason string `json:"reason"`
	// Mode govern (the default) asks for a decision, observe only records the intent.
	//
	// +kubebuilder:validation:Enum=observe;govern
	// +kubebuilder:default=govern
	// +optional
	Mode string `json:"mode,omitempty"`
	// Classification is category/subcategory.
	//
	// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$`
	// +optional
	Classification string `json:"classification,omitempty"`
	// DedupKey makes repeated submissions of one intent one request.
	//
	// +kubebuilder:validation:MaxLength=512
	// +optional
	DedupKey string `json:"dedupKey,omitempty"`
	// IntentPlanRef names a plan that this request is a step of.
	//
	// +optional
	IntentPlanRef string `json:"intentPlanRef,omitempty"`
	// Priority orders requests that wait for the same target; higher goes first.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	Priority *int32 `json:"priority,omitempty"`
	// CascadeModel lists what else the action will touch, as far as the agent knows.
	//
	// +optional
	CascadeModel *CascadeModel `json:"cascadeModel,omitempty"`
	// ReasoningTrace says how sure the agent is and where its reasoning is kept.
	//
	// +optional
	ReasoningTrace *ReasoningTrace `json:"reasoningTrace,omitempty"`
	// Interruptibility says that the action may be stopped half-way.
	//
	// +optional
	Interruptibility *bool `json:"interruptibility,omitempty"`
	// Parameters is any JSON value that describes the action further. Policies see it as request.spec.parameters.
	//
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +optional
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// ExecutionMode single (the default) covers one action, scoped covers the actions within scopeBounds.
	//
	// +kubebuilder:validation:Enum=single;scoped
	// +kubebuilder:default=single
	// +optional
	ExecutionMode string `json:"executionMode,omitempty"`
	// ScopeBounds limits a scoped request.
	//
	// +optional
	ScopeBounds *ScopeBounds `json:"scopeBounds,omitempty"`
	// HumanApproval is the decision of a reviewer. It may be set once and then never changes. The gateway's
	// approve and deny endpoints write it; kubectl patch may write it too.
	//
	// +optional
	HumanApproval *HumanApproval `json:"humanApproval,omitempty"`
	// GovernedResourceRef names the GovernedResource that matched at admission.
	//
	// +optional
	GovernedResourceRef *GovernedResourceRef `json:"governedResourceRef,omitempty"`
}

// Target is what an action is applied to.
type Target struct {
	// URI names the target, for example k8s://prod/default/deployment/payment-api.
	//
	// +kubebuilder:validation:MinLength=1
	URI string `json:"uri"`
	// ResourceType names the kind of target in the agent's words.
	//
	// +optional
	ResourceType string `json:"resourceType,omitempty"`
	// Attributes are further facts about the target, as the agent states them.
	//
	// +optional
	Attributes map[string]string `json:"attributes,omitempty"`
}

// CascadeModel lists what else an action will touch.
type CascadeModel struct {
	// AffectedTargets are the other targets.
	//
	// +kubebuilder:validation:MinItems=1
	AffectedTargets []AffectedTarget `json:"affectedTargets"`
	// ModelSourceTrust says how the list came about.
	//
	// +kubebuilder:validation:Enum=authoritative;derived;inferred
	// +optional
	ModelSourceTrust string `json:"modelSourceTrust,omitempty"`
	// ModelSourceID names the source of the list.
	//
	// +optional
	ModelSourceID string `json:"modelSourceID,omitempty"`
}

// AffectedTarget is one further target and what happens to it.
type AffectedTarget struct {
	// URI names the target.
	//
	// +kubebuilder:validation:MinLength=1
	URI string `json:"uri"`
	// EffectType is what happens to it.
	//
	// +kubebuilder:validation:Enum=deleted;modified;disrupted;orphaned
	EffectType string `json:"effectType"`
}

// ReasoningTrace says how sure the agent is and where its reasoning is kept.
type ReasoningTrace struct {
	// ConfidenceScore is between 0 and 1; 0 is a value, absent is not.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +optional
	ConfidenceScore *float64 `json:"confidenceScore,omitempty"`
	// ComponentConfidence is the score of each part of the reasoning.
	//
	// +optional
	ComponentConfidence map[string]float64 `json:"componentConfidence,omitempty"`
	// CalibrationEvidence says why the scores deserve trust.
	//
	// +optional
	CalibrationEvidence string `json:"calibrationEvidence,omitempty"`
	// TraceReference says where the full reasoning is kept.
	//
	// +optional
	TraceReference string `json:"traceReference,omitempty"`
	// Alternatives are the other actions that the agent considered.
	//
	// +optional
	Alternatives []string `json:"alternatives,omitempty"`
}

// ScopeBounds limits a scoped request.
type ScopeBounds struct {
	// PermittedActions are the actions that the request covers.
	//
	// +kubebuilder:validation:MinItems=1
	PermittedActions []string `json:"permittedActions"`
	// PermittedTargetPatterns are the targets that it covers.
	//
	// +kubebuilder:validation:MinItems=1
	PermittedTargetPatterns []string `json:"permittedTargetPatterns"`
	// TimeBoundSeconds is for how long.
	//
	// +kubebuilder:validation:Minimum=1
	TimeBoundSeconds int32 `json:"timeBoundSeconds"`
}

// Decisions that a reviewer can make.
const (
	DecisionApproved = "approved"
	DecisionDenied   = "denied"
)

// HumanApproval is the decision of a reviewer.
type HumanApproval struct {
	// Decision is approved or denied.
	//
	// +kubebuilder:validation:Enum=approved;denied
	Decision string `json:"decision"`
	// Reason is what the reviewer says to the agent.
	//
	// +optional
	Reason string `json:"reason,omitempty"`
	// ForGeneration is the status.evaluationGeneration that the reviewer saw.
	ForGeneration int64 `json:"forGeneration"`
	// ApprovedBy is the identity of the reviewer, for denials too.
	//
	// +optional
	ApprovedBy string `json:"approvedBy,omitempty"`
}

// GovernedResourceRef names a GovernedResource as it was when the request was admitted.
type GovernedResourceRef struct {
	// Name of the GovernedResource.
	Name string `json:"name"`
	// Generation of the GovernedResource.
	Generation int64 `json:"generation"`
}

// AgentRequestStatus is what became of a request.
type AgentRequestStatus struct {
	// Phase is the place in the lifecycle.
	//
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// Conditions say how the request came to its phase.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Denial says why a request was denied or failed.
	//
	// +optional
	Denial *Denial `json:"denial,omitempty"`
	// LeaseName names the Lease that holds the target for this request.
	//
	// +optional
	LeaseName string `json:"leaseName,omitempty"`
	// EvaluationGeneration counts the evaluations after the first; the first is 0.
	//
	// +optional
	EvaluationGeneration int64 `json:"evaluationGeneration,omitempty"`
	// ControlPlaneVerification is what the gateway itself saw of the target.
	//
	// +optional
	ControlPlaneVerification *ControlPlaneVerification `json:"controlPlaneVerification,omitempty"`
	// GovernedResourceRef names the GovernedResource that matched at admission.
	//
	// +optional
	GovernedResourceRef *GovernedResourceRef `json:"governedResourceRef,omitempty"`
	// Result is what the agent reported after it executed.
	//
	// +optional
	Result *Result `json:"result,omitempty"`
}

// Denial codes. A client may switch on them.
const (
	DenialPolicyViolation   = "POLICY_VIOLATION"
	DenialEvaluationFailure = "EVALUATION_FAILURE"
)

// Denial says why a request was denied or failed.
type Denial struct {
	// Code is one of the denial codes.
	Code string `json:"code"`
	// Message is for people.
	Message string `json:"message"`
	// PolicyResults are the rules that spoke against the request.
	//
	// +optional
	PolicyResults []PolicyResult `json:"policyResults,omitempty"`
	// RetryAfterSeconds says when asking again may help.
	//
	// +optional
	RetryAfterSeconds *int32 `json:"retryAfterSeconds,omitempty"`
}

// PolicyResult is what one rule said about a request.
type PolicyResult struct {
	// PolicyName is the name of the SafetyPolicy.
	PolicyName string `json:"policyName"`
	// RuleName is the name of the rule in it.
	RuleName string `json:"ruleName"`
	// Result is the action of the rule, or how its evaluation failed.
	Result string `json:"result"`
	// PolicyGeneration is the metadata.generation of the SafetyPolicy.
	//
	// +optional
	PolicyGeneration int64 `json:"policyGeneration,omitempty"`
}

// ControlPlaneVerification is what the gateway itself saw of the target.
type ControlPlaneVerification struct {
	TargetExists              bool        `json:"targetExists"`
	HasActiveEndpoints        bool        `json:"hasActiveEndpoints"`
	FetchedAt                 metav1.Time `json:"fetchedAt"`
	EvaluatedStateFingerprint string      `json:"evaluatedStateFingerprint,omitempty"`
	ActiveEndpointCount       int32       `json:"activeEndpointCount,omitempty"`
	ReadyReplicas             int32       `json:"readyReplicas,omitempty"`
	SpecReplicas              int32       `json:"specReplicas,omitempty"`
	DownstreamServices        []string    `json:"downstreamServices,omitempty"`
}

// Result is what the agent reported after it executed.
type Result struct {
	// URL leads to the evidence.
	//
	// +kubebuilder:validation:Pattern=`^https://.+`
	URL string `json:"url"`
	// Summary is for people.
	//
	// +kubebuilder:validation:MaxLength=512
	Summary string `json:"summary"`
}
