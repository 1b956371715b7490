package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// defaultNamespace is where requests live that name no namespace.
const defaultNamespace = "default"

// waited is what a submission gets after waiting in vain; clients of the public gateway know the text.
const waited = "timed out waiting for AgentRequest resolution"

// checkNamespace refuses what cannot be the name of a namespace.
func checkNamespace(name string) error {
	if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
		return refuse(http.StatusBadRequest, "invalid namespace %q: %s", name, faults[0])
	}
	return nil
}

// object names one request.
type object struct{ namespace, name string }

// readObject reads the name from the path and the namespace from the query.
func readObject(r *http.Request) (object, error) {
	out := object{namespace: cmp.Or(r.URL.Query().Get("namespace"), defaultNamespace), name: r.PathValue("name")}
	if len(validation.IsDNS1123Subdomain(out.name)) > 0 {
		return out, store.ErrNotFound // no object can have such a name
	}
	return out, checkNamespace(out.namespace)
}

// get answers GET /agent-requests/{name}.
func (s *Server) get(ctx context.Context, who caller, in object) (wire.RequestState, error) {
	r, err := s.readable(ctx, who, in)
	if err != nil {
		return wire.RequestState{}, err
	}
	trail, err := s.store.Trail(ctx, r)
	if err != nil {
		return wire.RequestState{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := wire.StateOf(r)
	out.AuditEvents = make([]string, len(trail))
	for i, record := range trail {
		out.AuditEvents[i] = string(record.Spec.Event)
	}
	return out, nil
}

// readable returns a request that the caller may read.
func (s *Server) readable(ctx context.Context, who caller, in object) (*v1alpha1.AgentRequest, error) {
	r, err := s.store.Get(ctx, in.namespace, in.name)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	return r, mayRead(who, r)
}

// mayRead returns nil when the caller may read r.
func mayRead(who caller, r *v1alpha1.AgentRequest) error {
	if verdict := authz.MayRead(who.Subject, who.Agents, who.Roles, r); !verdict.Allowed {
		return refuse(http.StatusForbidden, "%s", verdict.Reason)
	}
	return nil
}

// submission is the body of POST /agent-requests.
type submission struct {
	ignored
	wire.Submission
}

func readSubmission(r *http.Request) (submission, error) {
	var in submission
	var err error
	if in.ignored, err = decode(r, &in.Submission, false); err != nil {
		return in, err
	}
	if in.Action == "" || in.TargetURI == "" {
		return in, refuse(http.StatusBadRequest, "action and targetURI are required")
	}
	in.Namespace = cmp.Or(in.Namespace, defaultNamespace)
	return in, checkNamespace(in.Namespace)
}

// submitted is the answer to a submission: 201 with the decision on a new request, 200 with the state of the live
// request that the submission repeats.
type submitted struct {
	wire.RequestState
	created bool
}

func (s *submitted) warn(texts []string) { s.Warnings = texts }

func (s *submitted) status() int {
	if s.created {
		return http.StatusCreated
	}
	return http.StatusOK
}

// submitOrStream answers POST /agent-requests.
func (s *Server) submitOrStream(w http.ResponseWriter, r *http.Request, who caller) error {
	if !acceptsEvents(r) {
		return handle(s, readSubmission, s.submit)(w, r, who)
	}
	in, err := receive(w, r, readSubmission)
	if err != nil {
		return err
	}
	tell(w.Header(), &in, nil) // the events have no place for it
	stored, created, err := s.admitted(r.Context(), who, in)
	if err != nil {
		return err
	}
	if !created {
		return newEvents(w).send(eventResult, stored.ResourceVersion, wire.StateOf(stored))
	}
	return s.streamTo(w, r, who, object{namespace: stored.Namespace, name: stored.Name})
}

// submit answers POST /agent-requests when the caller waits for one answer.
func (s *Server) submit(ctx context.Context, who caller, in submission) (submitted, error) {
	r, created, err := s.admitted(ctx, who, in)
	switch {
	case err != nil:
		return submitted{}, err
	case !created:
		return submitted{RequestState: wire.StateOf(r)}, nil
	}
	deadline, cancel := context.WithTimeout(ctx, s.options.WaitTimeout)
	defer cancel()
	r, err = s.store.Wait(deadline, r.Namespace, r.Name, func(r *v1alpha1.AgentRequest) bool {
		return settled(r) || lifecycle.WaitsForTarget(r.Status)
	})
	if err == nil && !settled(r) {
		return submitted{RequestState: wire.StateOf(s.inQueue(deadline, r)), created: true}, nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return submitted{}, refuse(http.StatusGatewayTimeout, waited)
	}
	if err != nil {
		return submitted{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	return submitted{RequestState: wire.StateOf(r), created: true}, nil
}

// admitted stores a submission, unless it repeats a live one, which it returns instead.
func (s *Server) admitted(ctx context.Context, who caller, in submission) (r *v1alpha1.AgentRequest, created bool, err error) {
	intent, err := s.identified(ctx, who, intentOf(who, in))
	if err == nil {
		intent, err = s.admit(ctx, intent)
	}
	if err != nil {
		return nil, false, err
	}
	r, created, err = s.store.Create(ctx, intent)
	if errors.Is(err, store.ErrNoNamespace) {
		return nil, false, &problem{status: http.StatusBadRequest, text: "namespace \"" + in.Namespace + "\" not found", cause: err}
	}
	return r, created, err //nolint:wrapcheck // problemOf knows the store's errors
}

// intentOf returns what the caller wants to submit, for the agent that it names.
func intentOf(who caller, in submission) store.Intent {
	spec := v1alpha1.AgentRequestSpec{
		AgentIdentity: in.AgentIdentity, Action: in.Action, Reason: in.Reason,
		Target: v1alpha1.Target{URI: in.TargetURI, ResourceType: in.ResourceType, Attributes: in.Attributes},
		Mode:   in.Mode, Priority: in.Priority, Interruptibility: in.Interruptibility,
		Classification: in.Classification, DedupKey: in.DedupKey, CascadeModel: in.CascadeModel,
		ReasoningTrace: in.ReasoningTrace, ExecutionMode: in.ExecutionMode, ScopeBounds: in.ScopeBounds,
	}
	if raw := strings.TrimSpace(string(in.Parameters)); raw != "" && raw != "null" {
		spec.Parameters = &apiextensionsv1.JSON{Raw: in.Parameters}
	}
	return store.Intent{Namespace: in.Namespace, Spec: spec, SubmittedBy: who.Subject, CorrelationID: in.CorrelationID}
}

// inQueue waits for a moment for a request that waits for its target, and returns it as it is then: settled, or still
// in the queue. Agents give up on an answer after seconds; the request would wait on without them.
func (s *Server) inQueue(ctx context.Context, r *v1alpha1.AgentRequest) *v1alpha1.AgentRequest {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	if later, err := s.store.Wait(ctx, r.Namespace, r.Name, settled); err == nil {
		return later
	}
	return r
}

// settled reports whether there is something to answer a submission with: the reconciler has decided, or a reviewer
// must.
func settled(r *v1alpha1.AgentRequest) bool {
	state := lifecycle.StateOf(r.Status)
	return state.Held || state.Phase != "" && state.Phase != v1alpha1.PhasePending
}
