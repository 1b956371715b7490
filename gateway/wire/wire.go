package wire

import (
	"encoding/json"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// MaxBodyBytes is the size that a request body may have.
const MaxBodyBytes = 1 << 20

// Submission is the body of POST /agent-requests.
type Submission struct {
	// AgentIdentity may be left out; if sent it must equal the authenticated caller.
	AgentIdentity string `json:"agentIdentity,omitempty"`
	Namespace     string `json:"namespace,omitempty"`
	Action        string `json:"action"`
	TargetURI     string `json:"targetURI"`
	Reason        string `json:"reason"`
	// ResourceType and Attributes are further facts about the target, as the agent states them.
	ResourceType string            `json:"resourceType,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
	// Mode is govern, which asks for a decision, or observe, which only records the intent. Empty means govern.
	Mode string `json:"mode,omitempty"`
	// Priority orders requests that wait for the same target; higher goes first.
	Priority *int32 `json:"priority,omitempty"`
	// Interruptibility says that the action may be stopped half-way.
	Interruptibility *bool                    `json:"interruptibility,omitempty"`
	CorrelationID    string                   `json:"correlationID,omitempty"`
	Classification   string                   `json:"classification,omitempty"`
	DedupKey         string                   `json:"dedupKey,omitempty"`
	CascadeModel     *v1alpha1.CascadeModel   `json:"cascadeModel,omitempty"`
	ReasoningTrace   *v1alpha1.ReasoningTrace `json:"reasoningTrace,omitempty"`
	Parameters       json.RawMessage          `json:"parameters,omitempty"`
	ExecutionMode    string                   `json:"executionMode,omitempty"`
	ScopeBounds      *v1alpha1.ScopeBounds    `json:"scopeBounds,omitempty"`
}

// RequestState is the answer to POST /agent-requests (201, or 200 for a live duplicate) and to
// GET /agent-requests/{name}.
type RequestState struct {
	Name       string             `json:"name"`
	Namespace  string             `json:"namespace,omitempty"`
	Labels     map[string]string  `json:"labels,omitempty"`
	Phase      v1alpha1.Phase     `json:"phase"`
	Denial     *v1alpha1.Denial   `json:"denial"`
	Conditions []metav1.Condition `json:"conditions"`
	// EvaluationGeneration counts the evaluations after the first. A verification names it.
	EvaluationGeneration     int64                              `json:"evaluationGeneration"`
	ControlPlaneVerification *v1alpha1.ControlPlaneVerification `json:"controlPlaneVerification,omitempty"`
	// ProviderContext is what the context fetcher found.
	ProviderContext *apiextensionsv1.JSON `json:"providerContext,omitempty"`
	// HumanApproval is the reviewer's decision with its reason, so that the agent learns why.
	HumanApproval *v1alpha1.HumanApproval `json:"humanApproval,omitempty"`
	Result        *v1alpha1.Result        `json:"result"`
	// AuditEvents are the events of the request's trail, the oldest first. GET /agent-requests/{name} tells them.
	AuditEvents []string `json:"auditEvents,omitzero"`
	// Warnings say what of the body was ignored.
	Warnings []string `json:"warnings,omitempty"`
}

// StateOf returns what the gateway tells about r.
func StateOf(r *v1alpha1.AgentRequest) RequestState {
	conditions := r.Status.Conditions
	if conditions == nil {
		conditions = []metav1.Condition{}
	}
	return RequestState{
		Name: r.Name, Namespace: r.Namespace, Labels: r.Labels, Phase: r.Status.Phase, Denial: r.Status.Denial,
		Conditions: conditions, EvaluationGeneration: r.Status.EvaluationGeneration, ControlPlaneVerification: r.Status.ControlPlaneVerification, ProviderContext: r.Status.ProviderContext,
		HumanApproval: r.Spec.HumanApproval, Result: r.Status.Result,
	}
}

// Review is the body of POST /agent-requests/{name}/approve and .../deny. The body may be left out.
type Review struct {
	Reason string `json:"reason,omitempty"`
	// ResourceVersion, if sent, binds the decision to what the reviewer read: when the request changed since, the
	// answer is 409 and nothing is decided.
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Reviewed is the answer to an approval or a denial: the phase after the decision took effect.
type Reviewed struct {
	Name  string         `json:"name"`
	Phase v1alpha1.Phase `json:"phase"`
	// Token is the gateway's own for the agent, with an approval that took effect, when the gateway has a key.
	Token          string       `json:"token,omitempty"`
	TokenExpiresAt *metav1.Time `json:"token_expires_at,omitempty"`
	// Warnings say what of the body was ignored.
	Warnings []string `json:"warnings,omitempty"`
}

// Verification is the body of POST /agent-requests/{name}/verify.
type Verification struct {
	// ForGeneration is the status.evaluationGeneration that the agent knows.
	ForGeneration *int64 `json:"forGeneration"`
	// Namespace may be sent instead of the query's.
	Namespace string `json:"namespace,omitempty"`
}

// Verified is the answer to a verification: whether an approved request is still what was decided about. If not, Code is
// STATE_DRIFTED or GENERATION_MISMATCH and Message says what changed.
type Verified struct {
	Verified             bool   `json:"verified"`
	AgentRequestName     string `json:"agentRequestName,omitempty"`
	Code                 string `json:"code,omitempty"`
	Message              string `json:"message,omitempty"`
	EvaluationGeneration int64  `json:"evaluationGeneration"`
	// Warnings say what of the body was ignored.
	Warnings []string `json:"warnings,omitempty"`
}

// Target is the answer to GET /agent-requests/{name}/target: the target as the request has it, and as it is now.
type Target struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// ResourceVersion is that of the request whose record this is.
	ResourceVersion string `json:"resourceVersion"`
	// Recorded is what was seen when the policies were asked, Current what is there now; each with its own fetchedAt. They
	// are left out when nothing is looked up about such a target.
	Recorded *v1alpha1.ControlPlaneVerification `json:"recorded,omitempty"`
	Current  *v1alpha1.ControlPlaneVerification `json:"current,omitempty"`
	// RecordedContext and CurrentContext are the same for the context fetcher.
	RecordedContext *apiextensionsv1.JSON `json:"recordedContext,omitempty"`
	CurrentContext  *apiextensionsv1.JSON `json:"currentContext,omitempty"`
	// Changed says in words what is not as it was; empty when nothing is known to have changed.
	Changed string `json:"changed"`
}

// Failure is the body of POST /agent-requests/{name}/failed. The body may be left out.
type Failure struct {
	// Reason says what went wrong.
	Reason string `json:"reason,omitempty"`
}

// Verdict is the body of PATCH /agent-requests/{name}/verdict: how a reviewer grades a request that was not executed.
type Verdict struct {
	// Verdict is correct, partial or incorrect.
	Verdict string `json:"verdict"`
	// ReasonCode says what was wrong; it is needed unless the verdict is correct.
	ReasonCode string `json:"reasonCode,omitempty"`
	// Note is for people.
	Note string `json:"note,omitempty"`
}

// Reported is the answer to what an agent reports about its execution, and to a verdict.
type Reported struct {
	Message string `json:"message"`
	// Phase is that after the report took effect.
	Phase v1alpha1.Phase `json:"phase,omitempty"`
	// Warnings say what of the body was ignored.
	Warnings []string `json:"warnings,omitempty"`
}

// Recorded is the answer to PUT /agent-requests/{name}/result.
type Recorded struct {
	Status string `json:"status"`
	// Warnings say what of the body was ignored.
	Warnings []string `json:"warnings,omitempty"`
}

// Whoami is the answer to GET /whoami.
type Whoami struct {
	Identity string `json:"identity"`
	// Role is the highest role held: admin, reviewer, agent or unknown.
	Role string `json:"role"`
	// Roles are all roles held, highest first.
	Roles []string `json:"roles,omitempty"`
	// Agents are the registered agents that the caller may act as.
	Agents []string `json:"agents,omitempty"`
}

// Error is the body of every answer that is not a success.
type Error struct {
	Message string `json:"error"`
}

// Present is the data of wire.EventSynced in a stream that was resumed: the requests that exist and match, each as
// NAMESPACE/NAME. One that the reader knows and that is not among them is gone.
type Present struct {
	Present []string `json:"present"`
}

// Event types of the request stream, GET /agent-requests?watch=true.
const (
	// EventSynced says that every object that existed at the start was sent.
	EventSynced = "synced"
	// EventAdded, EventModified and EventDeleted carry one AgentRequest.
	EventAdded    = "added"
	EventModified = "modified"
	EventDeleted  = "deleted"
)

// Event is one message of the request stream. Over HTTP it is a server-sent event: the type in the event field, the
// object as JSON in the data field; synced carries {}.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
type Event struct {
	Type   string
	Object *v1alpha1.AgentRequest
}
