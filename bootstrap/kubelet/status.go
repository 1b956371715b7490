package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hostIP is the node's address: nothing listens anywhere else.
const hostIP = "127.0.0.1"

// Reasons of conditions, as a kubelet and a scheduler give them.
const (
	reasonNotReady      = "ContainersNotReady"
	reasonCompleted     = "PodCompleted"
	reasonUnschedulable = corev1.PodReasonUnschedulable
)

// containerView is what a pod's status says about one container.
type containerView struct {
	name, image, id string
	state, last     corev1.ContainerState
	restarts        int32
	started, ready  bool
	unready         string
}

// podView is what a pod's status is made of.
type podView struct {
	pod        *corev1.Pod
	ip         string
	containers []containerView
	// ended says that no container will run again.
	ended bool
}

// status returns have with everything brought up to date that a node answers for. It keeps the conditions of others.
func (v podView) status(have corev1.PodStatus, now time.Time) corev1.PodStatus {
	s := *have.DeepCopy()
	at := metav1.NewTime(now).Rfc3339Copy()
	s.ObservedGeneration = v.pod.Generation
	s.Phase = v.phase()
	s.Reason, s.Message = "", ""
	s.HostIP, s.HostIPs = hostIP, []corev1.HostIP{{IP: hostIP}}
	s.PodIP, s.PodIPs = v.ip, []corev1.PodIP{{IP: v.ip}}
	if s.StartTime == nil {
		s.StartTime = &at
	}
	s.ContainerStatuses = s.ContainerStatuses[:0:0]
	for i := range v.containers {
		s.ContainerStatuses = append(s.ContainerStatuses, v.containers[i].status())
	}
	set := func(kind corev1.PodConditionType, ok bool, reason, message string) {
		setCondition(&s, corev1.PodCondition{
			Type: kind, Status: conditionStatus(ok), Reason: reason, Message: message,
			LastTransitionTime: at, ObservedGeneration: v.pod.Generation,
		})
	}
	ready, reason, message := v.readiness(s.Phase)
	set(corev1.PodScheduled, true, "", "")
	set(corev1.PodInitialized, true, "", "")
	set(corev1.ContainersReady, ready, reason, message)
	set(corev1.PodReady, ready, reason, message)
	return s
}

// phase follows https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase.
func (v podView) phase() corev1.PodPhase {
	pending, failed, succeeded := 0, 0, 0
	for _, c := range v.containers {
		t := c.state.Terminated
		switch {
		case t != nil && (v.ended || !restarts(v.pod.Spec.RestartPolicy, t.ExitCode)):
			if t.ExitCode == 0 {
				succeeded++
			} else {
				failed++
			}
		case c.state.Waiting != nil && c.last.Terminated == nil:
			pending++
		}
	}
	switch {
	case v.ended && failed == 0, succeeded == len(v.containers):
		return corev1.PodSucceeded
	case v.ended, failed > 0 && failed+succeeded == len(v.containers):
		return corev1.PodFailed
	case pending == len(v.containers):
		return corev1.PodPending
	default:
		return corev1.PodRunning
	}
}

// readiness returns the state of conditions ContainersReady and Ready, with what every unready container says.
func (v podView) readiness(phase corev1.PodPhase) (bool, string, string) {
	if phase == corev1.PodSucceeded {
		return false, reasonCompleted, ""
	}
	var names, causes []string
	for i := range v.containers {
		c := &v.containers[i]
		if c.ready {
			continue
		}
		names = append(names, c.name)
		if why := c.why(); why != "" {
			causes = append(causes, why)
		}
	}
	if len(names) == 0 {
		return true, "", ""
	}
	message := fmt.Sprintf("containers with unready status: [%s]", strings.Join(names, " "))
	if len(causes) > 0 {
		message += ": " + strings.Join(causes, "; ")
	}
	return false, reasonNotReady, message
}

// why says in words why a container is not ready.
func (c *containerView) why() string {
	switch {
	case c.state.Waiting != nil && c.state.Waiting.Message != "":
		return c.state.Waiting.Reason + ": " + c.state.Waiting.Message
	case c.state.Terminated != nil:
		return fmt.Sprintf("it ended with exit code %d", c.state.Terminated.ExitCode)
	default:
		return c.unready
	}
}

func (c *containerView) status() corev1.ContainerStatus {
	started := c.started
	return corev1.ContainerStatus{
		Name: c.name, Image: c.image, ImageID: c.image, ContainerID: c.id, State: c.state, LastTerminationState: c.last,
		RestartCount: c.restarts, Started: &started, Ready: c.ready,
	}
}

// restarts reports whether a container that ended with exitCode is to run again.
func restarts(policy corev1.RestartPolicy, exitCode int32) bool {
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return exitCode != 0
	default:
		return true
	}
}

// setCondition puts c in place of the condition of its type. The time of the last transition stays when the status
// does.
func setCondition(s *corev1.PodStatus, c corev1.PodCondition) {
	i := slices.IndexFunc(s.Conditions, func(have corev1.PodCondition) bool { return have.Type == c.Type })
	if i < 0 {
		s.Conditions = append(s.Conditions, c)
		return
	}
	if s.Conditions[i].Status == c.Status {
		c.LastTransitionTime = s.Conditions[i].LastTransitionTime
	}
	c.LastProbeTime = s.Conditions[i].LastProbeTime
	s.Conditions[i] = c
}

func conditionStatus(ok bool) corev1.ConditionStatus {
	if ok {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}
