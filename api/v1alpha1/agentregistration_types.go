package v1alpha1

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AnnotationSelfRegistered carries the identity of the token by which an agent asked for its registration itself. Such a
// registration counts only when it is approved; one that was made through the Kubernetes API counts unless it is denied.
const AnnotationSelfRegistered = "governance.aip.io/self-registered"

// AgentRegistration says which tokens may act as an agent, and which services the agent gets tokens for.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=agentregistrations,shortName=areg
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentIdentity`
// +kubebuilder:printcolumn:name="Registered By",type=string,priority=1,JSONPath=`.status.registeredBy`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AgentRegistration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AgentRegistrationSpec   `json:"spec"`
	Status AgentRegistrationStatus `json:"status,omitempty"`
}

// AgentRegistrationList is a list of AgentRegistrations.
//
// +kubebuilder:object:root=true
type AgentRegistrationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AgentRegistration `json:"items"`
}

// AgentRegistrationSpec is what is asked for an agent.
type AgentRegistrationSpec struct {
	// AgentIdentity is the agent, as requests, GovernedResources and policies name it.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="agentIdentity cannot change: register the other agent beside this one"
	AgentIdentity string `json:"agentIdentity"`
	// Mode is stored for those who read it. This gateway gives out tokens for approved requests only, whatever the mode.
	//
	// +kubebuilder:validation:Enum=Standing;Governed
	// +kubebuilder:default=Standing
	// +optional
	Mode string `json:"mode,omitempty"`
	// RequestedServices are the services that the agent asks tokens for.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +listType=set
	// +optional
	RequestedServices []string `json:"requestedServices,omitempty"`
	// OIDC says which tokens may act as this agent. Without it those do whose identity is agentIdentity.
	//
	// +optional
	OIDC *RegistrationOIDC `json:"oidc,omitempty"`
	// ExternalIdentities say where the tokens for a service come from. A service without one gets a token that the gateway
	// signs itself.
	//
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=service
	// +optional
	ExternalIdentities []ExternalIdentity `json:"externalIdentities,omitempty"`
}

// RegistrationOIDC says which tokens may act as an agent.
type RegistrationOIDC struct {
	// Issuer must be the iss of the token.
	//
	// +kubebuilder:validation:MinLength=1
	Issuer string `json:"issuer"`
	// SubjectClaim is the claim that is compared. Empty means the gateway's --oidc-identity-claim.
	//
	// +optional
	SubjectClaim string `json:"subjectClaim,omitempty"`
	// AllowedSubjects are the values of the claim that may act as this agent. None means agentIdentity alone.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +listType=set
	// +optional
	AllowedSubjects []string `json:"allowedSubjects,omitempty"`
}

// Types of external identities.
const (
	ExternalStaticSecret           = "StaticSecret"
	ExternalAzureWorkloadIdentity  = "AzureWorkloadIdentity"
	ExternalAWSWebIdentity         = "AWSWebIdentity"
	ExternalKubernetesOIDC         = "KubernetesOIDC"
	ExternalKubernetesTokenRequest = "KubernetesTokenRequest" //nolint:gosec // the name of a type
)

// ExternalIdentity is where an agent's tokens for one service come from: the part that Type names, and no other.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'StaticSecret') == has(self.staticSecret)",message="staticSecret belongs to type StaticSecret, and is required there"
// +kubebuilder:validation:XValidation:rule="(self.type == 'AzureWorkloadIdentity') == has(self.azureWorkloadIdentity)",message="azureWorkloadIdentity belongs to type AzureWorkloadIdentity, and is required there"
// +kubebuilder:validation:XValidation:rule="(self.type == 'AWSWebIdentity') == has(self.awsWebIdentity)",message="awsWebIdentity belongs to type AWSWebIdentity, and is required there"
// +kubebuilder:validation:XValidation:rule="(self.type == 'KubernetesOIDC') == has(self.kubernetesOIDC)",message="kubernetesOIDC belongs to type KubernetesOIDC, and is required there"
// +kubebuilder:validation:XValidation:rule="(self.type == 'KubernetesTokenRequest') == has(self.kubernetesTokenRequest)",message="kubernetesTokenRequest belongs to type KubernetesTokenRequest, and is required there"
type ExternalIdentity struct {
	// Service is the name that the agent asks for.
	//
	// +kubebuilder:validation:MinLength=1
	Service string `json:"service"`
	// Type says how the token is got.
	//
	// +kubebuilder:validation:Enum=StaticSecret;AzureWorkloadIdentity;AWSWebIdentity;KubernetesOIDC;KubernetesTokenRequest
	Type string `json:"type"`
	// +optional
	StaticSecret *StaticSecret `json:"staticSecret,omitempty"`
	// +optional
	AzureWorkloadIdentity *AzureWorkloadIdentity `json:"azureWorkloadIdentity,omitempty"`
	// +optional
	AWSWebIdentity *AWSWebIdentity `json:"awsWebIdentity,omitempty"`
	// +optional
	KubernetesOIDC *KubernetesOIDC `json:"kubernetesOIDC,omitempty"`
	// +optional
	KubernetesTokenRequest *KubernetesTokenRequest `json:"kubernetesTokenRequest,omitempty"`
}

// StaticSecret is a token in a Kubernetes Secret. This gateway reads no Secrets and refuses it.
type StaticSecret struct {
	// +kubebuilder:validation:MinLength=1
	Namespace string `json:"namespace"`
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Key is the key of the Secret's data that holds the token.
	//
	// +kubebuilder:validation:MinLength=1
	Key string `json:"key"`
}

// AzureWorkloadIdentity is an application in Microsoft Entra. This gateway does not talk to Entra and refuses it.
type AzureWorkloadIdentity struct {
	// +kubebuilder:validation:MinLength=1
	TenantID string `json:"tenantID"`
	// ClientID is the application of the agent.
	//
	// +kubebuilder:validation:MinLength=1
	ClientID string `json:"clientID"`
	// +kubebuilder:validation:MinLength=1
	Scope string `json:"scope"`
}

// AWSWebIdentity is a role of AWS. This gateway does not talk to AWS and refuses it.
type AWSWebIdentity struct {
	// +kubebuilder:validation:MinLength=1
	RoleARN string `json:"roleARN"`
	// +kubebuilder:validation:MinLength=1
	RoleSessionName string `json:"roleSessionName"`
	// +kubebuilder:validation:MinLength=1
	Region string `json:"region"`
	// DurationSeconds is how long the session lasts.
	//
	// +optional
	DurationSeconds int32 `json:"durationSeconds,omitempty"`
	// STSEndpoint takes the place of the region's own.
	//
	// +optional
	STSEndpoint string `json:"stsEndpoint,omitempty"`
}

// KubernetesOIDC is the agent's own token, or one that the issuer gives in exchange for it.
type KubernetesOIDC struct {
	// TokenExchangeURL is a token endpoint of the gateway's issuer that exchanges tokens (RFC 8693). Empty means that the
	// agent uses its own token.
	//
	// +kubebuilder:validation:Pattern=`^(https?://.+)?$`
	// +optional
	TokenExchangeURL string `json:"tokenExchangeURL,omitempty"`
	// Audience is the audience that the token must have.
	//
	// +optional
	Audience string `json:"audience,omitempty"`
}

