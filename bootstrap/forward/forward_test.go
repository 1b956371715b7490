package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// shop makes a namespace with a Service for pods that are labelled app=till.
func shop(t *testing.T, name string) (*kubernetes.Clientset, Target) {
	t.Helper()
	client, err := kubernetes.NewForConfig(testkit.Kube(t))
	if err != nil {
		t.Fatal(err)
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), space, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}} // no controller makes it here
	if _, err := client.CoreV1().ServiceAccounts(name).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return client, Target{Namespace: name, Service: "till", Port: 80}
}

func service(t *testing.T, client kubernetes.Interface, target Target, to intstr.IntOrString) {
	t.Helper()
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: target.Service}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "till"}, Ports: []corev1.ServicePort{{Port: target.Port, TargetPort: to}},
	}}
	if _, err := client.CoreV1().Services(target.Namespace).Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// put makes a pod that says whether it is ready; there is no node, so nobody else says anything.
func put(t *testing.T, client kubernetes.Interface, target Target, name, app string, ready corev1.ConditionStatus) {
	t.Helper()
	pods := client.CoreV1().Pods(target.Namespace)
	made, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{NodeName: "none", Containers: []corev1.Container{{
			Name: "till", Image: "till", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
		}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	if _, err := pods.UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// until calls try until it is true.
func until(t *testing.T, what string, try func() bool) {
	t.Helper()
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !try() {
		if !pause(limited, 10*time.Millisecond) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// TestReadyPodsInTurn: pods that are ready and belong to the Service take turns; one that is about to end, or not ready
// any more, gets nothing.
func TestReadyPodsInTurn(t *testing.T) {
	t.Parallel()
	client, target := shop(t, "in-turn")
	known := newPods(client, target)
	go known.watch(t.Context())
	if _, err := known.next(t.Context()); !errors.Is(err, ErrNoPod) {
		t.Errorf("without a Service: %v", err)
	}
	service(t, client, target, intstr.FromString("http"))
	put(t, client, target, "one", "till", corev1.ConditionTrue)
	put(t, client, target, "two", "till", corev1.ConditionTrue)
	put(t, client, target, "slow", "till", corev1.ConditionFalse)
	put(t, client, target, "other", "shelf", corev1.ConditionTrue)
	until(t, "both ready pods are known", func() bool { return len(known.ready()) == 2 })
	seen := map[string]int{}
	for range 4 {
		p, err := known.next(t.Context())
		if err != nil || p.port != 8080 {
			t.Fatalf("%+v, %v", p, err)
		}
		seen[p.name]++
	}
	if seen["one"] != 2 || seen["two"] != 2 {
		t.Errorf("turns: %v", seen)
	}
	// A graceful deletion marks the pod; it goes when its node says so, and there is none.
	if err := client.CoreV1().Pods(target.Namespace).Delete(t.Context(), "one", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pod that ends is left out", func() bool { r := known.ready(); return len(r) == 1 && r[0].name == "two" })
}

func TestPortOf(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}}}
	for name, c := range map[string]struct {
		to   intstr.IntOrString
		port int32
		want int32
	}{
		"named": {intstr.FromString("http"), 80, 8080}, "number": {intstr.FromInt32(9), 80, 9}, "same": {intstr.IntOrString{}, 80, 80},
		"unknown name": {intstr.FromString("grpc"), 80, 0}, "another port": {intstr.FromInt32(9), 81, 0},
	} {
		s := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, TargetPort: c.to}}}}
		if got, ok := portOf(s, c.port, pod); got != c.want || ok != (c.want != 0) {
			t.Errorf("%s: %d, %t, expected %d", name, got, ok, c.want)
		}
	}
}

// TestRunEnds: connections that no pod takes wait, and the end of Run closes them, its listeners, and whatever else runs,
// also while the API server does not answer.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	_, target := shop(t, "nobody")
	for name, config := range map[string]*rest.Config{"no pod": testkit.Kube(t), "no API server": {Host: "http://127.0.0.1:1"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			target := target
			target.Listeners = []net.Listener{l}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- Run(ctx, Options{Config: config, Targets: []Target{target}, Log: slog.New(slog.DiscardHandler)})
			}()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp4", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("Run does not end")
			}
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) && !errors.As(err, new(*net.OpError)) {
				t.Errorf("read %d, %v", n, err)
			}
			if _, err := new(net.Dialer).DialContext(t.Context(), "tcp4", l.Addr().String()); err == nil {
				t.Error("it still listens")
			}
		})
	}
}
