package endpoint_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// startAPIServer starts the built program as an API server of its own, because the test needs the certificates of its
// folder, and returns that folder and the administrator's access.
func startAPIServer(t *testing.T) (dir string, config *rest.Config) {
	t.Helper()
	program := os.Getenv("AIP_DEV_BIN")
	if program == "" {
		program = filepath.Join("..", "..", "..", "bin", "aip-dev")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: run `make build` first, or set AIP_DEV_BIN", err)
	}
	dir, err := os.MkdirTemp("", "aip-node-") //nolint:usetesting // t.TempDir is too long for etcd's sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, program, "serve", "--only", "apiserver", "--state", dir)
	var output strings.Builder
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel() // kills it: what it stored goes as well
		_ = server.Wait()
		if t.Failed() {
			t.Logf("output of the API server:\n%s", output.String())
		}
	})
	wait(t, "the kubeconfig", func() error {
		config, err = clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
		return err
	})
	config.QPS = -1
	return dir, config
}

// wait calls try until it succeeds.
func wait(t *testing.T, what string, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("wait for %s: %v", what, err)
		}
	}
}

// register makes the node, whose endpoint is at address, and the pod "web" on it.
func register(t *testing.T, config *rest.Config, address string) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	ctx, core, plain := t.Context(), client.CoreV1(), metav1.CreateOptions{}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "here"}, Status: corev1.NodeStatus{
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(number)}},
	}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{
		NodeName: "here", Containers: []corev1.Container{{Name: "app", Image: "none"}},
	}}
	for what, create := range map[string]func() error{
		"node":      func() error { _, err := core.Nodes().Create(ctx, node, plain); return err },
		"namespace": func() error { return namespace(ctx, client, "shop") },
	} {
		wait(t, what, create)
	}
	wait(t, "pod", func() error { _, err := core.Pods("shop").Create(ctx, pod, plain); return err })
	pod.Status.Phase = corev1.PodRunning
	pod.ResourceVersion = ""
	if _, err := core.Pods("shop").UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return client
}

// namespace makes a namespace and the service account that its pods need.
func namespace(ctx context.Context, client kubernetes.Interface, name string) error {
	object := metav1.ObjectMeta{Name: name}
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: object}, metav1.CreateOptions{}); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	_, err := client.CoreV1().ServiceAccounts(name).Create(ctx, account, metav1.CreateOptions{})
	return err
}

// TestThroughTheAPIServer is what kubectl logs, port-forward and exec do.
func TestThroughTheAPIServer(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, io.MultiReader(strings.NewReader("you said "), r.Body))
	}))
	defer backend.Close()
	dir, config := startAPIServer(t)
	p := &pods{dir: t.TempDir(), backend: backend.Listener.Addr().String()}
	p.write(t, 0, stamp(), "Starting AIP Demo Gateway on :8080\n")
	cert, pool := kubeletCertificate(t, filepath.Join(dir, "pki"))
	address, stop := serve(t, p, cert, pool)
	client := register(t, config, address)

	logs, err := client.CoreV1().Pods("shop").GetLogs("web", &corev1.PodLogOptions{Timestamps: true}).DoRaw(t.Context())
	if want := "2026-01-02T15:04:05.000000000Z Starting AIP Demo Gateway on :8080\n"; err != nil || string(logs) != want {
		t.Errorf("logs: %q, %v, want %q", logs, err, want)
	}
	if _, err := client.CoreV1().Pods("shop").GetLogs("web", &corev1.PodLogOptions{Previous: true}).DoRaw(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "no log of container") && !strings.Contains(err.Error(), "could not find") {
		t.Errorf("logs of a run that was not: %v", err)
	}
	for name, dialer := range dialers(t, config, client) {
		t.Run("port-forward over "+name, func(t *testing.T) {
			checkForward(t, dialer)
		})
	}
	if err := execute(t, config, client); err == nil || !strings.Contains(err.Error(), "exec is not possible") {
		t.Errorf("exec: %v", err)
	}
	t.Run("port-forward ends with the endpoint", func(t *testing.T) {
		_, ended := forward(t, dialers(t, config, client)["SPDY"], "8080")
		stop()
		select {
		case err := <-ended:
			if !errors.Is(err, portforward.ErrLostConnectionToPod) {
				t.Errorf("got %v, want %v", err, portforward.ErrLostConnectionToPod)
			}
		case <-time.After(10 * time.Second):
			t.Error("still there after 10 s")
		}
	})
}

// kubeletCertificate reads what the API server's folder holds for the node.
func kubeletCertificate(t *testing.T, dir string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "kubelet.crt"), filepath.Join(dir, "kubelet.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		t.Fatalf("no certificate in ca.crt: %v", fs.ErrInvalid)
	}
	return cert, pool
}

func subresource(client kubernetes.Interface, name string) *rest.Request {
	return client.CoreV1().RESTClient().Post().Resource("pods").Namespace("shop").Name("web").SubResource(name)
}

// dialers returns the two ways in which kubectl opens a port-forward.
func dialers(t *testing.T, config *rest.Config, client kubernetes.Interface) map[string]httpstream.Dialer {
	t.Helper()
	at := subresource(client, "portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(at, config)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]httpstream.Dialer{
		"SPDY":      spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, at),
		"WebSocket": socket,
	}
}

// forward opens a port-forward on a free local port and returns its address, and why it ended.
func forward(t *testing.T, dialer httpstream.Dialer, port string) (address string, ended <-chan error) {
	t.Helper()
	stop, ready, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	t.Cleanup(func() { close(stop) })
	forwarder, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{":" + port}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("port-forward: %v", err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(ports[0].Local))), done
}

// checkForward sends two requests through one forward, and one to a port that nobody listens on.
func checkForward(t *testing.T, dialer httpstream.Dialer) {
	t.Helper()
	address, _ := forward(t, dialer, "8080")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, text := range []string{"hello", strings.Repeat("more ", 100_000)} {
		response, err := client.Post("http://"+address, "text/plain", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(body) != "you said "+text {
			t.Errorf("got %d bytes, %v, want %d", len(body), err, len("you said ")+len(text))
		}
	}
	address, _ = forward(t, dialer, "9")
	response, err := client.Get("http://" + address)
	if err == nil {
		_ = response.Body.Close()
		t.Errorf("a port that nobody listens on answered %s", response.Status)
	}
}

// execute asks for a command in the container.
func execute(t *testing.T, config *rest.Config, client kubernetes.Interface) error {
	t.Helper()
	request := subresource(client, "exec").VersionedParams(&corev1.PodExecOptions{
		Container: "app", Command: []string{"sh"}, Stdout: true,
	}, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, request.URL())
	if err != nil {
		return err
	}
	return executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: io.Discard})
}
