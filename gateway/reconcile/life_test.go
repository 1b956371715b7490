package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/reconcile"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// TestLife runs its cases beside each other on one manager, with limits that a test can wait for. It does not run beside
// the other tests, whose managers have other limits.
func TestLife(t *testing.T) { //nolint:paralleltest // see above
	w := startWith(t, setup{byDefault: v1alpha1.ActionAllow, times: reconcile.Options{
		LockDuration: 3 * time.Second, LockWait: 2 * time.Second, ApprovedTimeout: time.Second,
	}})
	for name, run := range map[string]func(*testing.T, world){
		"executed and deleted":    executedAndDeleted,
		"failed by its agent":     failedByAgent,
		"not started":             notStarted,
		"no heartbeat":            noHeartbeat,
		"heartbeats":              heartbeats,
		"lock taken away":         lockTakenAway,
		"lock gone":               lockGone,
		"waits in vain":           waitsInVain,
		"deleted while it holds":  deletedWhileItHolds,
		"locks are of the target": locksAreOfTheTarget,
		"expired lock of others":  expiredLockOfOthers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, w)
		})
	}
}

// ask stores a request of a test's own making.
func (w world) ask(t *testing.T, change func(*v1alpha1.AgentRequest)) *v1alpha1.AgentRequest {
	t.Helper()
	r := &v1alpha1.AgentRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "ask-"},
		Spec: v1alpha1.AgentRequestSpec{
			AgentIdentity: "agent", Action: "ask", Reason: "because", Target: v1alpha1.Target{URI: newTarget()},
		},
	}
	change(r)
	check(t, w.live.Create(t.Context(), r))
	return r
}

func onTarget(uri string) func(*v1alpha1.AgentRequest) {
	return func(r *v1alpha1.AgentRequest) { r.Spec.Target.URI = uri }
}

// until waits for a phase.
func (w world) until(t *testing.T, r *v1alpha1.AgentRequest, phase v1alpha1.Phase) *v1alpha1.AgentRequest {
	t.Helper()
	last := w.await(t, r, func(r *v1alpha1.AgentRequest) bool { return r.Status.Phase == phase || r.Status.Phase.Terminal() })
	if last.Status.Phase != phase {
		t.Fatalf("phase %s, want %s; denial %+v, conditions %+v", last.Status.Phase, phase, last.Status.Denial, last.Status.Conditions)
	}
	return last
}

// report sets a condition, as the gateway does for an agent.
func (w world) report(t *testing.T, r *v1alpha1.AgentRequest, condition string) {
	t.Helper()
	_, err := w.store.ChangeStatus(t.Context(), r.Namespace, r.Name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
		meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{Type: condition, Status: metav1.ConditionTrue, Reason: "Reported", Message: "m"})
		return r.Status, nil
	})
	check(t, err)
}

// trail waits until the records of r are these events, and a while longer would not change them: the last one is
// written last.
func (w world) trail(t *testing.T, r *v1alpha1.AgentRequest, want string) {
	t.Helper()
	var got string
	defer func() {
		if t.Failed() || got != want {
			t.Errorf("trail\n%s\nwant\n%s", got, want)
		}
	}()
	eventually(t, func() bool {
		var list v1alpha1.AuditRecordList
		check(t, w.live.List(t.Context(), &list, client.InNamespace(r.Namespace), client.MatchingLabels{v1alpha1.LabelAgentRequestUID: string(r.UID)}))
		slices.SortFunc(list.Items, func(a, b v1alpha1.AuditRecord) int { return store.CompareRecords(&a, &b) })
		var events []string
		for i := range list.Items {
			events = append(events, string(list.Items[i].Spec.Event))
		}
		got = strings.Join(events, " ")
		return got == want
	})
}

// lock returns the Lease on a target, nil when there is none.
func (w world) lock(t *testing.T, uri string) *coordinationv1.Lease {
	t.Helper()
	var lease coordinationv1.Lease
	err := w.live.Get(t.Context(), client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: store.LockName(uri)}, &lease)
	if apierrors.IsNotFound(err) {
		return nil
	}
	check(t, err)
	return &lease
}

func (w world) unlocked(t *testing.T, uri string) {
	t.Helper()
	eventually(t, func() bool { return w.lock(t, uri) == nil })
}

const (
	decided = "request.submitted policy.evaluated request.approved"
	begun   = decided + " lock.acquired request.executing"
)

