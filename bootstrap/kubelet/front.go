package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	// acceptPause is how long to wait after a connection could not be accepted, such as without a free descriptor.
	acceptPause = 50 * time.Millisecond
	// answerTimeout is how long a client may take to ask when no pod is there to answer.
	answerTimeout = 5 * time.Second
)

// front serves one Front. Connections themselves are handed over, so the pod reads from and writes to the client
// without anything in between.
type front struct {
	Front
	node *Node
	// spare takes the connections that no pod can take.
	spare *listener
}

func newFront(n *Node, f Front) *front {
	return &front{Front: f, node: n, spare: newListener(text(f.Service), func() {})}
}

// run serves until ctx ends and closes the listeners.
func (f *front) run(ctx context.Context) {
	server := &http.Server{
		Handler: http.HandlerFunc(f.unavailable), ReadTimeout: answerTimeout, WriteTimeout: answerTimeout,
		ErrorLog: slog.NewLogLogger(f.node.o.Log.Handler(), slog.LevelDebug),
	}
	server.SetKeepAlivesEnabled(false) // the next request may find a pod
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(f.spare) }) // it ends with its listener
	for _, l := range f.Listeners {
		serving.Go(func() { f.accept(ctx, l) })
	}
	<-ctx.Done()
	closeAll(f.Listeners)
	_ = server.Close() // nobody is owed an answer any more
	serving.Wait()
}

func (f *front) accept(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			f.hand(conn)
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return
		default:
			f.node.o.Log.WarnContext(ctx, "connection not accepted", "service", f.Service, "error", err)
			sleep(ctx, acceptPause)
		}
	}
}

// hand gives conn to the newest ready pod that takes it, else to the spare listener.
func (f *front) hand(conn net.Conn) {
	if service, err := f.node.services.Services(f.Namespace).Get(f.Service); err == nil {
		for _, p := range f.behind(service) {
			if port, ok := f.target(service, p.spec()); ok && p.isReady() && p.network.deliver(port, conn, f.hand) {
				return
			}
		}
	}
	if !f.spare.deliver(arrival{conn: conn}) {
		_ = conn.Close() // the queue is full, or the node ends
	}
}

// behind returns the pods that the Service selects, newest first. A Service without a selector selects none.
func (f *front) behind(service *corev1.Service) []*pod {
	if len(service.Spec.Selector) == 0 {
		return nil
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	return f.node.byAge(func(p *pod) bool {
		return p.key.Namespace == f.Namespace && selector.Matches(labels.Set(p.spec().Labels))
	})
}

// target returns the port of a pod to which the Service's port leads.
func (f *front) target(service *corev1.Service, object *corev1.Pod) (uint16, bool) {
	for _, port := range service.Spec.Ports {
		if port.Port != f.Port {
			continue
		}
		if port.TargetPort.Type == intstr.Int {
			return uint16(port.TargetPort.IntVal), true //nolint:gosec // the API server takes 1 to 65535 only
		}
		for i := range object.Spec.Containers {
			if number, ok := namedPort(&object.Spec.Containers[i], port.TargetPort.StrVal); ok {
				return number, true
			}
		}
	}
	return 0, false
}

// unavailable answers in place of the pod that is not there.
func (f *front) unavailable(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": f.trouble()}) // the client may be gone
}

// trouble says what is missing and which command tells more.
func (f *front) trouble() string {
	name := fmt.Sprintf("service %s/%s", f.Namespace, f.Service)
	service, err := f.node.services.Services(f.Namespace).Get(f.Service)
	if err != nil {
		return fmt.Sprintf("%s does not exist yet; next: kubectl -n %s get services", name, f.Namespace)
	}
	pods := f.behind(service)
	if len(pods) == 0 {
		return fmt.Sprintf("%s has no ready pod: it selects no pod; next: kubectl -n %s get deployments,pods", name, f.Namespace)
	}
	if _, ok := f.target(service, pods[0].spec()); !ok {
		return fmt.Sprintf("%s does not lead port %d to a port of pod %s; next: kubectl -n %s describe service %s",
			name, f.Port, pods[0].key.Name, f.Namespace, f.Service)
	}
	why := pods[0].trouble()
	if why == "" {
		why = "it became ready just now, ask again"
	}
	return fmt.Sprintf("%s has no ready pod: pod %s: %s; next: kubectl -n %s describe pod %s",
		name, pods[0].key.Name, why, f.Namespace, pods[0].key.Name)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // closing twice is no failure here
	}
}