// KubernetesTokenRequest is a token of a ServiceAccount.
// Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
type KubernetesTokenRequest struct {
	// +kubebuilder:validation:MinLength=1
	ServiceAccountName string `json:"serviceAccountName"`
	// +kubebuilder:validation:MinLength=1
	ServiceAccountNamespace string `json:"serviceAccountNamespace"`
	// ExpirationSeconds is how long the token counts; 0 means ten minutes, the least that Kubernetes grants.
	//
	// +kubebuilder:validation:XValidation:rule="self == 0 || self >= 600",message="expirationSeconds must be 600 or more: Kubernetes grants no less"
	// +optional
	ExpirationSeconds int64 `json:"expirationSeconds,omitempty"`
	// Audiences are those of the token; none means the Kubernetes API itself.
	//
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Audiences []string `json:"audiences,omitempty"`
}

// RegistrationPhase says whether a registration counts. The empty phase is that of one made through the Kubernetes API.
type RegistrationPhase string

// The phases of an AgentRegistration.
const (
	RegistrationPending  RegistrationPhase = "Pending"
	RegistrationApproved RegistrationPhase = "Approved"
	RegistrationDenied   RegistrationPhase = "Denied"
)

// AgentRegistrationStatus is what a reviewer or an administrator decided.
type AgentRegistrationStatus struct {
	// +kubebuilder:validation:Enum="";Pending;Approved;Denied
	// +optional
	Phase RegistrationPhase `json:"phase,omitempty"`
	// RegisteredBy is the identity that made the registration through the gateway.
	//
	// +optional
	RegisteredBy string `json:"registeredBy,omitempty"`
	// ApprovedServices are the services that were granted, of those that the registration names.
	//
	// +listType=set
	// +optional
	ApprovedServices []string `json:"approvedServices,omitempty"`
	// +optional
	ApprovedAt *metav1.Time `json:"approvedAt,omitempty"`
	// Conditions holds Approved, which says who decided and why.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Counts reports whether the registration is in force.
func (r *AgentRegistration) Counts() bool {
	switch r.Status.Phase {
	case RegistrationApproved:
		return true
	case "":
		return r.Annotations[AnnotationSelfRegistered] == ""
	default:
		return false
	}
}

// Services are the services that the registration names, each once: those that are asked for, then those that have an
// external identity.
func (r *AgentRegistration) Services() []string {
	out := slices.Clone(r.Spec.RequestedServices)
	for _, e := range r.Spec.ExternalIdentities {
		if !slices.Contains(out, e.Service) {
			out = append(out, e.Service)
		}
	}
	return out
}

// Grants reports whether the agent gets tokens for a service: one that was approved or, where the agent did not ask for its
// registration itself, one that the registration names.
func (r *AgentRegistration) Grants(service string) bool {
	if r.Annotations[AnnotationSelfRegistered] != "" {
		return slices.Contains(r.Status.ApprovedServices, service)
	}
	return slices.Contains(r.Services(), service)
}