func executedAndDeleted(t *testing.T, w world) {
	r := w.until(t, w.ask(t, func(r *v1alpha1.AgentRequest) {
		r.Labels = map[string]string{v1alpha1.LabelCorrelationID: "c-1"}
	}), v1alpha1.PhaseApproved)
	lease := w.lock(t, r.Spec.Target.URI)
	if lease == nil || r.Status.LeaseName != lease.Name || *lease.Spec.HolderIdentity != "agent/"+r.Name ||
		*lease.Spec.LeaseDurationSeconds != 3 || lease.Labels["governance.aip.io/managed-by"] != "aip-controller" {
		t.Errorf("leaseName %q, lease %+v", r.Status.LeaseName, lease)
	}
	w.report(t, r, v1alpha1.ConditionExecuting)
	w.until(t, r, v1alpha1.PhaseExecuting)
	_, err := w.store.ChangeStatus(t.Context(), r.Namespace, r.Name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
		r.Status.Result = &v1alpha1.Result{URL: "https://evidence", Summary: "done"}
		return r.Status, nil
	})
	check(t, err)
	w.report(t, r, v1alpha1.ConditionCompleted)
	r = w.until(t, r, v1alpha1.PhaseCompleted)
	w.unlocked(t, r.Spec.Target.URI)
	w.trail(t, r, begun+" request.completed lock.released")
	check(t, w.live.Delete(t.Context(), r.DeepCopy()))
	eventually(t, func() bool {
		return strings.Contains(fmt.Sprint(w.live.Get(t.Context(), client.ObjectKeyFromObject(r), r.DeepCopy())), "not found")
	})
	w.trail(t, r, begun+" request.completed lock.released")
	var list v1alpha1.AuditRecordList
	check(t, w.live.List(t.Context(), &list, client.InNamespace(w.ns), client.MatchingLabels{v1alpha1.LabelCorrelationID: "c-1"}))
	if len(list.Items) != 7 {
		t.Errorf("%d records carry the correlation id", len(list.Items))
	}
	for i := range list.Items {
		if a := &list.Items[i]; a.Spec.Event == v1alpha1.AuditRequestCompleted && !strings.Contains(string(a.Spec.Details.Raw), "https://evidence") {
			t.Errorf("details %s", a.Spec.Details.Raw)
		}
	}
}

func failedByAgent(t *testing.T, w world) {
	r := w.until(t, w.ask(t, func(*v1alpha1.AgentRequest) {}), v1alpha1.PhaseApproved)
	w.report(t, r, v1alpha1.ConditionExecuting)
	w.until(t, r, v1alpha1.PhaseExecuting)
	w.report(t, r, v1alpha1.ConditionFailed)
	w.until(t, r, v1alpha1.PhaseFailed)
	w.unlocked(t, r.Spec.Target.URI)
	w.trail(t, r, begun+" request.failed lock.released")
}

func notStarted(t *testing.T, w world) {
	r := w.until(t, w.ask(t, func(*v1alpha1.AgentRequest) {}), v1alpha1.PhaseApproved)
	r = w.until(t, r, v1alpha1.PhaseFailed)
	if d := r.Status.Denial; d == nil || d.Code != v1alpha1.DenialLockTimeout {
		t.Errorf("denial %+v", d)
	}
	w.unlocked(t, r.Spec.Target.URI)
	w.trail(t, r, decided+" request.failed")
}

// executing returns a request that is being executed.
func (w world) executing(t *testing.T, uri string) *v1alpha1.AgentRequest {
	t.Helper()
	r := w.until(t, w.ask(t, onTarget(uri)), v1alpha1.PhaseApproved)
	w.report(t, r, v1alpha1.ConditionExecuting)
	return w.until(t, r, v1alpha1.PhaseExecuting)
}

func noHeartbeat(t *testing.T, w world) {
	r := w.until(t, w.executing(t, newTarget()), v1alpha1.PhaseFailed)
	c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionFailed)
	if c == nil || c.Reason != "LOCK_TIMEOUT" || !strings.Contains(c.Message, "no sign of life") {
		t.Errorf("condition %+v", c)
	}
	w.unlocked(t, r.Spec.Target.URI)
	w.trail(t, r, begun+" heartbeat.timeout request.failed")
	if _, err := w.store.Heartbeat(t.Context(), r); err == nil || !strings.Contains(err.Error(), "not held") {
		t.Errorf("heartbeat afterwards: %v", err)
	}
}

// An agent that works for longer than the lock lasts keeps it by its heartbeats.
func heartbeats(t *testing.T, w world) {
	r := w.executing(t, newTarget())
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(5 * time.Second); ; {
		select {
		case <-tick.C:
			_, err := w.store.Heartbeat(t.Context(), r)
			check(t, err)
			continue
		case <-end:
		}
		break
	}
	w.report(t, r, v1alpha1.ConditionCompleted)
	w.until(t, r, v1alpha1.PhaseCompleted)
}

