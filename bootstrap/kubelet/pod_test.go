package kubelet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/google/go-cmp/cmp"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet"
)

func TestPodRunsAndIsReady(t *testing.T) {
	t.Parallel()
	type given struct {
		Args []string
		Env  map[string]string
	}
	seen := make(chan given, 1)
	w := newWorld(t, images{"web": func(ctx context.Context, c *kubelet.Container) error {
		seen <- given{c.Args, c.Env}
		fmt.Fprintln(c.Output, "listening")
		return serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, r.URL.Path) }))(ctx, c)
	}}).start()
	_, err := w.client.CoreV1().ConfigMaps(w.name).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"color": "blue"},
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = w.client.CoreV1().Secrets(w.name).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "keys"}, StringData: map[string]string{"a": "open"},
	}, metav1.CreateOptions{})
	must(t, err)
	yes := true
	w.pod("web", "web", withReadiness, func(p *corev1.Pod) {
		c := &p.Spec.Containers[0]
		c.Args = []string{"--port=$(PORT)", "$(UNSET)"}
		c.EnvFrom = []corev1.EnvFromSource{
			{Prefix: "K_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}}},
		}
		c.Env = []corev1.EnvVar{
			{Name: "PORT", Value: "8080"},
			{Name: "NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
			{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
			{Name: "COLOR", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "color"}}},
			{Name: "NOTHING", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "absent"}, Key: "a", Optional: &yes}}},
		}
	})
	pod := w.until("web", isReady)
	want := given{
		[]string{"--port=8080", "$(UNSET)"},
		map[string]string{"PORT": "8080", "NAME": "web", "IP": pod.Status.PodIP, "COLOR": "blue", "K_a": "open"},
	}
	if diff := cmp.Diff(want, <-seen); diff != "" {
		t.Errorf("what the process was given (-want +got):\n%s", diff)
	}
	s := app(pod)
	if pod.Status.Phase != corev1.PodRunning || pod.Spec.NodeName != w.name || s.RestartCount != 0 || s.State.Running == nil || !s.Ready {
		t.Errorf("status: %s", describe(pod))
	}
	if status, body := w.get("web", "/hello"); status != 200 || body != "/hello" {
		t.Errorf("GET /hello: %d %q", status, body)
	}
	contains(t, w.log("web", false), " stdout F listening\n")
	if _, err := w.node.LogFile(w.name, "web", "app", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("log of a run that never was: %v", err)
	}
	if n := w.events("web", "Started"); n != 1 {
		t.Errorf("%d events Started", n)
	}
}

func TestUnreadyPodSaysWhy(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	w := newWorld(t, images{"web": serve(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(rw, "OIDC setup failed:\x1b[2J oidc provider", http.StatusServiceUnavailable)
		}
	}))}).start()
	w.pod("web", "web", withReadiness)
	pod := w.until("web", func(p *corev1.Pod) bool { return strings.Contains(condition(p, corev1.PodReady).Message, "answered") })
	contains(t, condition(pod, corev1.PodReady).Message, "[app]", "GET /readyz answered 503: OIDC setup failed:␛[2J oidc provider")
	if got := condition(pod, corev1.PodReady).Reason; got != "ContainersNotReady" {
		t.Errorf("reason %q", got)
	}
	if n := w.events("web", "Unhealthy"); n != 1 {
		t.Errorf("%d events Unhealthy for one failure", n)
	}
	ready.Store(true)
	w.until("web", isReady)
	ready.Store(false)
	pod = w.until("web", func(p *corev1.Pod) bool { return !isReady(p) })
	if app(pod).RestartCount != 0 {
		t.Error("a failed readiness probe restarted the container")
	}
}

func TestContainerThatFailsIsRestarted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		process kubelet.Process
		code    int32
		message string
	}{
		"error": {func(_ context.Context, c *kubelet.Container) error {
			fmt.Fprintln(c.Output, "about to fail")
			return errors.New("boom")
		}, 1, "about to fail\nboom"},
		"panic": {func(context.Context, *kubelet.Container) error { panic("out of luck") }, 2, "panic: out of luck"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, images{"web": test.process}).start()
			w.pod("web", "web")
			pod := w.until("web", waits("CrashLoopBackOff"))
			s := app(pod)
			if s.RestartCount != 1 || pod.Status.Phase != corev1.PodRunning || isReady(pod) {
				t.Errorf("status: %s", describe(pod))
			}
			contains(t, s.State.Waiting.Message, "back-off 1s restarting", fmt.Sprintf("exit code %d: ", test.code))
			last := s.LastTerminationState.Terminated
			if last == nil || last.ExitCode != test.code || last.Reason != "Error" {
				t.Fatalf("last state: %+v", last)
			}
			contains(t, last.Message, test.message)
			w.log("web", true)
			w.until("web", func(p *corev1.Pod) bool { return app(p).RestartCount == 2 })
			if w.events("web", "BackOff") < 1 {
				t.Error("no event BackOff")
			}
		})
	}
}

