package gateway

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// verdictOf is a reviewer's verdict about one request.
type verdictOf struct {
	object
	ignored
	wire.Verdict
}

func reasonCodes() []string {
	return []string{"wrong_diagnosis", "bad_timing", "scope_too_broad", "precautionary", "policy_block"}
}

// readVerdict reads PATCH /agent-requests/{name}/verdict.
func readVerdict(r *http.Request) (verdictOf, error) {
	var out verdictOf
	var err error
	if out.object, err = readObject(r); err != nil {
		return out, err
	}
	if out.ignored, err = decode(r, &out.Verdict, false); err != nil {
		return out, err
	}
	switch out.Verdict.Verdict {
	case v1alpha1.VerdictCorrect, v1alpha1.VerdictPartial, v1alpha1.VerdictIncorrect:
	default:
		return out, refuse(http.StatusBadRequest, "invalid verdict")
	}
	switch {
	case out.ReasonCode == "" && out.Verdict.Verdict != v1alpha1.VerdictCorrect:
		return out, refuse(http.StatusBadRequest, "reasonCode is required when verdict is not 'correct'")
	case out.ReasonCode != "" && !slices.Contains(reasonCodes(), out.ReasonCode):
		return out, refuse(http.StatusBadRequest, "invalid reasonCode %q; must be one of: %s", out.ReasonCode, strings.Join(reasonCodes(), ", "))
	case utf8.RuneCountInString(out.Note) > maxSummary:
		return out, refuse(http.StatusBadRequest, "note must be at most %d characters", maxSummary)
	}
	return out, nil
}

// verdict answers PATCH /agent-requests/{name}/verdict. The first verdict counts, and nobody grades their own request.
func (s *Server) verdict(ctx context.Context, who caller, in verdictOf) (reported, error) {
	_, err := s.store.ChangeStatus(ctx, in.namespace, in.name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
		if err := mayGrade(who, r); err != nil {
			return r.Status, err
		}
		now := metav1.NewTime(s.options.Now())
		r.Status.Verdict, r.Status.VerdictReasonCode, r.Status.VerdictNote = in.Verdict.Verdict, in.ReasonCode, in.Note
		r.Status.VerdictBy, r.Status.VerdictAt = who.Subject, &now
		return r.Status, nil
	})
	if err != nil {
		return reported{}, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	phase, err := s.effect(ctx, in.object, v1alpha1.PhaseAwaitingVerdict)
	return reported{wire.Reported{Message: "verdict submitted", Phase: cmp.Or(phase, v1alpha1.PhaseAwaitingVerdict)}}, err
}

func mayGrade(who caller, r *v1alpha1.AgentRequest) error {
	if verdict := authz.MayDecide(who.Subject, r, who.Agents...); !verdict.Allowed {
		return refuse(http.StatusForbidden, "%s", verdict.Reason)
	}
	switch {
	case r.Status.Verdict != "":
		return refuse(http.StatusConflict, "request was already graded %s by %s", r.Status.Verdict, cmp.Or(r.Status.VerdictBy, "a reviewer who gave no name"))
	case r.Status.Phase != v1alpha1.PhaseAwaitingVerdict:
		return refuse(http.StatusConflict, "request is in phase %q — can only be graded in AwaitingVerdict", r.Status.Phase)
	default:
		return nil
	}
}
