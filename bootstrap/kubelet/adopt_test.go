package kubelet_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet"
)

// read returns a pod as it is now.
func (w *world) read(name string) *corev1.Pod {
	w.t.Helper()
	pod, err := w.client.CoreV1().Pods(w.name).Get(w.t.Context(), name, metav1.GetOptions{})
	must(w.t, err)
	return pod
}

func TestPodsOfAKilledNodeAreAdopted(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	w := newWorld(t, images{"web": func(ctx context.Context, c *kubelet.Container) error {
		select {
		case <-open:
		case <-ctx.Done():
		}
		return sayName(ctx, c)
	}})
	bound := func(p *corev1.Pod) { p.Spec.NodeName = w.name }
	w.pod("web", "web", bound, withReadiness)
	w.pod("leaving", "web", bound)
	// What a node that was killed leaves behind.
	for name, ip := range map[string]string{"web": "10.244.7.7", "leaving": "10.244.7.8"} {
		pod := w.read(name)
		yes := true
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP, pod.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
		pod.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour))},
			{Type: "example.org/Foreign", Status: corev1.ConditionTrue},
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "app", Image: "web", RestartCount: 3, Ready: true, Started: &yes,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		}}
		_, err := w.client.CoreV1().Pods(w.name).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
		must(t, err)
	}
	must(t, w.client.CoreV1().Pods(w.name).Delete(t.Context(), "leaving", metav1.DeleteOptions{}))

	w.start()
	pod := w.read("web")
	if c := condition(pod, corev1.PodReady); isReady(pod) || time.Since(c.LastTransitionTime.Time) > time.Minute {
		t.Errorf("a synced node leaves an old status: %s", describe(pod))
	}
	if condition(pod, "example.org/Foreign").Status != corev1.ConditionTrue {
		t.Error("the condition of another owner is lost")
	}
	close(open)
	pod = w.until("web", isReady)
	s := app(pod)
	last := s.LastTerminationState.Terminated
	if s.RestartCount != 4 || last == nil || last.Reason != "Error" || last.Message != "the node restarted" || pod.Status.PodIP != "10.244.7.7" {
		t.Errorf("status: %s", describe(pod))
	}
	w.untilGone("leaving")
}

func TestPodsOfAStoppedNodeAreAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, images{"web": sayName}).start()
	w.pod("web", "web", withName, withReadiness)
	before := w.until("web", isReady)
	w.stop()
	pod := w.read("web")
	if isReady(pod) || app(pod).State.Terminated == nil || pod.Status.Phase != corev1.PodRunning {
		t.Errorf("status that a stopped node leaves: %s", describe(pod))
	}
	if c := nodeReady(t, w.client, w.name); c.Status != corev1.ConditionFalse {
		t.Errorf("a stopped node is ready: %+v", c)
	}
	w.start()
	pod = w.until("web", isReady)
	last := app(pod).LastTerminationState.Terminated
	if pod.UID != before.UID || app(pod).RestartCount != 1 || last == nil || last.Reason != "Error" || last.Message != "the node restarted" {
		t.Errorf("status: %s", describe(pod))
	}
	if c := nodeReady(t, w.client, w.name); c.Status != corev1.ConditionTrue {
		t.Errorf("the node is not ready: %+v", c)
	}
	if status, body := w.get("web", "/"); status != 200 || body != "web" {
		t.Errorf("answer: %d %q", status, body)
	}
	w.log("web", true)
}

func nodeReady(t *testing.T, client kubernetes.Interface, name string) corev1.NodeCondition {
	t.Helper()
	node, err := client.CoreV1().Nodes().Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	if len(node.Spec.Taints) > 0 || len(node.Status.Conditions) != 1 {
		t.Fatalf("node: taints %v, conditions %v", node.Spec.Taints, node.Status.Conditions)
	}
	return node.Status.Conditions[0]
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := kubelet.New(kubelet.Options{})
	if err == nil {
		t.Fatal("no error for no options")
	}
	contains(t, err.Error(), "Config is required", "NodeName is required", "Images is required", "Logs is required")
}
