package lifecycle

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

const (
	// recordName is how long the name of a record is, in hexadecimal digits.
	recordName = 53
	// maxLabel is the length of a label value.
	maxLabel = 63
)

// RecordName returns the name of the record that tells of what: the same for the same, so that nothing is recorded twice.
func RecordName(what ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(what...)))
	return hex.EncodeToString(sum[:])[:recordName]
}

// Trail returns the records of everything that has happened to r so far, in order. It depends on r alone, and so do the
// names of the records: who writes those that are missing, whenever and however often, writes each event once.
func Trail(r *v1alpha1.AgentRequest) []*v1alpha1.AuditRecord {
	t := &trail{request: r}
	t.submission()
	t.evaluation()
	t.decision()
	t.verification()
	t.execution()
	t.verdict()
	return t.records
}

type trail struct {
	request *v1alpha1.AgentRequest
	records []*v1alpha1.AuditRecord
}

// condition returns a condition of the request, nil when it is not there or does not have that status.
func (t *trail) condition(kind string, status metav1.ConditionStatus) *metav1.Condition {
	if c := meta.FindStatusCondition(t.request.Status.Conditions, kind); c != nil && c.Status == status {
		return c
	}
	return nil
}

// add appends the record of an event at the time of c. Events that can happen more than once say which time it is.
func (t *trail) add(event v1alpha1.AuditEvent, c *metav1.Condition, which ...any) *v1alpha1.AuditRecordSpec {
	r := t.request
	labels := map[string]string{
		v1alpha1.LabelAgentRequestRef: labelOf(r.Name), v1alpha1.LabelAgentRequestUID: string(r.UID),
	}
	for _, key := range []string{v1alpha1.LabelAgentIdentity, v1alpha1.LabelCorrelationID} {
		if value := r.Labels[key]; value != "" {
			labels[key] = value
		}
	}
	record := &v1alpha1.AuditRecord{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: RecordName(append([]any{r.UID, "|", event}, which...)...), Labels: labels},
		Spec: v1alpha1.AuditRecordSpec{
			Timestamp: c.LastTransitionTime, AgentIdentity: r.Spec.AgentIdentity, AgentRequestRef: r.Name,
			Action: r.Spec.Action, TargetURI: r.Spec.Target.URI, Event: event, Reason: r.Spec.Reason,
		},
	}
	t.records = append(t.records, record)
	return &record.Spec
}

func (t *trail) submission() {
	c := t.condition(v1alpha1.ConditionRequestSubmitted, metav1.ConditionTrue)
	switch {
	case c == nil:
	case c.Reason == ReasonObserveMode:
		t.add(v1alpha1.AuditRequestObserved, c)
	case c.Reason == ReasonGatewayDenied:
		t.add(v1alpha1.AuditRequestDenied, c).Annotations = t.denial()
	default:
		t.add(v1alpha1.AuditRequestSubmitted, c)
	}
}

func (t *trail) evaluation() {
	c := t.condition(v1alpha1.ConditionPolicyEvaluated, metav1.ConditionTrue)
	if c == nil {
		return
	}
	status := t.request.Status
	spec := t.add(v1alpha1.AuditPolicyEvaluated, c, "|", status.EvaluationGeneration)
	spec.PhaseTransition = &v1alpha1.PhaseTransition{From: v1alpha1.PhasePending, To: t.evaluatedTo()}
	for _, p := range status.PolicyResults {
		spec.PolicyEvaluations = append(spec.PolicyEvaluations, v1alpha1.PolicyEvaluation{
			PolicyName: p.PolicyName, RuleName: p.RuleName, Result: p.Result,
		})
	}
	spec.Annotations = map[string]string{v1alpha1.AuditMessage: c.Message}
	details := map[string]any{
		"evaluationGeneration": status.EvaluationGeneration, "evaluationFingerprint": status.EvaluationFingerprint,
	}
	if seen := status.ControlPlaneVerification; seen != nil {
		details["stateFingerprint"] = seen.EvaluatedStateFingerprint
	}
	spec.Details = asJSON(details)
	if status.DriftedFrom != "" {
		t.drift(c)
	}
}

func (t *trail) drift(c *metav1.Condition) {
	status := t.request.Status
	spec := t.add(v1alpha1.AuditStateDrifted, c, "|", status.EvaluationGeneration)
	spec.Annotations = t.denial()
	spec.Details = asJSON(map[string]any{
		"previousFingerprint": status.DriftedFrom, "currentFingerprint": fingerprints(status),
		"evaluationGeneration": status.EvaluationGeneration, "window": "T1T2",
	})
}

