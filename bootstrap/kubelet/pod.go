package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

const (
	// retryPause is how long to wait before the API server is asked again for what it could not do.
	retryPause = time.Second
	// lastWords is how long a pod may take to write its status when the node ends.
	lastWords = 2 * time.Second

	nodeRestarted = "the node restarted"
)

// pod is one pod, from its first sight to its end. One goroutine runs it and writes its status.
type pod struct {
	node    *Node
	key     types.NamespacedName
	uid     types.UID
	created time.Time
	seq     int // in which order pods were seen
	network *network
	changed chan struct{} // there is something to look at
	settled func()        // to be called once its status tells no old story

	mu sync.Mutex
	// object has the newest metadata and spec. Its status is that of owned pods no more: status is.
	object     *corev1.Pod
	status     corev1.PodStatus
	unsure     bool // the API server may have taken a write that failed, so status may not be what it has
	owned      bool
	stopping   bool
	gone       bool
	containers []*container
}

// run assigns the pod to this node, runs its containers, tells how they are and removes it when it is deleted.
func (p *pod) run(ctx context.Context) {
	defer p.settled()
	if p.assign(ctx) {
		p.own()
		if p.hasRun() {
			p.persist(ctx) // what an earlier run of the node wrote is not true any more
		}
		p.settled()
		p.live(ctx)
	}
	if !p.isGone() {
		return // the node ends; the pod is adopted when it is back
	}
	if err := os.RemoveAll(p.node.logs.pod(p.spec())); err != nil {
		p.node.o.Log.WarnContext(ctx, "logs not removed", "pod", p.key.String(), "error", err)
	}
}

// live runs the containers until the pod or the node ends.
func (p *pod) live(ctx context.Context) {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var containers sync.WaitGroup
	if !p.isLeaving() && !isFinal(p.status.Phase) {
		for _, c := range p.containers {
			containers.Go(func() { c.run(running) })
		}
	}
	p.report(ctx)
	p.mu.Lock()
	p.stopping = true // fronts look elsewhere from here on
	p.mu.Unlock()
	if ctx.Err() == nil {
		sleep(ctx, p.preStop())
		stop(errPodDeleted)
	}
	containers.Wait()
	p.leave(ctx)
}

// preStop is for how long the pod serves on after it was told to end: the longest preStop.sleep of its containers, and
// at most the time that the deletion gives it.
// Source: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
func (p *pod) preStop() time.Duration {
	object := p.spec()
	longest := int64(0)
	for i := range object.Spec.Containers {
		if l := object.Spec.Containers[i].Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
			longest = max(longest, l.PreStop.Sleep.Seconds)
		}
	}
	if grace := object.DeletionGracePeriodSeconds; grace != nil {
		longest = min(longest, *grace)
	}
	return time.Duration(longest) * time.Second
}

// report keeps the status true until the pod is to be deleted or ctx ends.
func (p *pod) report(ctx context.Context) {
	for !p.isLeaving() && ctx.Err() == nil {
		if !p.write(ctx) {
			if !sleep(ctx, retryPause) {
				return
			}
			continue
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
		}
	}
}

// persist writes the status until it is written or ctx ends.
func (p *pod) persist(ctx context.Context) {
	for !p.write(ctx) && sleep(ctx, retryPause) {
	}
}

// leave writes the last status and, when the pod is being deleted, lets the API server forget it.
func (p *pod) leave(ctx context.Context) {
	if p.isGone() {
		return
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	p.write(after)
	for p.isDeleted() && ctx.Err() == nil && !p.isGone() {
		if !p.forget(ctx) {
			if !sleep(ctx, retryPause) {
				return
			}
			continue
		}
		select { // finalizers may hold it
		case <-p.changed:
		case <-ctx.Done():
		}
	}
}

// forget deletes the pod from the API server for good, and reports whether that was done.
func (p *pod) forget(ctx context.Context) bool {
	now := int64(0)
	err := p.node.client.CoreV1().Pods(p.key.Namespace).Delete(ctx, p.key.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.uid},
	})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return true
	}
	p.complain(ctx, "pod not deleted", err)
	return false
}

// write brings the status in the API server up to date and reports whether it is.
func (p *pod) write(ctx context.Context) bool {
	if !p.makeSure(ctx) {
		return false
	}
	p.mu.Lock()
	have, want := p.status, p.view().status(p.status, p.now())
	p.mu.Unlock()
	return p.patch(ctx, have, want)
}

