package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

// Phases returns them all, in alphabetical order.
func Phases() []Phase {
	return []Phase{
		PhaseApproved, PhaseAwaitingVerdict, PhaseCompleted, PhaseDenied, PhaseExecuting, PhaseExpired, PhaseFailed, PhaseObserved, PhasePending,
	}
}

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
	// ConditionLockAcquired is False while a request waits for the lock on its target, since when waiting began. It
	// goes when the lock is there.
	ConditionLockAcquired = "LockAcquired"
	// ConditionExpired says that nobody graded the request in time.
	ConditionExpired = "Expired"
	// ConditionFetcherSchemaViolation says that the facts about the target are not as their schema says.
	ConditionFetcherSchemaViolation = "FetcherSchemaViolation"
	// ConditionStateVerified is False once its agent asked and the target, the policies or the GovernedResource were not any
	// more as they were when the request was approved.
	ConditionStateVerified = "StateVerified"
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
	// AnnotationGatewayDenied carries the denial code of a request that is refused at admission and kept as evidence.
	AnnotationGatewayDenied = "governance.aip.io/gateway-denied"
	// AnnotationCanExecute with the value "false" sends the request to AwaitingVerdict: its agent may not execute yet.
	AnnotationCanExecute = "governance.aip.io/can-execute"
	// AnnotationRequiresHumanApproval says what trust in the agent asks for: "true" holds the request for a reviewer
	// whatever the policies say, "false" approves what policies would hold for one.
	AnnotationRequiresHumanApproval = "governance.aip.io/requires-human-approval"
	// AnnotationTrustLevel carries the level of trust that counted at admission.
	AnnotationTrustLevel = "governance.aip.io/effective-trust-level"
	// AnnotationUnregistered with the value "true" says that the agent has no registration.
	AnnotationUnregistered = "governance.aip.io/unregistered"
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
// +kubebuilder:validation:XValidation:rule="!has(self.spec.humanApproval) || has(oldSelf.spec.humanApproval) || self.spec.humanApproval.forGeneration == self.?status.?evaluationGeneration.orValue(0)",message="humanApproval.forGeneration must be status.evaluationGeneration: the request was evaluated again since, look at it and decide about that"
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
// CEL does not know; it refuses a field that is changed or added, and by their number one that is removed. A second walk
// would find that too, but every write of the status pays for each field that is looked up.
//
// +kubebuilder:validation:XValidation:rule="dyn(self).all(k, k == 'humanApproval' || dyn(self)[?k] == dyn(oldSelf)[?k]) && dyn(self).size() - (has(self.humanApproval) ? 1 : 0) == dyn(oldSelf).size() - (has(oldSelf.humanApproval) ? 1 : 0)",message="spec cannot change after creation; only humanApproval may be set, once"
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

// ModeObserve is the mode of a request that only records an intent.
const ModeObserve = "observe"

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
	// UID of the GovernedResource: one that is made again under the same name is another one.
	//
	// +optional
	UID types.UID `json:"uid,omitempty"`
}
