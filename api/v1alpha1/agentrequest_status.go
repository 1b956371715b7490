package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AgentRequestStatus is what became of a request.
type AgentRequestStatus struct {
	// Phase is the place in the lifecycle.
	//
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// Conditions say how the request came to its phase.
	//
	// +listType=atomic
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
	// PolicyResults are the rules that spoke in the last evaluation with something else than Allow.
	//
	// +optional
	PolicyResults []PolicyResult `json:"policyResults,omitempty"`
	// EvaluationFingerprint stands for what the last evaluation said. An approval counts only while the policies say
	// the same.
	//
	// +optional
	EvaluationFingerprint string `json:"evaluationFingerprint,omitempty"`
	// DriftedFrom are the fingerprints of what the reviewer saw, when the state drifted before the approval counted.
	//
	// +optional
	DriftedFrom string `json:"driftedFrom,omitempty"`
	// ProviderContext is what the context fetcher found, any JSON value.
	//
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +optional
	ProviderContext *apiextensionsv1.JSON `json:"providerContext,omitempty"`
	// Verdict is how a reviewer graded a request that was not executed.
	//
	// +kubebuilder:validation:Enum=correct;partial;incorrect
	// +optional
	Verdict string `json:"verdict,omitempty"`
	// VerdictReasonCode says what was wrong, unless the verdict is correct.
	//
	// +kubebuilder:validation:Enum=wrong_diagnosis;bad_timing;scope_too_broad;precautionary;policy_block
	// +optional
	VerdictReasonCode string `json:"verdictReasonCode,omitempty"`
	// VerdictNote is for people.
	//
	// +kubebuilder:validation:MaxLength=512
	// +optional
	VerdictNote string `json:"verdictNote,omitempty"`
	// VerdictBy is the identity of the reviewer.
	//
	// +optional
	VerdictBy string `json:"verdictBy,omitempty"`
	// VerdictAt is when the verdict was given.
	//
	// +optional
	VerdictAt *metav1.Time `json:"verdictAt,omitempty"`
	// GovernedResourceRef names the GovernedResource that matched at admission.
	//
	// +optional
	GovernedResourceRef *GovernedResourceRef `json:"governedResourceRef,omitempty"`
	// Result is what the agent reported after it executed.
	//
	// +optional
	Result *Result `json:"result,omitempty"`
}

// Verdicts of a reviewer about a request that was not executed.
const (
	VerdictCorrect   = "correct"
	VerdictPartial   = "partial"
	VerdictIncorrect = "incorrect"
)

// VerdictWrongDiagnosis is the reason code of a verdict that finds fault with the diagnosis itself. Verdicts with another code
// do not count for how right an agent is.
const VerdictWrongDiagnosis = "wrong_diagnosis"

// Denial codes. A client may switch on them.
const (
	// DenialPolicyViolation: a rule or a reviewer denied.
	DenialPolicyViolation = "POLICY_VIOLATION"
	// DenialEvaluationFailure: a rule could not be evaluated and its policy fails closed.
	DenialEvaluationFailure = "EVALUATION_FAILURE"
	// DenialCascade: a rule denied because of a target that the agent declared as affected.
	DenialCascade = "CASCADE_DENIED"
	// DenialRateLimited: a RateLimit rule denied; retryAfterSeconds says when asking again helps.
	DenialRateLimited = "RATE_LIMITED"
	// DenialLockTimeout: the lock on the target was not free in time, or an approved request was not started in time.
	DenialLockTimeout = "LOCK_TIMEOUT"
	// DenialStateDrifted: the target or the policies changed after the reviewer had looked.
	DenialStateDrifted = "STATE_DRIFTED"
	// DenialGenerationMismatch: the GovernedResource changed since the request was admitted, or a decision is about
	// another evaluation.
	DenialGenerationMismatch = "GENERATION_MISMATCH"
	// DenialGovernedResourceDeleted: the GovernedResource of the request is gone.
	DenialGovernedResourceDeleted = "GOVERNED_RESOURCE_DELETED"
	// DenialActionNotPermitted: no GovernedResource permits the action on the target.
	DenialActionNotPermitted = "ACTION_NOT_PERMITTED"
	// DenialIdentityInvalid: the GovernedResource does not permit the agent.
	DenialIdentityInvalid = "IDENTITY_INVALID"
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
