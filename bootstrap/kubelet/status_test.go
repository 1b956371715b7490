package kubelet

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestPhase(t *testing.T) {
	t.Parallel()
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	}
	const always, onFailure, never = corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever
	for name, test := range map[string]struct {
		policy corev1.RestartPolicy
		states []corev1.ContainerState
		again  bool // the containers have ended before
		ended  bool
		want   corev1.PodPhase
	}{
		"new":                  {always, []corev1.ContainerState{waiting, waiting}, false, false, corev1.PodPending},
		"one started":          {always, []corev1.ContainerState{running, waiting}, false, false, corev1.PodRunning},
		"backing off":          {always, []corev1.ContainerState{waiting}, true, false, corev1.PodRunning},
		"ended, always":        {always, []corev1.ContainerState{ended(0)}, false, false, corev1.PodRunning},
		"failed, on failure":   {onFailure, []corev1.ContainerState{ended(1)}, false, false, corev1.PodRunning},
		"done, on failure":     {onFailure, []corev1.ContainerState{ended(0)}, false, false, corev1.PodSucceeded},
		"done and running":     {never, []corev1.ContainerState{ended(0), running}, false, false, corev1.PodRunning},
		"failed and running":   {never, []corev1.ContainerState{ended(1), running}, false, false, corev1.PodRunning},
		"done and failed":      {never, []corev1.ContainerState{ended(0), ended(1)}, false, false, corev1.PodFailed},
		"deleted, ended well":  {always, []corev1.ContainerState{ended(0)}, false, true, corev1.PodSucceeded},
		"deleted, ended badly": {always, []corev1.ContainerState{ended(137)}, false, true, corev1.PodFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := podView{pod: &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: test.policy}}, ended: test.ended}
			for _, s := range test.states {
				c := containerView{state: s}
				if test.again {
					c.last = ended(1)
				}
				v.containers = append(v.containers, c)
			}
			if got := v.phase(); got != test.want {
				t.Errorf("phase %s, expected %s", got, test.want)
			}
		})
	}
}

func TestTransitionTimeMovesWithTheStatusOnly(t *testing.T) {
	t.Parallel()
	v := podView{pod: &corev1.Pod{}, containers: []containerView{{name: "app", unready: "one"}}}
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	first := v.status(corev1.PodStatus{}, start)
	v.containers[0].unready = "two"
	second := v.status(first, start.Add(time.Minute))
	v.containers[0].ready = true
	third := v.status(second, start.Add(2*time.Minute))
	if got := readyOf(second); !got.LastTransitionTime.Time.Equal(start) || got.Message == readyOf(first).Message {
		t.Errorf("another message: %+v", got)
	}
	if got := readyOf(third); !got.LastTransitionTime.Time.Equal(start.Add(2*time.Minute)) || got.Status != corev1.ConditionTrue {
		t.Errorf("another status: %+v", got)
	}
	if !third.StartTime.Time.Equal(start) {
		t.Errorf("start time %v", third.StartTime)
	}
}

func readyOf(s corev1.PodStatus) corev1.PodCondition {
	for _, c := range s.Conditions {
		if c.Type == corev1.PodReady {
			return c
		}
	}
	return corev1.PodCondition{}
}
