package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Levels of trust in an agent, in ascending order.
const (
	TrustObserver   = "Observer"
	TrustAdvisor    = "Advisor"
	TrustSupervised = "Supervised"
	TrustTrusted    = "Trusted"
	TrustAutonomous = "Autonomous"
)

// TrustLevels returns the levels of trust in ascending order.
func TrustLevels() []string {
	return []string{TrustObserver, TrustAdvisor, TrustSupervised, TrustTrusted, TrustAutonomous}
}

// AgentTrustProfile shows how far an agent is trusted in a namespace, and by what record. Its status follows from the audit
// trail: nobody gives an agent a level by writing it here.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=agenttrustprofiles,shortName=atp
// +kubebuilder:printcolumn:name="TrustLevel",type=string,JSONPath=`.status.trustLevel`
// +kubebuilder:printcolumn:name="Agent",type=string,priority=1,JSONPath=`.spec.agentIdentity`
// +kubebuilder:printcolumn:name="Accuracy",type=number,priority=1,JSONPath=`.status.diagnosticAccuracy`
// +kubebuilder:printcolumn:name="Executions",type=integer,priority=1,JSONPath=`.status.totalExecutions`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AgentTrustProfile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AgentTrustProfileSpec `json:"spec"`
	// Status is the record of the agent. Only the reconciler writes it.
	Status AgentTrustProfileStatus `json:"status,omitempty"`
}

// AgentTrustProfileList is a list of AgentTrustProfiles.
//
// +kubebuilder:object:root=true
type AgentTrustProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AgentTrustProfile `json:"items"`
}

// AgentTrustProfileSpec says which agent.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a profile is of one agent for ever"
type AgentTrustProfileSpec struct {
	// AgentIdentity is the identity of the agent.
	//
	// +kubebuilder:validation:MinLength=1
	AgentIdentity string `json:"agentIdentity"`
}

// AgentTrustProfileStatus is the record of an agent. Accuracies and rates are between 0 and 1 and absent where nothing is known.
type AgentTrustProfileStatus struct {
	// TrustLevel is how far the agent is trusted.
	//
	// +kubebuilder:validation:Enum=Observer;Advisor;Supervised;Trusted;Autonomous
	// +optional
	TrustLevel string `json:"trustLevel,omitempty"`
	// DiagnosticAccuracy is how right the agent was in all its graded requests.
	//
	// +optional
	DiagnosticAccuracy *float64 `json:"diagnosticAccuracy,omitempty"`
	// RecentAccuracy is the same over the last requests, as many as evaluationWindow of the AgentGraduationPolicy says.
	//
	// +optional
	RecentAccuracy *float64 `json:"recentAccuracy,omitempty"`
	// SuccessRate is the share of the executions that completed.
	//
	// +optional
	SuccessRate *float64 `json:"successRate,omitempty"`
	// TotalReviewed is the number of graded requests that count.
	//
	// +optional
	TotalReviewed int64 `json:"totalReviewed"`
	// TotalExecutions is the number of requests that the agent executed, whether it succeeded or not.
	//
	// +optional
	TotalExecutions int64 `json:"totalExecutions"`
	// LastPromotedAt is when the agent last rose.
	//
	// +optional
	LastPromotedAt *metav1.Time `json:"lastPromotedAt,omitempty"`
	// LastDemotedAt is when the agent last fell.
	//
	// +optional
	LastDemotedAt *metav1.Time `json:"lastDemotedAt,omitempty"`
	// LastEvaluatedAt is when something of this status last changed.
	//
	// +optional
	LastEvaluatedAt *metav1.Time `json:"lastEvaluatedAt,omitempty"`
}
