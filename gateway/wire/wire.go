package wire

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// MaxBodyBytes is the size that a request body may have.
const MaxBodyBytes = 1 << 20

// Submission is the body of POST /agent-requests.
type Submission struct {
	// AgentIdentity may be left out; if sent it must equal the authenticated caller.
	AgentIdentity  string                   `json:"agentIdentity,omitempty"`
	Namespace      string                   `json:"namespace,omitempty"`
	Action         string                   `json:"action"`
	TargetURI      string                   `json:"targetURI"`
	Reason         string                   `json:"reason"`
	CorrelationID  string                   `json:"correlationID,omitempty"`
	Classification string                   `json:"classification,omitempty"`
	DedupKey       string                   `json:"dedupKey,omitempty"`
	CascadeModel   *v1alpha1.CascadeModel   `json:"cascadeModel,omitempty"`
	ReasoningTrace *v1alpha1.ReasoningTrace `json:"reasoningTrace,omitempty"`
	Parameters     json.RawMessage          `json:"parameters,omitempty"`
	ExecutionMode  string                   `json:"executionMode,omitempty"`
	ScopeBounds    *v1alpha1.ScopeBounds    `json:"scopeBounds,omitempty"`
}

// RequestState is the answer to POST /agent-requests (201, or 200 for a live duplicate) and to
// GET /agent-requests/{name}.
type RequestState struct {
	Name                     string                             `json:"name"`
	Namespace                string                             `json:"namespace,omitempty"`
	Labels                   map[string]string                  `json:"labels,omitempty"`
	Phase                    v1alpha1.Phase                     `json:"phase"`
	Denial                   *v1alpha1.Denial                   `json:"denial"`
	Conditions               []metav1.Condition                 `json:"conditions"`
	ControlPlaneVerification *v1alpha1.ControlPlaneVerification `json:"controlPlaneVerification,omitempty"`
	// HumanApproval is the reviewer's decision with its reason, so that the agent learns why.
	HumanApproval *v1alpha1.HumanApproval `json:"humanApproval,omitempty"`
	Result        *v1alpha1.Result        `json:"result"`
}

// StateOf returns what the gateway tells about r.
func StateOf(r *v1alpha1.AgentRequest) RequestState {
	conditions := r.Status.Conditions
	if conditions == nil {
		conditions = []metav1.Condition{}
	}
	return RequestState{
		Name: r.Name, Namespace: r.Namespace, Labels: r.Labels, Phase: r.Status.Phase, Denial: r.Status.Denial,
		Conditions: conditions, ControlPlaneVerification: r.Status.ControlPlaneVerification,
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
}

// Whoami is the answer to GET /whoami.
type Whoami struct {
	Identity string `json:"identity"`
	// Role is the highest role held: admin, reviewer, agent or unknown.
	Role string `json:"role"`
	// Roles are all roles held, highest first.
	Roles []string `json:"roles,omitempty"`
}

// Error is the body of every answer that is not a success.
type Error struct {
	Message string `json:"error"`
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