// fingerprints stand for what the last evaluation said and saw, each as far as there is any: for the decision, for the
// target and for its context.
func fingerprints(s v1alpha1.AgentRequestStatus) string {
	out := cmp.Or(s.EvaluationFingerprint, "unknown")
	if seen := s.ControlPlaneVerification; seen != nil {
		out += " " + seen.EvaluatedStateFingerprint
	}
	if s.ProviderContext != nil {
		sum := sha256.Sum256(s.ProviderContext.Raw)
		out += " " + hex.EncodeToString(sum[:])[:16]
	}
	return out
}

// evaluatedTo is the phase that the evaluation itself led to.
func (t *trail) evaluatedTo() v1alpha1.Phase {
	switch {
	case t.request.Spec.HumanApproval != nil:
		return v1alpha1.PhasePending
	case t.condition(v1alpha1.ConditionApproved, metav1.ConditionTrue) != nil:
		return v1alpha1.PhaseApproved
	case t.condition(v1alpha1.ConditionApproved, metav1.ConditionFalse) != nil:
		return v1alpha1.PhaseDenied
	default:
		return v1alpha1.PhasePending
	}
}

func (t *trail) decision() {
	if c := t.condition(v1alpha1.ConditionApproved, metav1.ConditionTrue); c != nil {
		spec := t.add(v1alpha1.AuditRequestApproved, c)
		spec.PhaseTransition = &v1alpha1.PhaseTransition{From: v1alpha1.PhasePending, To: v1alpha1.PhaseApproved}
		spec.Annotations = t.reviewer(map[string]string{v1alpha1.AuditMessage: c.Message})
	}
	if c := t.condition(v1alpha1.ConditionApproved, metav1.ConditionFalse); c != nil {
		spec := t.add(v1alpha1.AuditRequestDenied, c)
		spec.PhaseTransition = &v1alpha1.PhaseTransition{From: v1alpha1.PhasePending, To: v1alpha1.PhaseDenied}
		spec.Annotations = t.reviewer(t.denial())
	}
}

func (t *trail) execution() {
	started := t.condition(v1alpha1.ConditionExecuting, metav1.ConditionTrue)
	from := v1alpha1.PhaseApproved
	if started != nil && t.begun() {
		t.add(v1alpha1.AuditLockAcquired, started).LockStatus = t.lock("acquired")
		t.add(v1alpha1.AuditRequestExecuting, started).PhaseTransition = &v1alpha1.PhaseTransition{From: from, To: v1alpha1.PhaseExecuting}
		from = v1alpha1.PhaseExecuting
	}
	lost := t.condition(v1alpha1.ConditionLockAcquired, metav1.ConditionFalse)
	var ended *metav1.Condition
	switch t.request.Status.Phase {
	case v1alpha1.PhaseCompleted:
		if ended = t.condition(v1alpha1.ConditionCompleted, metav1.ConditionTrue); ended != nil {
			spec := t.add(v1alpha1.AuditRequestCompleted, ended)
			spec.PhaseTransition = &v1alpha1.PhaseTransition{From: from, To: v1alpha1.PhaseCompleted}
			if t.request.Status.Result != nil {
				spec.Details = asJSON(t.request.Status.Result)
			}
		}
	case v1alpha1.PhaseFailed:
		if ended = t.condition(v1alpha1.ConditionFailed, metav1.ConditionTrue); ended != nil {
			t.lostLock(lost)
			spec := t.add(v1alpha1.AuditRequestFailed, ended)
			spec.PhaseTransition = &v1alpha1.PhaseTransition{From: from, To: v1alpha1.PhaseFailed}
			spec.Annotations = t.denial()
			if spec.Annotations == nil {
				spec.Annotations = map[string]string{v1alpha1.AuditMessage: ended.Message}
			}
		}
	default:
	}
	if ended != nil && from == v1alpha1.PhaseExecuting && lost == nil {
		t.add(v1alpha1.AuditLockReleased, ended).LockStatus = t.lock("released")
	}
}

// begun reports whether the reconciler has seen that the agent started, or may have.
func (t *trail) begun() bool {
	switch t.request.Status.Phase {
	case v1alpha1.PhaseExecuting, v1alpha1.PhaseCompleted, v1alpha1.PhaseFailed:
		return true
	default:
		return false
	}
}

