package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Reasons of the conditions that agents set. Clients of the public AIP control plane know these words.
const (
	reasonStarted = "AgentStarted"
	reasonSuccess = "ActionSuccess"
	reasonFailed  = "ExecutionFailed"
)

// maxSummary is how long the summary of a result may be, in characters.
const maxSummary = 512

// report is what an agent can say about its execution: it sets a condition in one of some phases, and the request is to
// come to another.
type report struct {
	condition, reason string
	from              []v1alpha1.Phase
	to                v1alpha1.Phase
}

func executing() report {
	return report{v1alpha1.ConditionExecuting, reasonStarted, []v1alpha1.Phase{v1alpha1.PhaseApproved}, v1alpha1.PhaseExecuting}
}

func completed() report {
	return report{v1alpha1.ConditionCompleted, reasonSuccess, []v1alpha1.Phase{v1alpha1.PhaseExecuting}, v1alpha1.PhaseCompleted}
}

func failed() report {
	return report{
		v1alpha1.ConditionFailed, reasonFailed, []v1alpha1.Phase{v1alpha1.PhaseApproved, v1alpha1.PhaseExecuting}, v1alpha1.PhaseFailed,
	}
}

// reportOf is a report about one request.
type reportOf struct {
	object
	ignored
	wire.Failure
}

func (r reportOf) message() string {
	if r.Reason == "" {
		return "Reported by the agent"
	}
	return "Reported by the agent: " + r.Reason
}

// readReport reads the path and the body, which may be left out, of executing, completed and failed.
func readReport(r *http.Request) (reportOf, error) {
	var out reportOf
	var err error
	if out.object, err = readObject(r); err != nil {
		return out, err
	}
	if out.ignored, err = decode(r, &out.Failure, true); err != nil {
		return out, err
	}
	if utf8.RuneCountInString(out.Reason) > maxReason {
		return out, refuse(http.StatusBadRequest, "reason is longer than %d characters", maxReason)
	}
	return out, nil
}

// reported is the answer to a report.
type reported struct{ wire.Reported }

func (r *reported) warn(texts []string) { r.Warnings = texts }

// report returns the handler of POST /agent-requests/{name}/executing and the like. It answers when the report has taken
// effect.
func (s *Server) report(what report) func(context.Context, caller, reportOf) (reported, error) {
	return func(ctx context.Context, who caller, in reportOf) (reported, error) {
		_, err := s.store.ChangeStatus(ctx, in.namespace, in.name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
			if err := what.may(who, r); err != nil {
				return r.Status, err
			}
			meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{
				Type: what.condition, Status: metav1.ConditionTrue, Reason: what.reason, Message: in.message(),
				LastTransitionTime: metav1.NewTime(s.options.Now()),
			})
			return r.Status, nil
		})
		if err != nil {
			return reported{}, err //nolint:wrapcheck // problemOf knows the store's errors
		}
		phase, err := s.effect(ctx, in.object, what.from...)
		if err != nil {
			return reported{}, err
		}
		if phase != what.to && !slices.Contains(what.from, phase) {
			return reported{}, refuse(http.StatusConflict, "request is in phase %q — it could not become %s", phase, what.to)
		}
		return reported{wire.Reported{Message: "successfully patched condition " + what.condition, Phase: phase}}, nil
	}
}

// heartbeatOf answers POST /agent-requests/{name}/heartbeat: the lock on the target lasts for its whole time from now on.
func (s *Server) heartbeatOf(ctx context.Context, who caller, in object) (reported, error) {
	r, err := s.store.Get(ctx, in.namespace, in.name)
	if err != nil {
		return reported{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	if err := owns(who, r); err != nil {
		return reported{}, err
	}
	if r.Status.Phase != v1alpha1.PhaseExecuting {
		return reported{}, refuse(http.StatusConflict, "request is in phase %q — a heartbeat counts in Executing only", r.Status.Phase)
	}
	until, err := s.store.Heartbeat(ctx, r)
	if errors.Is(err, store.ErrLockLost) {
		return reported{}, &problem{status: http.StatusConflict, text: store.ErrLockLost.Error() + ": stop what you do", cause: err}
	}
	if err != nil {
		return reported{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	return reported{wire.Reported{Message: "the target is held until " + until.UTC().Format(time.RFC3339), Phase: r.Status.Phase}}, nil
}

// may returns nil when the caller may make this report about r as it is stored now.
func (what report) may(who caller, r *v1alpha1.AgentRequest) error {
	if err := owns(who, r); err != nil {
		return err
	}
	if !slices.Contains(what.from, r.Status.Phase) {
		return refuse(http.StatusConflict, "request is in phase %q — can only transition to %s from %s", r.Status.Phase, what.to, either(what.from))
	}
	return nil
}

// owns returns nil when r is the caller's own request.
func owns(who caller, r *v1alpha1.AgentRequest) error {
	if !authz.Owns(who.Subject, who.Agents, r) {
		return refuse(http.StatusForbidden, "forbidden: only the creating agent may transition this request")
	}
	return nil
}

func either(phases []v1alpha1.Phase) string { return strings.ReplaceAll(joined(phases), ", ", " or ") }

// effect waits until a request has left these phases, for a while, and returns the phase that it is in.
func (s *Server) effect(ctx context.Context, in object, from ...v1alpha1.Phase) (v1alpha1.Phase, error) {
	waiting, cancel := context.WithTimeout(ctx, effectTimeout)
	defer cancel()
	r, err := s.store.Wait(waiting, in.namespace, in.name, func(r *v1alpha1.AgentRequest) bool {
		return !slices.Contains(from, r.Status.Phase)
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return from[len(from)-1], nil
	case err != nil:
		return "", err //nolint:wrapcheck // problemOf knows the store's errors
	default:
		return r.Status.Phase, nil
	}
}

// resultOf is what an agent reports after it executed.
type resultOf struct {
	object
	ignored
	v1alpha1.Result
}

// readResult reads PUT /agent-requests/{name}/result.
func readResult(r *http.Request) (resultOf, error) {
	var out resultOf
	var err error
	if out.object, err = readObject(r); err != nil {
		return out, err
	}
	if out.ignored, err = decode(r, &out.Result, false); err != nil {
		return out, err
	}
	u, err := url.Parse(out.URL)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
		return out, refuse(http.StatusBadRequest, "url must be a valid https URL")
	case utf8.RuneCountInString(out.Summary) > maxSummary:
		return out, refuse(http.StatusBadRequest, "summary must be at most %d characters", maxSummary)
	}
	return out, nil
}

// recorded is the answer to a result.
type recorded struct{ wire.Recorded }

func (r *recorded) warn(texts []string) { r.Warnings = texts }

// result answers PUT /agent-requests/{name}/result. A later result replaces an earlier one.
func (s *Server) result(ctx context.Context, who caller, in resultOf) (recorded, error) {
	written, err := s.store.ChangeStatus(ctx, in.namespace, in.name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
		if err := owns(who, r); err != nil {
			return r.Status, err
		}
		switch r.Status.Phase {
		case v1alpha1.PhaseExecuting, v1alpha1.PhaseCompleted:
			r.Status.Result = &in.Result
			return r.Status, nil
		default:
			return r.Status, refuse(http.StatusConflict, "request is in phase %q — result can only be recorded in Executing or Completed", r.Status.Phase)
		}
	})
	if err != nil {
		return recorded{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	waiting, cancel := context.WithTimeout(ctx, effectTimeout)
	defer cancel()
	if err := s.store.Shown(waiting, written); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return recorded{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	return recorded{wire.Recorded{Status: "result recorded"}}, nil
}
