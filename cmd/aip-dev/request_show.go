package main

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/safetext"
)

// showList prints requests; what agents wrote is made harmless.
func (r *request) showList(format string, requests []v1alpha1.AgentRequest) error {
	return listing[v1alpha1.AgentRequest]{
		"no requests", func(q *v1alpha1.AgentRequest) string { return q.Name },
		[]string{"NAMESPACE", "NAME", "PHASE", "AGENT", "ACTION", "TARGET", "AGE"},
		func(q *v1alpha1.AgentRequest) []string {
			return []string{
				q.Namespace, q.Name, string(q.Status.Phase), safetext.Line(q.Spec.AgentIdentity), safetext.Line(q.Spec.Action),
				safetext.Line(q.Spec.Target.URI), r.age(q.CreationTimestamp.Time),
			}
		},
	}.print(r.app, format, requests)
}

// age says how long ago something was made, as kubectl does.
func (a *app) age(made time.Time) string { return duration.HumanDuration(a.now().Sub(made)) }

// show prints the state of one request: what became of it, and why.
func (r *request) show(format string, state wire.RequestState) error {
	switch format {
	case formatJSON:
		return r.printJSON(state)
	case formatName:
		return r.print(state.Name + "\n")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s   %s", state.Name, state.Phase)
	if why := reason(state); why != "" {
		fmt.Fprintf(&b, "   %s", safetext.Line(why))
	}
	b.WriteByte('\n')
	return r.print(b.String())
}

// reason returns why a request is in its phase, in the words of whoever decided, or of the agent that reported.
func reason(state wire.RequestState) string {
	failed := meta.FindStatusCondition(state.Conditions, v1alpha1.ConditionFailed)
	waits := meta.FindStatusCondition(state.Conditions, v1alpha1.ConditionLockAcquired)
	switch {
	case state.Phase == v1alpha1.PhasePending && waits != nil:
		return waits.Message
	case state.Phase == v1alpha1.PhaseFailed && failed != nil:
		return failed.Message
	case state.Phase == v1alpha1.PhaseCompleted && state.Result != nil:
		return state.Result.Summary + "   " + state.Result.URL
	case state.HumanApproval != nil && state.HumanApproval.Reason != "":
		return state.HumanApproval.Reason
	case state.Denial != nil:
		return state.Denial.Message
	}
	for _, kind := range []string{v1alpha1.ConditionApproved, v1alpha1.ConditionRequiresApproval, v1alpha1.ConditionPolicyEvaluated} {
		if c := meta.FindStatusCondition(state.Conditions, kind); c != nil && c.Message != "" {
			return c.Message
		}
	}
	return ""
}
