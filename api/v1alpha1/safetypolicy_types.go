package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SafetyPolicy is a set of rules that decide about AgentRequests.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=safetypolicies,shortName=sp
// +kubebuilder:printcolumn:name="FailureMode",type=string,JSONPath=`.spec.failureMode`
// +kubebuilder:printcolumn:name="Valid",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].status`
// +kubebuilder:printcolumn:name="First Rule",type=string,priority=1,JSONPath=`.spec.rules[0].name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SafetyPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   SafetyPolicySpec   `json:"spec"`
	Status SafetyPolicyStatus `json:"status,omitempty"`
}

// SafetyPolicyList is a list of SafetyPolicies.
//
// +kubebuilder:object:root=true
type SafetyPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SafetyPolicy `json:"items"`
}

// Failure modes: what a rule that cannot be evaluated means.
const (
	// FailClosed denies. It is the default.
	FailClosed = "FailClosed"
	// FailOpen ignores the rule and records that it did.
	FailOpen = "FailOpen"
)

// SafetyPolicySpec is a set of rules.
type SafetyPolicySpec struct {
	// GovernedResourceSelector limits the policy to requests whose GovernedResource has these labels.
	//
	// +optional
	GovernedResourceSelector *metav1.LabelSelector `json:"governedResourceSelector,omitempty"`
	// ContextType names the context fetcher whose output the rules read.
	//
	// +optional
	ContextType string `json:"contextType,omitempty"`
	// Rules are evaluated in order; the most severe outcome decides.
	//
	// +kubebuilder:validation:MinItems=1
	Rules []Rule `json:"rules"`
	// FailureMode says what a rule that cannot be evaluated means.
	//
	// +kubebuilder:validation:Enum=FailClosed;FailOpen
	// +kubebuilder:default=FailClosed
	// +optional
	FailureMode string `json:"failureMode,omitempty"`
}

// Rule types.
const (
	RuleStateEvaluation = "StateEvaluation"
	RuleTimeWindow      = "TimeWindow"
	RuleRateLimit       = "RateLimit"
)

// Rule actions, from the most to the least severe.
const (
	ActionDeny            = "Deny"
	ActionRequireApproval = "RequireApproval"
	ActionLog             = "Log"
	ActionAllow           = "Allow"
)

// Rule is one condition and what follows from it.
type Rule struct {
	// Name of the rule, unique in its policy.
	//
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Type says what the rule looks at.
	//
	// +kubebuilder:validation:Enum=StateEvaluation;TimeWindow;RateLimit
	Type string `json:"type"`
	// Action is what follows when the expression is true.
	//
	// +kubebuilder:validation:Enum=Allow;Deny;Log;RequireApproval
	Action string `json:"action"`
	// Expression is a CEL expression over request and target that yields a bool.
	//
	// +kubebuilder:validation:MinLength=1
	Expression string `json:"expression"`
	// Message is shown to agents and reviewers when the rule decides.
	//
	// +optional
	Message string `json:"message,omitempty"`
	// Config holds further settings of the rule type.
	//
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +optional
	Config *apiextensionsv1.JSON `json:"config,omitempty"`
}

// SafetyPolicyStatus says whether the rules compile.
type SafetyPolicyStatus struct {
	// Conditions holds Valid.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