// makeSure reads the status anew after a write whose outcome is unknown, and reports whether it is known now.
func (p *pod) makeSure(ctx context.Context) bool {
	p.mu.Lock()
	unsure := p.unsure
	p.mu.Unlock()
	if !unsure {
		return true
	}
	object, err := p.node.client.CoreV1().Pods(p.key.Namespace).Get(ctx, p.key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true // there is nothing left to write to
	}
	if err != nil {
		p.complain(ctx, "pod status not read", err)
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsure = false
	if object.UID == p.uid {
		p.status = object.Status
	}
	return true
}

// patch changes the status from have to want. A pod that is gone needs no status.
// Source: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
func (p *pod) patch(ctx context.Context, have, want corev1.PodStatus) bool {
	if equality.Semantic.DeepEqual(have, want) {
		return true
	}
	patch, err := statusPatch(p.uid, have, want)
	if err == nil {
		_, err = p.node.client.CoreV1().Pods(p.key.Namespace).
			Patch(ctx, p.key.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	}
	switch {
	case err == nil:
		p.mu.Lock()
		p.status = want
		p.mu.Unlock()
		return true
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return true // it is gone, or another pod has its name
	default:
		p.mu.Lock()
		p.unsure = true
		p.mu.Unlock()
		p.complain(ctx, "pod status not written", err)
		return false
	}
}

// statusPatch returns the patch from have to want for the pod with that UID and no other.
func statusPatch(uid types.UID, have, want corev1.PodStatus) ([]byte, error) {
	from, err := json.Marshal(corev1.Pod{Status: have})
	if err != nil {
		return nil, fmt.Errorf("encode a pod's status: %w", err)
	}
	to, err := json.Marshal(corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}, Status: want})
	if err != nil {
		return nil, fmt.Errorf("encode a pod's status: %w", err)
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(from, to, corev1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("compare two statuses of a pod: %w", err)
	}
	return patch, nil
}

// complain logs what went wrong, unless the node is ending.
func (p *pod) complain(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		p.node.o.Log.WarnContext(ctx, what, "pod", p.key.String(), "error", err)
	}
}

// assign waits until the pod is bound to this node, and binds it when it fits. It reports false when the pod went
// away or ctx ended before.
func (p *pod) assign(ctx context.Context) bool {
	for ctx.Err() == nil && !p.isGone() {
		object := p.spec()
		if object.Spec.NodeName != "" {
			return true
		}
		p.settled()
		if done, bound := p.schedule(ctx, object); bound {
			return true
		} else if !done {
			sleep(ctx, retryPause)
			continue
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
		}
	}
	return false
}

// schedule binds the pod or says why it cannot be, and reports whether that was done and whether the pod is bound.
func (p *pod) schedule(ctx context.Context, object *corev1.Pod) (done, bound bool) {
	if object.DeletionTimestamp != nil || len(object.Spec.SchedulingGates) > 0 {
		return true, false
	}
	if faults := p.node.misfits(object); len(faults) > 0 {
		return p.refuse(ctx, object, strings.Join(faults, "; ")), false
	}
	err := p.node.client.CoreV1().Pods(p.key.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.key.Namespace, Name: p.key.Name, UID: p.uid},
		Target:     corev1.ObjectReference{Kind: "Node", Name: p.node.o.NodeName},
	}, metav1.CreateOptions{})
	switch {
	case err == nil:
		p.node.recorder.Eventf(p.reference(), corev1.EventTypeNormal, "Scheduled", "Assigned to node %s", p.node.o.NodeName)
		return true, true
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return true, false // it changed; the next sight of it tells how
	default:
		p.complain(ctx, "pod not bound", err)
		return false, false
	}
}

// refuse tells once why the pod does not run, and reports whether that was told.
func (p *pod) refuse(ctx context.Context, object *corev1.Pod, why string) bool {
	if !p.makeSure(ctx) {
		return false
	}
	p.mu.Lock()
	have := p.status
	p.mu.Unlock()
	for _, c := range have.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message == why {
			return true
		}
	}
	want := *have.DeepCopy()
	setCondition(&want, corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reasonUnschedulable, Message: why,
		LastTransitionTime: p.stamp(), ObservedGeneration: object.Generation,
	})
	if !p.patch(ctx, have, want) {
		return false
	}
	p.node.recorder.Eventf(p.reference(), corev1.EventTypeWarning, "FailedScheduling", "%s", why)
	return true
}
