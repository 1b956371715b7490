package kubelet

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// update takes in what the API server says about the pod now.
func (p *pod) update(object *corev1.Pod) {
	p.mu.Lock()
	p.object = object
	if !p.owned {
		p.status = object.Status
	}
	for _, c := range p.containers {
		image := find(object, c.name).Image
		if image == c.image {
			continue
		}
		c.image = image
		if c.end != nil {
			c.end(errNewImage)
		}
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	p.mu.Unlock()
	p.signal()
}

// remove takes in that the API server has forgotten the pod.
func (p *pod) remove() {
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	p.signal()
}

// signal lets the pod's goroutine look again.
func (p *pod) signal() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// own makes this node the one that answers for the pod's status. Containers that an earlier run of the node left
// behind ended with it.
func (p *pod) own() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owned = true
	for i := range p.object.Spec.Containers {
		spec := &p.object.Spec.Containers[i]
		c := &container{
			pod: p, name: spec.Name, image: spec.Image, wake: make(chan struct{}, 1), log: -1,
			state: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}},
		}
		if i := slices.IndexFunc(p.status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == c.name }); i >= 0 {
			c.adopt(p.status.ContainerStatuses[i], p.object.Spec.RestartPolicy, p.stamp())
		}
		p.containers = append(p.containers, c)
	}
}

// adopt takes over where an earlier run of the node left off: what ran then was cut off.
func (c *container) adopt(old corev1.ContainerStatus, policy corev1.RestartPolicy, now metav1.Time) {
	c.restarts, c.last = old.RestartCount, old.LastTerminationState
	ended := old.State
	if r := old.State.Running; r != nil {
		ended = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: exitKilled, Reason: "Error", Message: nodeRestarted, StartedAt: r.StartedAt, FinishedAt: now,
			ContainerID: old.ContainerID,
		}}
	}
	switch {
	case ended.Terminated == nil:
	case restarts(policy, ended.Terminated.ExitCode):
		c.last = ended
	default:
		c.state = ended
	}
	if c.state.Terminated != nil || c.last.Terminated != nil {
		c.log = c.restarts
	}
}

// hasRun reports whether the pod's status was written by an earlier run of the node.
func (p *pod) hasRun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.status.ContainerStatuses) > 0
}

// view is what the status is made of. The caller holds the mutex.
func (p *pod) view() podView {
	v := podView{pod: p.object, ip: p.network.ip.String(), ended: p.object.DeletionTimestamp != nil && p.stopping}
	for _, c := range p.containers {
		v.containers = append(v.containers, c.view())
	}
	return v
}

// isReady reports whether new connections may go to the pod.
func (p *pod) isReady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.owned || p.stopping || p.gone || p.object.DeletionTimestamp != nil {
		return false
	}
	return !slices.ContainsFunc(p.containers, func(c *container) bool { return !c.ready })
}

// trouble says in words why the pod is not ready.
func (p *pod) trouble() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.object.DeletionTimestamp != nil:
		return "it is being deleted"
	case !p.owned:
		for _, c := range p.status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				return c.Message
			}
		}
		return "it has not started"
	}
	_, _, message := p.view().readiness(corev1.PodRunning)
	return message
}

func (p *pod) isLeaving() bool { return p.isDeleted() || p.isGone() }

func (p *pod) isDeleted() bool { return p.spec().DeletionTimestamp != nil }

func (p *pod) isGone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// spec returns the newest metadata and spec. It is shared and not to be changed.
func (p *pod) spec() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.object
}

func (p *pod) specOf(container string) (*corev1.Pod, *corev1.Container) {
	object := p.spec()
	return object, find(object, container)
}

// find returns a container by name; names never change in the life of a pod.
func find(object *corev1.Pod, name string) *corev1.Container {
	for i := range object.Spec.Containers {
		if object.Spec.Containers[i].Name == name {
			return &object.Spec.Containers[i]
		}
	}
	return &corev1.Container{Name: name}
}

func (p *pod) reference() *corev1.ObjectReference {
	return &corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: p.key.Namespace, Name: p.key.Name, UID: p.uid,
	}
}

func (p *pod) now() time.Time     { return p.node.o.Now() }
func (p *pod) stamp() metav1.Time { return stamp(p.now()) }

func isFinal(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}
