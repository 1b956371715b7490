package lifecycle

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Unbound says that the GovernedResource by which the request was admitted is gone or another one now.
type Unbound struct {
	// Code is v1alpha1.DenialGovernedResourceDeleted or v1alpha1.DenialGenerationMismatch.
	Code string
	// Message is for people.
	Message string
}

func (Unbound) trigger() Trigger { return TriggerUnbound }

func (u Unbound) apply(s *statusWriter) {
	s.clear(v1alpha1.ConditionLockAcquired)
	s.deny(ReasonDenied, u.Code, clip(u.Message), nil)
}

// LockBusy says that another request holds the target or comes first.
type LockBusy struct {
	// Behind says in a few words who.
	Behind string
}

func (LockBusy) trigger() Trigger { return TriggerLockBusy }

func (b LockBusy) apply(s *statusWriter) {
	s.set(v1alpha1.ConditionLockAcquired, metav1.ConditionFalse, ReasonLockContention, clip("Waiting for the target: "+b.Behind))
}

// Locked says that the target is held for the request, which may be executed from now on.
type Locked struct {
	// Lease is the name of the Lease that is the lock.
	Lease string
	// Review is the decision of the reviewer, nil when none was asked.
	Review *v1alpha1.HumanApproval
	// Trusted says that trust in the agent stood in for a reviewer.
	Trusted bool
}

func (Locked) trigger() Trigger { return TriggerLocked }

func (l Locked) apply(s *statusWriter) {
	s.clear(v1alpha1.ConditionLockAcquired)
	s.status.LeaseName = l.Lease
	reason, message := ReasonApproved, "Request approved and OpsLock acquired"
	switch {
	case l.Review != nil:
		by := Reviewed{By: l.Review.ApprovedBy}.by()
		message = clip(withReason("Approved by "+by, l.Review.Reason))
	case l.Trusted:
		reason, message = ReasonAutoApproved, "Approved without a reviewer: the agent is trusted"
	default:
		for _, c := range s.status.Conditions {
			if c.Type == v1alpha1.ConditionPolicyEvaluated {
				message = c.Message
			}
		}
	}
	s.set(v1alpha1.ConditionApproved, metav1.ConditionTrue, reason, message)
}

// LockTimeout says that the request waited for its target for too long.
type LockTimeout struct{}

func (LockTimeout) trigger() Trigger { return TriggerLockTimeout }

func (LockTimeout) apply(s *statusWriter) {
	s.clear(v1alpha1.ConditionLockAcquired)
	s.deny(ReasonLockTimeout, v1alpha1.DenialLockTimeout, "The target was not free in time: other requests held it", nil)
}

// LockLost says that the target is not held for the request any more, though it may be worked on.
type LockLost struct {
	// Expired says that the agent gave no sign of life for too long; otherwise the lock is gone or somebody else's.
	Expired bool
}

func (LockLost) trigger() Trigger { return TriggerLockLost }

func (l LockLost) apply(s *statusWriter) {
	reason, message := ReasonLockLost, "The lock on the target was lost: it is gone or held by another request"
	if l.Expired {
		reason, message = ReasonLockExpired, "The lock on the target expired: the agent gave no sign of life in time"
	}
	s.set(v1alpha1.ConditionLockAcquired, metav1.ConditionFalse, reason, message)
	s.fail(ReasonFailedLockTimeout, v1alpha1.DenialLockTimeout, message)
}

// Started says that the agent reported, by the condition Executing, that it has begun.
type Started struct{}

func (Started) trigger() Trigger      { return TriggerStarted }
func (Started) apply(_ *statusWriter) {}

// NotStarted says that the agent did not begin in time.
type NotStarted struct{}

func (NotStarted) trigger() Trigger { return TriggerNotStarted }

func (NotStarted) apply(s *statusWriter) {
	s.fail(ReasonFailedLockTimeout, v1alpha1.DenialLockTimeout, "The agent did not start in time after the approval")
}

// Succeeded says that the agent reported, by the condition Completed, that it is done.
type Succeeded struct{}

func (Succeeded) trigger() Trigger      { return TriggerSucceeded }
func (Succeeded) apply(_ *statusWriter) {}

// Failed says that the agent reported, by the condition Failed, that it gave up.
type Failed struct{}

func (Failed) trigger() Trigger      { return TriggerFailed }
func (Failed) apply(_ *statusWriter) {}

// Graded says that a reviewer recorded a verdict in the status.
type Graded struct{}

func (Graded) trigger() Trigger      { return TriggerGraded }
func (Graded) apply(_ *statusWriter) {}

// NotGraded says that nobody recorded a verdict in time.
type NotGraded struct{}

func (NotGraded) trigger() Trigger { return TriggerNotGraded }

func (NotGraded) apply(s *statusWriter) {
	s.set(v1alpha1.ConditionExpired, metav1.ConditionTrue, ReasonNotGraded, "No reviewer graded the request in time")
}
