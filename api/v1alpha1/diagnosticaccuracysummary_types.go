package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DiagnosticAccuracySummary shows how right an agent was in a namespace, as reviewers graded it. Its status follows from the
// audit trail.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=diagnosticaccuracysummaries,shortName=das
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentIdentity`
// +kubebuilder:printcolumn:name="Accuracy",type=number,JSONPath=`.status.diagnosticAccuracy`
// +kubebuilder:printcolumn:name="Reviewed",type=integer,JSONPath=`.status.totalReviewed`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DiagnosticAccuracySummary struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec DiagnosticAccuracySummarySpec `json:"spec"`
	// Status counts verdicts. Only the gateway writes it.
	Status DiagnosticAccuracySummaryStatus `json:"status,omitempty"`
}

// DiagnosticAccuracySummaryList is a list of DiagnosticAccuracySummaries.
//
// +kubebuilder:object:root=true
type DiagnosticAccuracySummaryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DiagnosticAccuracySummary `json:"items"`
}

// DiagnosticAccuracySummarySpec says which agent.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a summary is of one agent for ever"
type DiagnosticAccuracySummarySpec struct {
	// AgentIdentity is the identity of the agent.
	//
	// +kubebuilder:validation:MinLength=1
	AgentIdentity string `json:"agentIdentity"`
}

// DiagnosticAccuracySummaryStatus counts verdicts. Those that find fault with something else than the diagnosis (reason codes
// bad_timing, scope_too_broad, precautionary and policy_block) do not count.
type DiagnosticAccuracySummaryStatus struct {
	// TotalReviewed is the number of verdicts that count.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	TotalReviewed int64 `json:"totalReviewed"`
	// CorrectCount is how many of them say correct.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	CorrectCount int64 `json:"correctCount"`
	// PartialCount is how many of them say partial.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	PartialCount int64 `json:"partialCount"`
	// IncorrectCount is how many of them say incorrect.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	IncorrectCount int64 `json:"incorrectCount"`
	// DiagnosticAccuracy is (correct + partial/2) / total; absent when there is none.
	//
	// +optional
	DiagnosticAccuracy *float64 `json:"diagnosticAccuracy,omitempty"`
	// LastUpdatedAt is when the last of them was given.
	//
	// +optional
	LastUpdatedAt *metav1.Time `json:"lastUpdatedAt,omitempty"`
	// RecentVerdicts are the names of the requests that were graded last, the newest last.
	//
	// +kubebuilder:validation:MaxItems=100
	// +optional
	RecentVerdicts []string `json:"recentVerdicts,omitempty"`
}
