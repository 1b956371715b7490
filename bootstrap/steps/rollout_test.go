package steps

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	two, none := int32(2), int32(0)
	status := func(observed int64, updated, all, available int32) appsv1.DeploymentStatus {
		return appsv1.DeploymentStatus{ObservedGeneration: observed, UpdatedReplicas: updated, Replicas: all, AvailableReplicas: available}
	}
	for name, c := range map[string]struct {
		replicas *int32
		status   appsv1.DeploymentStatus
		want     bool
	}{
		"through":               {nil, status(3, 1, 1, 1), true},
		"two":                   {&two, status(3, 2, 2, 2), true},
		"scaled to none":        {&none, status(3, 0, 0, 0), true},
		"nothing said yet":      {nil, appsv1.DeploymentStatus{}, false},
		"an older generation":   {nil, status(2, 1, 1, 1), false},
		"one of two":            {&two, status(3, 1, 1, 1), false},
		"the old one serves":    {nil, status(3, 0, 1, 1), false},
		"the old one not gone":  {nil, status(3, 1, 2, 2), false},
		"new and not available": {nil, status(3, 1, 1, 0), false},
	} {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Spec: appsv1.DeploymentSpec{Replicas: c.replicas}, Status: c.status}
		if got := complete(d); got != c.want {
			t.Errorf("%s: complete is %t", name, got)
		}
	}
}

func TestReasonOf(t *testing.T) {
	t.Parallel()
	pod := func(s corev1.PodStatus) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "gateway-1"}, Status: s}
	}
	container := func(state, last corev1.ContainerState) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: state, LastTerminationState: last}}}
	}
	for want, p := range map[string]*corev1.Pod{
		"ErrImagePull: no such image": pod(container(corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}, corev1.ContainerState{})),
		"OIDC setup failed": pod(container(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{Message: "OIDC setup failed"}})),
		"CrashLoopBackOff: error: unknown flag: --none": pod(container(corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s restarting failed container=gateway"}},
			corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: "begins\nerror: unknown flag: --none\n\nNext:  aip-dev gateway --help\n"}})),
		"it is gone": pod(container(corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{Message: "begins\nit is gone\n"}}, corev1.ContainerState{})),
		"a warning": pod(container(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}, corev1.ContainerState{})),
		"no room": pod(corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, Message: "fine"},
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "no room"}}}),
		"pod gateway-1 is Pending": pod(corev1.PodStatus{Phase: corev1.PodPending}),
	} {
		if got := reasonOf(p, func() string { return "a warning" }); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}

// deployment makes a Deployment that no controller touches, in a namespace of its own.
func deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "rollout-"}}
	own, err := clients(t).CoreV1().Namespaces().Create(t.Context(), own, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"app": "web"}
	d, err := clients(t).AppsV1().Deployments(own.Name).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// podOf makes a pod that the Deployment of space selects.
func podOf(t *testing.T, space string) *corev1.Pod {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := clients(t).CoreV1().ServiceAccounts(space).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	no := false
	pod, err := clients(t).CoreV1().Pods(space).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}, AutomountServiceAccountToken: &no},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestWaitRolloutEndsWhenItIsThrough(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	space := d.Namespace
	config := testkit.Kube(t)
	if _, ok, err := rolledOut(t.Context(), config, space, "web"); err != nil || ok {
		t.Errorf("before: %t, %v", ok, err)
	}
	if found, ok, err := rolledOut(t.Context(), config, space, "absent"); err != nil || ok || found != nil {
		t.Errorf("absent: %v, %t, %v", found, ok, err)
	}
	// The first note says that the wait begins; the status changes after it. On a slow machine the pods are told about as well.
	r := &report{}
	waiting := make(chan struct{})
	r.onNote = sync.OnceFunc(func() { close(waiting) })
	done := make(chan error, 1)
	go func() { done <- Deps{}.waitRollout(t.Context(), config, space, "web", r) }()
	<-waiting
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	if _, err := clients(t).AppsV1().Deployments(space).UpdateStatus(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	// A status without a ready pod is of an earlier time.
	if _, ok, err := rolledOut(t.Context(), config, space, "web"); err != nil || ok {
		t.Errorf("without a pod: %t, %v", ok, err)
	}
	pod := podOf(t, space)
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if _, err := clients(t).CoreV1().Pods(space).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("waitRollout: %v", err)
	}
	if found, ok, err := rolledOut(t.Context(), config, space, "web"); err != nil || !ok || found.Name != "web" {
		t.Errorf("after: %t, %v", ok, err)
	}
	if r.first() != "web: rolling out" {
		t.Errorf("said %q", r.notes)
	}
}

func TestWaitRolloutIsInterrupted(t *testing.T) {
	t.Parallel()
	space := deployment(t).Namespace
	ctx, cancel := context.WithCancel(t.Context())
	r := &report{onNote: cancel}
	err := Deps{}.waitRollout(ctx, testkit.Kube(t), space, "web", r)
	var rollout *RolloutError
	if !errors.Is(err, context.Canceled) || errors.As(err, &rollout) {
		t.Errorf("got %v", err)
	}
}

