package steps

import (
	"cmp"
	"context"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
)

// podState is what the newest pod of a Deployment says about itself.
type podState struct {
	reason string
	// unpulled is the image that its node cannot pull, "" when that is not the reason.
	unpulled string
	// starting says that nothing about it failed so far.
	starting bool
}

// podReason returns what the newest pod of a Deployment says about itself.
func podReason(ctx context.Context, client kubernetes.Interface, namespace, name string) string {
	return lookAtPod(ctx, client, namespace, name).reason
}

// lookAtPod asks the newest pod of a Deployment.
func lookAtPod(ctx context.Context, client kubernetes.Interface, namespace, name string) podState {
	d, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return podState{reason: "its deployment cannot be read"}
	}
	pods, err := podsOf(ctx, client, d)
	if err != nil || len(pods.Items) == 0 {
		for _, c := range d.Status.Conditions {
			if c.Status != corev1.ConditionTrue && c.Message != "" {
				return podState{reason: c.Message}
			}
		}
		return podState{reason: "it has no pods"}
	}
	newest := &pods.Items[0]
	for i := range pods.Items {
		if pods.Items[i].CreationTimestamp.After(newest.CreationTimestamp.Time) {
			newest = &pods.Items[i]
		}
	}
	warned := func() string { return warningOf(ctx, client, newest) }
	return podState{reason: reasonOf(newest, warned), unpulled: unpulledImage(newest), starting: progresses(d) && starting(newest, warned)}
}

// progresses reports whether a Deployment's rollout is within the time that it was given.
// Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#failed-deployment
func progresses(d *appsv1.Deployment) bool {
	return !slices.ContainsFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse
	})
}

// starting reports whether a pod has a node, and its containers run for the first time or are being made. warned is asked about
// those that are being made.
func starting(pod *corev1.Pod, warned func() string) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return false
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		w := c.State.Waiting
		switch {
		case c.State.Terminated != nil, c.LastTerminationState.Terminated != nil:
			return false
		case w != nil && (w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" || warned() != ""):
			return false
		}
	}
	return true
}

// warningOf returns the last warning that the node gave about a pod, such as that a Secret it mounts is not there; "" when there
// is none, or when events may not be read.
func warningOf(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) string {
	of := fields.Set{"involvedObject.uid": string(pod.UID), "type": corev1.EventTypeWarning, "source": "kubelet"}
	events, err := client.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: of.AsSelector().String()})
	if err != nil || len(events.Items) == 0 {
		return ""
	}
	last := slices.MaxFunc(events.Items, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return last.Reason + ": " + last.Message
}

// unpulledImage returns the image for which a container of pod waits in vain.
// Source: k8s.io/kubernetes/pkg/kubelet/images/types.go
func unpulledImage(pod *corev1.Pod) string {
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting == nil {
			continue
		}
		switch c.State.Waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName":
			return c.Image
		}
	}
	return ""
}

// reasonOf returns why a pod is not ready. warned is asked when a container waits and does not say for what.
func reasonOf(pod *corev1.Pod, warned func() string) string {
	for _, c := range pod.Status.ContainerStatuses {
		why := lastWords(c)
		if w := c.State.Waiting; w != nil {
			switch {
			case w.Reason == "CrashLoopBackOff" && why != "": // what it says itself is for how long it waits
				why = w.Reason + ": " + why
			case w.Message != "":
				why = w.Reason + ": " + w.Message
			default:
				why = cmp.Or(warned(), why)
			}
		}
		if why != "" {
			return why
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	return "pod " + pod.Name + " is " + string(pod.Status.Phase)
}

// lastWords returns what a container said when it ended: of the end of a log, the last line that tells of an error, else the last one.
func lastWords(c corev1.ContainerStatus) string {
	ended := cmp.Or(c.State.Terminated, c.LastTerminationState.Terminated)
	if ended == nil {
		return ""
	}
	words := ""
	for line := range strings.Lines(strings.TrimSpace(ended.Message)) {
		line = strings.TrimSpace(line)
		if isError(line) || line != "" && !isError(words) {
			words = line
		}
	}
	return words
}

func isError(line string) bool { return strings.Contains(strings.ToLower(line), "error") }