func lockTakenAway(t *testing.T, w world) {
	r := w.executing(t, newTarget())
	lease := w.lock(t, r.Spec.Target.URI)
	lease.Annotations, lease.Spec.HolderIdentity = nil, new("somebody/else")
	check(t, w.live.Update(t.Context(), lease))
	w.until(t, r, v1alpha1.PhaseFailed)
	w.trail(t, r, begun+" lock.expired request.failed")
	if w.lock(t, r.Spec.Target.URI) == nil {
		t.Error("the lock of somebody else was removed")
	}
}

func lockGone(t *testing.T, w world) {
	r := w.executing(t, newTarget())
	check(t, w.live.Delete(t.Context(), w.lock(t, r.Spec.Target.URI)))
	w.until(t, r, v1alpha1.PhaseFailed)
	w.trail(t, r, begun+" lock.expired request.failed")
}

func waitsInVain(t *testing.T, w world) {
	uri := newTarget()
	first := w.executing(t, uri)
	second := w.ask(t, onTarget(uri))
	second = w.await(t, second, func(r *v1alpha1.AgentRequest) bool {
		return meta.IsStatusConditionFalse(r.Status.Conditions, v1alpha1.ConditionLockAcquired)
	})
	if c := meta.FindStatusCondition(second.Status.Conditions, v1alpha1.ConditionLockAcquired); !strings.Contains(c.Message, "agent/"+first.Name) {
		t.Errorf("it waits, %q does not say for whom", c.Message)
	}
	heart := time.NewTicker(300 * time.Millisecond)
	defer heart.Stop()
	beating := make(chan struct{})
	go func() {
		for {
			select {
			case <-beating:
				return
			case <-heart.C:
				_, _ = w.store.Heartbeat(t.Context(), first) // its loss shows below
			}
		}
	}()
	second = w.until(t, second, v1alpha1.PhaseDenied)
	close(beating)
	if d := second.Status.Denial; d == nil || d.Code != v1alpha1.DenialLockTimeout {
		t.Errorf("denial %+v", d)
	}
	if c := meta.FindStatusCondition(second.Status.Conditions, v1alpha1.ConditionApproved); c == nil || c.Reason != "LockTimeout" {
		t.Errorf("condition %+v", c)
	}
	w.trail(t, second, "request.submitted policy.evaluated request.denied")
	w.report(t, first, v1alpha1.ConditionCompleted)
	w.until(t, first, v1alpha1.PhaseCompleted)
}

func deletedWhileItHolds(t *testing.T, w world) {
	uri := newTarget()
	first := w.until(t, w.ask(t, onTarget(uri)), v1alpha1.PhaseApproved)
	second := w.ask(t, onTarget(uri))
	w.await(t, second, func(r *v1alpha1.AgentRequest) bool {
		return meta.IsStatusConditionFalse(r.Status.Conditions, v1alpha1.ConditionLockAcquired)
	})
	check(t, w.live.Delete(t.Context(), first.DeepCopy()))
	w.until(t, second, v1alpha1.PhaseApproved)
	w.trail(t, first, decided)
}

// Hole: in the reference the lock lives in the namespace that the agent names, so that it can pass by the lock of
// others. Attack: the same target from another namespace. Proof: it waits.
func locksAreOfTheTarget(t *testing.T, w world) {
	uri := newTarget()
	first := w.until(t, w.ask(t, onTarget(uri)), v1alpha1.PhaseApproved)
	second := w.ask(t, func(r *v1alpha1.AgentRequest) { r.Namespace, r.Spec.Target.URI = "kube-public", uri })
	t.Cleanup(func() { check(t, client.IgnoreNotFound(w.live.Delete(context.WithoutCancel(t.Context()), second))) })
	w.await(t, second, func(r *v1alpha1.AgentRequest) bool {
		return meta.IsStatusConditionFalse(r.Status.Conditions, v1alpha1.ConditionLockAcquired)
	})
	w.report(t, first, v1alpha1.ConditionFailed)
	w.until(t, second, v1alpha1.PhaseApproved)
}

func expiredLockOfOthers(t *testing.T, w world) {
	uri := newTarget()
	old := metav1.NewMicroTime(time.Now().Add(-time.Hour))
	check(t, w.live.Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: store.LockName(uri)},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: new("somebody/else"), LeaseDurationSeconds: new(int32(60)), RenewTime: &old},
	}))
	r := w.until(t, w.ask(t, onTarget(uri)), v1alpha1.PhaseApproved)
	if lease := w.lock(t, uri); *lease.Spec.HolderIdentity != "agent/"+r.Name || *lease.Spec.LeaseTransitions != 1 {
		t.Errorf("lease %+v", lease.Spec)
	}
}
