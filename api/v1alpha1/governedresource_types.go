package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FinalizerActiveRequests keeps a GovernedResource while a request that is not finished refers to it.
const FinalizerActiveRequests = "governance.aip.io/active-requests"

// GovernedResource says what may be asked for about the targets whose URI matches its pattern.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=governedresources,scope=Cluster,shortName=gr
// +kubebuilder:printcolumn:name="URIPattern",type=string,JSONPath=`.spec.uriPattern`
// +kubebuilder:printcolumn:name="Fetcher",type=string,JSONPath=`.spec.contextFetcher`
// +kubebuilder:printcolumn:name="Soak",type=boolean,priority=1,JSONPath=`.spec.soakMode`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type GovernedResource struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GovernedResourceSpec `json:"spec"`
}

// GovernedResourceList is a list of GovernedResources.
//
// +kubebuilder:object:root=true
type GovernedResourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GovernedResource `json:"items"`
}

// Context fetchers: where further facts about a target come from.
const (
	FetcherNone          = "none"
	FetcherK8sDeployment = "k8s-deployment"
	FetcherKarpenter     = "karpenter"
	FetcherGitHub        = "github"
)

// GovernedResourceSpec says what may be asked for.
type GovernedResourceSpec struct {
	// URIPattern is a glob over target URIs: * stays within a segment between slashes, ** crosses them. Of several
	// patterns that match, the longest counts.
	//
	// +kubebuilder:validation:MinLength=1
	URIPattern string `json:"uriPattern"`
	// PermittedActions are the actions that may be asked for.
	//
	// +kubebuilder:validation:MinItems=1
	PermittedActions []string `json:"permittedActions"`
	// PermittedAgents are the identities that may ask; empty means any agent.
	//
	// +optional
	PermittedAgents []string `json:"permittedAgents,omitempty"`
	// ContextFetcher says where further facts about the target come from.
	//
	// +kubebuilder:validation:Enum=karpenter;github;k8s-deployment;none
	// +kubebuilder:default=none
	// +optional
	ContextFetcher string `json:"contextFetcher,omitempty"`
	// ContextSchema describes those facts.
	//
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +optional
	ContextSchema *apiextensionsv1.JSON `json:"contextSchema,omitempty"`
	// Description is for people.
	//
	// +optional
	Description string `json:"description,omitempty"`
	// SoakMode sends every request to AwaitingVerdict: nothing is decided or executed, people grade the intent.
	//
	// +optional
	SoakMode bool `json:"soakMode,omitempty"`
	// TrustRequirements say how far an agent must be trusted.
	//
	// +optional
	TrustRequirements *TrustRequirements `json:"trustRequirements,omitempty"`
}

// TrustRequirements say how far an agent must be trusted, and how far its trust reaches here.
type TrustRequirements struct {
	// MinTrustLevel is the least level that may ask.
	//
	// +kubebuilder:validation:Enum=Observer;Advisor;Supervised;Trusted;Autonomous
	MinTrustLevel string `json:"minTrustLevel"`
	// MaxAutonomyLevel is the highest level that counts here.
	//
	// +kubebuilder:validation:Enum=Observer;Advisor;Supervised;Trusted;Autonomous
	MaxAutonomyLevel string `json:"maxAutonomyLevel"`
}
