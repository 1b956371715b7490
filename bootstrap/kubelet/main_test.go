package kubelet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// images are what the nodes of a test run.
type images map[string]kubelet.Process

// world is a namespace with a node that takes the pods of that namespace only.
type world struct {
	t       *testing.T
	name    string
	client  kubernetes.Interface
	options kubelet.Options
	stop    func()
	node    *kubelet.Node
}

var worlds atomic.Int32 // tests of one process share an API server

// newWorld makes the namespace; start starts the node.
func newWorld(t *testing.T, known images) *world {
	t.Helper()
	config := testkit.Kube(t)
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	w := &world{t: t, client: client, name: "node-" + strconv.Itoa(int(worlds.Add(1))), stop: func() {}}
	_, err = client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.name}}, metav1.CreateOptions{})
	must(t, err)
	_, err = client.CoreV1().ServiceAccounts(w.name).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	must(t, err)
	w.options = kubelet.Options{
		Config: config, NodeName: w.name, SchedulerName: w.name, Logs: t.TempDir(), UnknownImage: "only test images run here",
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Images: func(image string) (kubelet.Process, bool) {
			process, ok := known[image]
			return process, ok
		},
	}
	return w
}

// start runs a node; stop, or the end of the test, ends it.
func (w *world) start() *world {
	w.t.Helper()
	node, err := kubelet.New(w.options)
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	w.node = node
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("node ended: %v", err)
		}
		w.stop = func() {}
	}
	w.t.Cleanup(func() { w.stop() })
	select {
	case <-node.Synced():
	case err := <-ended:
		w.t.Fatalf("node ended before it was synced: %v", err)
	}
	return w
}

// pod creates a pod with one container "app" of the given image, as edit changes it.
func (w *world) pod(name, image string, edit ...func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.name, Labels: map[string]string{"app": "test"}},
		Spec: corev1.PodSpec{
			SchedulerName: w.name,
			Containers: []corev1.Container{{
				Name: "app", Image: image, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			}},
		},
	}
	for _, e := range edit {
		e(pod)
	}
	made, err := w.client.CoreV1().Pods(w.name).Create(w.t.Context(), pod, metav1.CreateOptions{})
	must(w.t, err)
	return made
}

// until waits by watch for a pod that ok accepts.
func (w *world) until(name string, ok func(*corev1.Pod) bool) *corev1.Pod {
	w.t.Helper()
	var last *corev1.Pod
	w.watch(name, func(e watch.Event) bool {
		if pod, isPod := e.Object.(*corev1.Pod); isPod && e.Type != watch.Deleted {
			last = pod
			return ok(pod)
		}
		return false
	}, func() string { return describe(last) })
	return last
}

// untilGone waits by watch until a pod is no more.
func (w *world) untilGone(name string) {
	w.t.Helper()
	w.watch(name, func(e watch.Event) bool { return e.Type == watch.Deleted }, func() string { return "still there" })
}

func (w *world) watch(name string, ok func(watch.Event) bool, last func() string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 15*time.Second)
	defer cancel()
	source := cache.NewFilteredListWatchFromClient(w.client.CoreV1().RESTClient(), "pods", w.name, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
	})
	gone := func(store cache.Store) (bool, error) {
		_, exists, err := store.GetByKey(w.name + "/" + name)
		return !exists && ok(watch.Event{Type: watch.Deleted}), err
	}
	_, err := watchtools.UntilWithSync(ctx, source, &corev1.Pod{}, gone, func(e watch.Event) (bool, error) { return ok(e), nil })
	if err != nil {
		w.t.Fatalf("pod %s: %v; last seen: %s", name, err, last())
	}
}

func describe(pod *corev1.Pod) string {
	if pod == nil {
		return "never"
	}
	return fmt.Sprintf("%+v", pod.Status)
}

func isReady(pod *corev1.Pod) bool {
	return condition(pod, corev1.PodReady).Status == corev1.ConditionTrue
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// waits reports whether the container "app" waits for the given reason.
func waits(reason string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		return app(pod).State.Waiting != nil && app(pod).State.Waiting.Reason == reason
	}
}

// app is the status of the container "app".
func app(pod *corev1.Pod) corev1.ContainerStatus {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == "app" {
			return c
		}
	}
	return corev1.ContainerStatus{}
}

// events counts the events of a pod with the given reason, when the first is there.
func (w *world) events(name, reason string) int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	source := cache.NewFilteredListWatchFromClient(w.client.CoreV1().RESTClient(), "events", w.name, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.Set{"involvedObject.name": name, "reason": reason}.String()
	})
	_, err := watchtools.UntilWithSync(ctx, source, &corev1.Event{}, nil, func(watch.Event) (bool, error) { return true, nil })
	if err != nil {
		w.t.Fatalf("event %s of pod %s: %v", reason, name, err)
	}
	list, err := w.client.CoreV1().Events(w.name).List(ctx, metav1.ListOptions{
		FieldSelector: fields.Set{"involvedObject.name": name, "reason": reason}.String(),
	})
	must(w.t, err)
	count := 0
	for i := range list.Items {
		count += int(list.Items[i].Count)
	}
	return count
}

// get asks a pod by the node's Dial.
func (w *world) get(pod, path string) (int, string) {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return w.node.Dial(ctx, w.name, pod, 8080)
		},
	}}
	return get(w.t, client, "http://pod"+path)
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	answer, err := client.Do(request)
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(body)
}

// log reads the log of container "app".
func (w *world) log(pod string, previous bool) string {
	w.t.Helper()
	path, err := w.node.LogFile(w.name, pod, "app", previous)
	must(w.t, err)
	text, err := os.ReadFile(path)
	must(w.t, err)
	return string(text)
}

// serve is a Process that serves handler at :8080 until it is told to end.
func serve(handler http.Handler) kubelet.Process {
	return func(ctx context.Context, c *kubelet.Container) error {
		l, err := c.Listen("tcp", ":8080")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		stopped := make(chan error, 1)
		context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.WithoutCancel(ctx)) })
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return <-stopped
	}
}

// idle is a Process that does nothing until it is told to end.
func idle(ctx context.Context, _ *kubelet.Container) error {
	<-ctx.Done()
	return nil
}

func httpProbe(path string) *corev1.Probe {
	return &corev1.Probe{
		PeriodSeconds: 1, FailureThreshold: 1,
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}},
	}
}

// withReadiness gives the container a readiness probe at /readyz.
func withReadiness(pod *corev1.Pod) { pod.Spec.Containers[0].ReadinessProbe = httpProbe("/readyz") }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not contain %q", text, part)
		}
	}
}
