package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GraduationPolicyName is the name of the one AgentGraduationPolicy of a namespace that counts.
const GraduationPolicyName = "default"

// AgentGraduationPolicy says by what record an agent rises and falls in the levels of trust, and what it may do at each.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=agentgraduationpolicies,shortName=agp
// +kubebuilder:printcolumn:name="Window",type=integer,JSONPath=`.spec.evaluationWindow.count`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="only the AgentGraduationPolicy named default counts: name it default"
type AgentGraduationPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AgentGraduationPolicySpec `json:"spec"`
	// Status is there for readers that expect it; nothing writes it.
	Status AgentGraduationPolicyStatus `json:"status,omitempty"`
}

// AgentGraduationPolicyList is a list of AgentGraduationPolicies.
//
// +kubebuilder:object:root=true
type AgentGraduationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AgentGraduationPolicy `json:"items"`
}

// AgentGraduationPolicySpec says by what record an agent rises and falls.
type AgentGraduationPolicySpec struct {
	// EvaluationWindow says how much of the past counts.
	EvaluationWindow EvaluationWindow `json:"evaluationWindow"`
	// AwaitingVerdictTTL is for how long a request may wait to be graded, as a Go duration; 168h when it is left out.
	//
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +optional
	AwaitingVerdictTTL string `json:"awaitingVerdictTTL,omitempty"`
	// Levels are what it takes to be at each level, and what an agent may do there. An agent is at the highest whose minima its
	// record meets. At a level that is not listed an agent may not execute.
	//
	// +kubebuilder:validation:MinItems=1
	// +listType=map
	// +listMapKey=name
	Levels []GraduationLevel `json:"levels"`
	// DemotionPolicy says when an agent falls.
	DemotionPolicy DemotionPolicy `json:"demotionPolicy"`
}

// EvaluationWindow says how much of the past counts.
type EvaluationWindow struct {
	// Count is the number of verdicts, the newest, that accuracy is counted over.
	//
	// +kubebuilder:validation:Minimum=1
	Count int64 `json:"count"`
}

// GraduationLevel is what it takes to be at a level, and what an agent may do there.
type GraduationLevel struct {
	// Name is the level.
	//
	// +kubebuilder:validation:Enum=Observer;Advisor;Supervised;Trusted;Autonomous
	Name string `json:"name"`
	// CanExecute says that agents of this level may execute; the requests of others are graded.
	CanExecute bool `json:"canExecute"`
	// RequiresHumanApproval says that a reviewer decides about each request, whatever the policies say. False lets the trust in
	// the agent stand in for the reviewer that a policy asks for.
	//
	// +optional
	RequiresHumanApproval bool `json:"requiresHumanApproval,omitempty"`
	// Accuracy is how right the agent must have been. Left out, it does not matter.
	//
	// +optional
	Accuracy *AccuracyBand `json:"accuracy,omitempty"`
	// Executions is how often it must have executed. Left out, it does not matter.
	//
	// +optional
	Executions *ExecutionBand `json:"executions,omitempty"`
}

// AccuracyBand is a range of accuracies.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="min must not be above max"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.demotionBuffer) || self.demotionBuffer <= self.min",message="demotionBuffer must not be above min: the level could never be lost"
type AccuracyBand struct {
	// Min is the least accuracy at which the level is reached.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +optional
	Min *float64 `json:"min,omitempty"`
	// Max describes where the band ends. It keeps nobody from the level: who is above it and not at a higher level stays here.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +optional
	Max *float64 `json:"max,omitempty"`
	// DemotionBuffer is how far below min the accuracy must be for the level to be lost. Left out, it is
	// demotionPolicy.accuracyDropThreshold.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	// +optional
	DemotionBuffer *float64 `json:"demotionBuffer,omitempty"`
}

// ExecutionBand is a range of numbers of executions.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="min must not be above max"
type ExecutionBand struct {
	// Min is the least number of executions at which the level is reached.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	Min *int64 `json:"min,omitempty"`
	// Max describes where the band ends; see AccuracyBand.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	Max *int64 `json:"max,omitempty"`
}

// DemotionPolicy says when an agent falls: when its accuracy over the last verdicts is below what its level takes, less the
// buffer, and the grace period is over. How often it executed makes nobody fall.
type DemotionPolicy struct {
	// AccuracyDropThreshold is the buffer of levels that have none of their own.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	AccuracyDropThreshold float64 `json:"accuracyDropThreshold"`
	// WindowSize is the number of verdicts, the newest, that are looked at.
	//
	// +kubebuilder:validation:Minimum=1
	WindowSize int64 `json:"windowSize"`
	// GracePeriod is for how long after it rose an agent does not fall, as a Go duration.
	//
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +optional
	GracePeriod string `json:"gracePeriod,omitempty"`
}

// AgentGraduationPolicyStatus is there for readers that expect it.
type AgentGraduationPolicyStatus struct {
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