func (t *trail) lostLock(lost *metav1.Condition) {
	switch {
	case lost == nil:
	case lost.Reason == ReasonLockExpired:
		t.add(v1alpha1.AuditHeartbeatTimeout, lost).LockStatus = t.lock("expired")
	case lost.Reason == ReasonLockLost:
		t.add(v1alpha1.AuditLockExpired, lost).LockStatus = t.lock("expired")
	}
}

func (t *trail) lock(event string) *v1alpha1.LockStatus {
	return &v1alpha1.LockStatus{LeaseName: t.request.Status.LeaseName, TargetURI: t.request.Spec.Target.URI, Event: event}
}

func (t *trail) verdict() {
	r := t.request
	expired := t.condition(v1alpha1.ConditionExpired, metav1.ConditionTrue)
	switch {
	case r.Status.Phase == v1alpha1.PhaseCompleted && r.Status.Verdict != "":
		at := &metav1.Condition{LastTransitionTime: r.CreationTimestamp}
		if r.Status.VerdictAt != nil {
			at.LastTransitionTime = *r.Status.VerdictAt
		}
		spec := t.add(v1alpha1.AuditVerdictSubmitted, at)
		spec.PhaseTransition = &v1alpha1.PhaseTransition{From: v1alpha1.PhaseAwaitingVerdict, To: v1alpha1.PhaseCompleted}
		spec.Annotations = map[string]string{v1alpha1.AuditVerdict: r.Status.Verdict}
		put(spec.Annotations, v1alpha1.AuditVerdictBy, r.Status.VerdictBy)
		put(spec.Annotations, v1alpha1.AuditVerdictReasonCode, r.Status.VerdictReasonCode)
	case expired != nil:
		spec := t.add(v1alpha1.AuditRequestExpired, expired)
		spec.PhaseTransition = &v1alpha1.PhaseTransition{From: v1alpha1.PhaseAwaitingVerdict, To: v1alpha1.PhaseExpired}
	}
}

// denial returns why the request was denied or failed, nil when that is not known.
func (t *trail) denial() map[string]string {
	d := t.request.Status.Denial
	if d == nil {
		return nil
	}
	return map[string]string{v1alpha1.AuditDenialCode: d.Code, v1alpha1.AuditMessage: d.Message}
}

// reviewer adds who decided, if somebody did.
func (t *trail) reviewer(to map[string]string) map[string]string {
	if review := t.request.Spec.HumanApproval; review != nil && to != nil {
		put(to, v1alpha1.AuditApprovedBy, review.ApprovedBy)
		put(to, v1alpha1.AuditApprovalReason, review.Reason)
	}
	return to
}

// Issued is a token that was given out for a request.
type Issued struct {
	// ID tells it from others; it is the jti of a token of the gateway's own.
	ID string
	// To is the identity that got it, Service the service that it is for, Kind where it comes from.
	To, Service, Kind string
	// At is when that was; Expiry is when it ends, zero when that is not known.
	At, Expiry time.Time
}

// TokenIssued returns the record of a token. It holds nothing of the token itself.
func TokenIssued(r *v1alpha1.AgentRequest, token Issued) *v1alpha1.AuditRecord {
	t := &trail{request: r}
	spec := t.add(v1alpha1.AuditTokenIssued, &metav1.Condition{LastTransitionTime: metav1.NewTime(token.At)}, "|", token.ID)
	spec.Annotations = map[string]string{v1alpha1.AuditTokenID: token.ID, v1alpha1.AuditTokenTo: token.To, v1alpha1.AuditTokenKind: token.Kind}
	put(spec.Annotations, v1alpha1.AuditTokenService, token.Service)
	if !token.Expiry.IsZero() {
		spec.Annotations[v1alpha1.AuditTokenExpiry] = token.Expiry.UTC().Format(time.RFC3339)
	}
	return t.records[0]
}

func put(to map[string]string, key, value string) {
	if value != "" {
		to[key] = value
	}
}

func asJSON(v any) *apiextensionsv1.JSON {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil // maps of strings and numbers always encode
	}
	return &apiextensionsv1.JSON{Raw: raw}
}

// labelOf makes the name of a request fit for a label value.
func labelOf(name string) string {
	if len(name) > maxLabel {
		name = name[:maxLabel]
	}
	return strings.Trim(name, "-_.")
}