func TestRestartPolicyNever(t *testing.T) {
	t.Parallel()
	w := newWorld(t, images{
		"good": func(context.Context, *kubelet.Container) error { return nil },
		"bad":  func(context.Context, *kubelet.Container) error { return errors.New("no") },
	}).start()
	for image, phase := range map[string]corev1.PodPhase{"good": corev1.PodSucceeded, "bad": corev1.PodFailed} {
		w.pod(image, image, func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever })
		pod := w.until(image, func(p *corev1.Pod) bool { return p.Status.Phase == phase })
		if app(pod).State.Terminated == nil || app(pod).RestartCount != 0 {
			t.Errorf("status: %s", describe(pod))
		}
	}
}

func TestProbesEndARun(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*corev1.Container){
		"liveness": func(c *corev1.Container) { c.LivenessProbe = patient(httpProbe("/healthz")) },
		"startup":  func(c *corev1.Container) { c.StartupProbe = patient(httpProbe("/healthz")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int32
			w := newWorld(t, images{"web": func(ctx context.Context, c *kubelet.Container) error {
				run := runs.Add(1)
				return serve(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					if run == 1 {
						http.Error(rw, "stuck", http.StatusInternalServerError)
					}
				}))(ctx, c)
			}}).start()
			w.pod("web", "web", func(p *corev1.Pod) { edit(&p.Spec.Containers[0]) })
			pod := w.until("web", func(p *corev1.Pod) bool { return app(p).RestartCount == 1 && isReady(p) })
			last := app(pod).LastTerminationState.Terminated
			if last == nil || last.ExitCode != 137 {
				t.Fatalf("last state: %+v", last)
			}
			contains(t, last.Message, name+" probe failed: GET /healthz answered 500: stuck")
			if w.events("web", "Killing") != 1 || w.events("web", "Unhealthy") != 1 {
				t.Error("expected one event Killing and one Unhealthy")
			}
		})
	}
}

// patient gives a busy machine time to answer, so that what a probe says is what was answered.
func patient(p *corev1.Probe) *corev1.Probe {
	p.TimeoutSeconds = 20
	return p
}

func TestDeletedPodIsStopped(t *testing.T) {
	t.Parallel()
	told := make(chan struct{})
	w := newWorld(t, images{
		"polite": func(ctx context.Context, _ *kubelet.Container) error { <-ctx.Done(); close(told); return nil },
		"deaf": func(_ context.Context, c *kubelet.Container) error {
			l, err := c.Listen("tcp", ":8080")
			if err != nil {
				return err
			}
			for err == nil { // until the listener is taken away
				_, err = l.Accept()
			}
			return err
		},
	}).start()
	for _, image := range []string{"polite", "deaf"} {
		pod := w.pod(image, image, func(p *corev1.Pod) { p.Finalizers = []string{"test/hold"} })
		w.until(image, isReady)
		second := int64(1)
		must(t, w.client.CoreV1().Pods(w.name).Delete(t.Context(), image, metav1.DeleteOptions{GracePeriodSeconds: &second}))
		last := w.until(image, func(p *corev1.Pod) bool { return app(p).State.Terminated != nil && *p.DeletionGracePeriodSeconds == 0 })
		code, phase := int32(0), corev1.PodSucceeded
		if image == "deaf" {
			code, phase = 137, corev1.PodFailed
		}
		if last.UID != pod.UID || app(last).State.Terminated.ExitCode != code || last.Status.Phase != phase {
			t.Errorf("last status: %s", describe(last))
		}
		_, err := w.client.CoreV1().Pods(w.name).Patch(t.Context(), image, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
		must(t, err)
		w.untilGone(image)
	}
	<-told
	if _, err := w.node.Dial(t.Context(), w.name, "nobody", 8080); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dial a pod that is not there: %v", err)
	}
}

func TestPodThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, images{"web": idle}).start()
	for name, test := range map[string]struct {
		edit func(*corev1.PodSpec)
		want string
	}{
		"image":   {func(s *corev1.PodSpec) { s.Containers[0].Image = "curl" }, "only test images run here"},
		"init":    {func(s *corev1.PodSpec) { s.InitContainers = []corev1.Container{{Name: "first", Image: "web"}} }, "no init containers"},
		"command": {func(s *corev1.PodSpec) { s.Containers[0].Command = []string{"sh"} }, "command is set"},
		"volume": {func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}, `volume "scratch"`},
		"exec": {func(s *corev1.PodSpec) {
			s.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}
		}, "plain httpGet"},
		"tls": {func(s *corev1.PodSpec) {
			probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(8080), Scheme: corev1.URISchemeHTTPS}}}
			s.Containers[0].StartupProbe, s.Containers[0].ReadinessProbe, s.Containers[0].LivenessProbe = probe, probe, probe
		}, `container "app": this node probes with plain httpGet and tcpSocket only`},
	} {
		w.pod(name, "web", func(p *corev1.Pod) { test.edit(&p.Spec) })
		pod := w.until(name, func(p *corev1.Pod) bool { return condition(p, corev1.PodScheduled).Message != "" })
		c := condition(pod, corev1.PodScheduled)
		if c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable || pod.Spec.NodeName != "" || pod.Status.Phase != corev1.PodPending {
			t.Errorf("%s: %s", name, describe(pod))
		}
		if strings.Count(c.Message, test.want) != 1 {
			t.Errorf("%s: found %q, want %q once", name, c.Message, test.want)
		}
	}
	patch := func(image string) {
		_, err := w.client.CoreV1().Pods(w.name).Patch(t.Context(), "image", types.StrategicMergePatchType,
			[]byte(`{"spec":{"containers":[{"name":"app","image":"`+image+`"}]}}`), metav1.PatchOptions{})
		must(t, err)
	}
	patch("web")
	w.until("image", isReady)
	if n := w.events("image", "FailedScheduling"); n != 1 {
		t.Errorf("%d events FailedScheduling", n)
	}
	patch("curl")
	pod := w.until("image", waits("ErrImagePull"))
	if app(pod).LastTerminationState.Terminated == nil {
		t.Errorf("status: %s", describe(pod))
	}
	patch("web")
	w.until("image", isReady)
}

func TestMissingConfigurationIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, images{"web": idle}).start()
	w.pod("web", "web", func(p *corev1.Pod) {
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}, Key: "a"}}}}
	})
	pod := w.until("web", waits("CreateContainerConfigError"))
	if pod.Status.Phase != corev1.PodPending {
		t.Errorf("status: %s", describe(pod))
	}
	contains(t, app(pod).State.Waiting.Message, `secrets "keys" not found`)
	if _, err := w.node.LogFile(w.name, "web", "app", false); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("log of a container that waits: %v", err)
	}
	_, err := w.client.CoreV1().Secrets(w.name).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "keys"}, StringData: map[string]string{"a": "open"},
	}, metav1.CreateOptions{})
	must(t, err)
	if pod = w.until("web", isReady); app(pod).RestartCount != 0 {
		t.Errorf("status: %s", describe(pod))
	}
}

func TestProcessIsItsServiceAccount(t *testing.T) {
	t.Parallel()
	type outcome struct {
		secrets, configs error
	}
	outcomes := make(chan outcome, 1)
	w := newWorld(t, images{
		"reader": func(ctx context.Context, c *kubelet.Container) error {
			client, err := kubernetes.NewForConfig(c.Kube)
			if err != nil {
				return err
			}
			namespace := c.Env["NS"]
			var o outcome
			_, o.configs = client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{})
			_, o.secrets = client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
			outcomes <- o
			return idle(ctx, c)
		},
		"alone": func(_ context.Context, c *kubelet.Container) error {
			return json.NewEncoder(c.Output).Encode(map[string]bool{"kube": c.Kube != nil})
		},
	}).start()
	_, err := w.client.RbacV1().Roles(w.name).Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}},
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = w.client.RbacV1().RoleBindings(w.name).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "default", Namespace: w.name}},
	}, metav1.CreateOptions{})
	must(t, err)
	w.pod("reader", "reader", func(p *corev1.Pod) {
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "NS", Value: w.name}}
	})
	select {
	case o := <-outcomes:
		if o.configs != nil {
			t.Errorf("what the role allows: %v", o.configs)
		}
		if !apierrors.IsForbidden(o.secrets) {
			t.Errorf("what no role allows: %v", o.secrets)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no outcome")
	}
	no := false
	w.pod("alone", "alone", func(p *corev1.Pod) {
		p.Spec.AutomountServiceAccountToken, p.Spec.RestartPolicy = &no, corev1.RestartPolicyNever
	})
	w.until("alone", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded })
	contains(t, w.log("alone", false), `{"kube":false}`)
}