// A pod that ends is waited for, but not for ever: what is held by somebody else does not answer for that long.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	space := deployment(t).Namespace
	config, c := testkit.Kube(t), clients(t)
	pod := podOf(t, space)
	pod.Finalizers = []string{"example.org/held"}
	pod, err := c.CoreV1().Pods(space).Update(t.Context(), pod, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := handedOver(t.Context(), config, space, "web"); err != nil || time.Since(began) >= handover {
		t.Errorf("nothing ends: %v after %s", err, time.Since(began))
	}
	if err := c.CoreV1().Pods(space).Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if err := handedOver(t.Context(), config, space, "web"); err != nil || time.Since(began) < handover {
		t.Errorf("one ends: %v after %s", err, time.Since(began))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := handedOver(ctx, config, space, "web"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := handedOver(t.Context(), config, space, "absent"); !apierrors.IsNotFound(err) {
		t.Errorf("absent: %v", err)
	}
}

func TestPodReason(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	space := d.Namespace
	c := clients(t)
	if got := podReason(t.Context(), c, space, "absent"); got != "its deployment cannot be read" {
		t.Errorf("absent: %q", got)
	}
	if got := podReason(t.Context(), c, space, "web"); got != "it has no pods" {
		t.Errorf("no pods: %q", got)
	}
	d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionFalse, Message: "quota used up"}}
	if _, err := c.AppsV1().Deployments(space).UpdateStatus(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := podReason(t.Context(), c, space, "web"); got != "quota used up" {
		t.Errorf("the Deployment's condition: %q", got)
	}
	pod := podOf(t, space)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}}
	pod, err := c.CoreV1().Pods(space).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for seconds, message := range []string{"of before", `secret "tls" not found`} {
		_, err := c.CoreV1().Events(space).Create(t.Context(), &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{GenerateName: "web-"},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: space, Name: pod.Name, UID: pod.UID},
			Type:           corev1.EventTypeWarning, Reason: "FailedMount", Message: message, Source: corev1.EventSource{Component: "kubelet"},
			LastTimestamp: metav1.NewTime(time.Unix(int64(seconds), 0)),
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := podReason(t.Context(), c, space, "web"); got != `FailedMount: secret "tls" not found` {
		t.Errorf("a volume: %q", got)
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "OIDC setup failed: 404 Not Found"}}}}
	if _, err = c.CoreV1().Pods(space).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	reason := podReason(t.Context(), c, space, "web")
	if !strings.Contains(reason, "OIDC setup failed: 404 Not Found") {
		t.Errorf("the pod: %q", reason)
	}
	err = &RolloutError{Deployment: "web", After: DefaultRolloutLimit, Reason: reason}
	if want := "web is not available after 30s: CrashLoopBackOff: OIDC setup failed: 404 Not Found"; err.Error() != want {
		t.Errorf("got %q, expected %q", err, want)
	}
}

// TestUnderway: a rollout is under way while its pod comes up and those of before serve, and no more once something about it failed.
func TestUnderway(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	space, c := d.Namespace, clients(t)
	inspect := NewInspector(bootstrap.Default(), Deps{}, onServer(t))
	pod := podOf(t, space)
	serving := appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 2, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	late, nobody := serving, serving
	late.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}}
	nobody.ReadyReplicas, nobody.AvailableReplicas = 0, 0
	unready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady", Message: "containers with unready status: [web]"}
	container := func(now, before corev1.ContainerState) corev1.PodStatus {
		return corev1.PodStatus{Conditions: []corev1.PodCondition{unready}, ContainerStatuses: []corev1.ContainerStatus{{Name: "web", State: now, LastTerminationState: before}}}
	}
	waits := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
	}
	runs, ended := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}
	none := corev1.ContainerState{}
	for _, each := range []struct {
		name       string
		deployment appsv1.DeploymentStatus
		pod        corev1.PodStatus
		want       bool
	}{
		{"its pod is new", serving, corev1.PodStatus{}, true},
		{"its container is made", serving, container(waits("ContainerCreating"), none), true},
		{"its container is not ready yet", serving, container(runs, none), true},
		{"nothing serves meanwhile", nobody, container(runs, none), false},
		{"it takes too long", late, container(runs, none), false},
		{"its image cannot be had", serving, container(waits("ErrImagePull"), none), false},
		{"its container ends", serving, container(waits("CrashLoopBackOff"), ended), false},
		{"its container ended once", serving, container(runs, ended), false},
		{"no node takes it", serving, corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "no room"}}}, false},
	} {
		var err error
		d.Status, pod.Status = each.deployment, each.pod
		if d, err = c.AppsV1().Deployments(space).UpdateStatus(t.Context(), d, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if pod, err = c.CoreV1().Pods(space).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		r, err := inspect.rollout(t.Context(), space, "web")
		if err != nil || r.Underway != each.want || r.Available {
			t.Errorf("%s: found %+v, %v", each.name, r, err)
		}
	}
}
