package kubelet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/aip-dev/aip-dev/bootstrap/kubelet"
)

// frontWorld is a world with a Front and returns its URL.
func frontWorld(t *testing.T, known images) (*world, string) {
	t.Helper()
	w := newWorld(t, known)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	w.options.Fronts = []kubelet.Front{{Listeners: []net.Listener{l}, Namespace: w.name, Service: "web", Port: 80}}
	return w, "http://" + l.Addr().String()
}

// service makes the Service "web", which selects the pods that world.pod makes.
func (w *world) service() {
	w.t.Helper()
	_, err := w.client.CoreV1().Services(w.name).Create(w.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "test"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}, metav1.CreateOptions{})
	must(w.t, err)
}

// sayName is a Process that answers with the name of its pod.
func sayName(ctx context.Context, c *kubelet.Container) error {
	return serve(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, c.Env["POD"]) }))(ctx, c)
}

func withName(p *corev1.Pod) {
	p.Spec.Containers[0].Env = []corev1.EnvVar{{
		Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}},
	}}
}

func TestFrontWithoutPodSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w, url := frontWorld(t, images{"web": serve(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "no issuer", http.StatusServiceUnavailable)
	}))})
	w.start()
	unavailable := func(parts ...string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
		must(t, err)
		answer, err := http.DefaultClient.Do(request)
		must(t, err)
		defer func() { _ = answer.Body.Close() }()
		var body struct{ Error string }
		must(t, json.NewDecoder(answer.Body).Decode(&body))
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" {
			t.Errorf("answer: %d %v", answer.StatusCode, answer.Header)
		}
		contains(t, body.Error, parts...)
	}
	unavailable("service "+w.name+"/web does not exist yet", "next: kubectl -n "+w.name)
	w.service()
	w.pod("first", "curl") // its refusal shows that the watch has gone past the Service
	w.until("first", func(p *corev1.Pod) bool { return condition(p, corev1.PodScheduled).Message != "" })
	w.pod("web", "web", withReadiness)
	w.until("web", func(p *corev1.Pod) bool { return strings.Contains(condition(p, corev1.PodReady).Message, "answered") })
	unavailable("has no ready pod: pod web:", "GET /readyz answered 503: no issuer", "describe pod web")
}

func TestNoRequestFailsWhilePodsAreReplaced(t *testing.T) {
	t.Parallel()
	w, url := frontWorld(t, images{"web": sayName})
	w.start()
	w.service()
	w.pod("pod-0", "web", withName, withReadiness)
	w.until("pod-0", isReady)
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for i := range 6 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		asking.Go(func() {
			for ctx.Err() == nil {
				if status, body := get(t, client, url); status != http.StatusOK {
					t.Errorf("answer while pods are replaced: %d %s", status, body)
					return
				}
			}
		})
	}
	for i := 1; i <= 4; i++ {
		next, old := fmt.Sprintf("pod-%d", i), fmt.Sprintf("pod-%d", i-1)
		w.pod(next, "web", withName, withReadiness)
		w.until(next, isReady)
		must(t, w.client.CoreV1().Pods(w.name).Delete(t.Context(), old, metav1.DeleteOptions{}))
		w.untilGone(old)
	}
	cancel()
	asking.Wait()
	if _, body := get(t, &http.Client{Transport: &http.Transport{}}, url); body != "pod-4" {
		t.Errorf("the newest pod does not answer: %q", body)
	}
}
