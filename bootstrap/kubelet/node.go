package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// podNetwork is where the addresses of pods come from. Nothing is routed there.
const podNetwork = "10.244.0.0/16"

// Node runs the pods of a cluster. It can be run once.
type Node struct {
	o        Options
	client   kubernetes.Interface
	logs     logFolder
	factory  informers.SharedInformerFactory
	services listers.ServiceLister
	recorder record.EventRecorder
	synced   chan struct{}
	initial  sync.WaitGroup // pods of the first list whose status may tell an old story
	running  sync.WaitGroup

	mu   sync.Mutex
	pods map[types.UID]*pod
	seen int
	next netip.Addr
}

// New returns a Node that has not talked to anybody yet. It reports every fault of the options at once.
func New(o Options) (*Node, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("node options: %w", err)
	}
	config := rest.CopyConfig(o.Config)
	config.QPS = -1 // the API server is on this machine and serves little else
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("node: make a client: %w", err)
	}
	if err := os.MkdirAll(o.Logs, 0o700); err != nil {
		return nil, fmt.Errorf("node: make the folder of the logs: %w", err)
	}
	n := &Node{
		o: o, client: client, logs: logFolder(o.Logs), synced: make(chan struct{}), pods: map[types.UID]*pod{},
		next: netip.MustParsePrefix(podNetwork).Addr().Next(),
	}
	n.factory = informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutManagedFields))
	n.services = n.factory.Core().V1().Services().Lister()
	return n, nil
}

// withoutManagedFields drops what nobody here reads; it would be most of a pod's memory.
func withoutManagedFields(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return object, nil
}

// Synced is closed when no status that an earlier run of the node left behind is believed any more: what the API
// server says about pods from then on is true.
func (n *Node) Synced() <-chan struct{} { return n.synced }

// Run registers the node, runs its pods and serves the fronts until ctx ends, then stops the pods, each in at most
// 2 seconds. Pods that are still wanted are started again by the next Run. It returns nil after an orderly end.
func (n *Node) Run(ctx context.Context) error {
	events := record.NewBroadcaster(record.WithContext(context.WithoutCancel(ctx)))
	defer events.Shutdown()
	events.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: n.client.CoreV1().Events("")})
	n.recorder = events.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: n.o.NodeName})

	ctx, stop := context.WithCancel(ctx)
	var fronts sync.WaitGroup
	defer fronts.Wait()
	defer stop()
	for _, f := range n.o.Fronts {
		fronts.Go(func() { newFront(n, f).run(ctx) })
	}
	return n.run(ctx)
}

func (n *Node) run(ctx context.Context) error {
	if err := n.register(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	pods := n.factory.Core().V1().Pods().Informer()
	registration, err := pods.AddEventHandler(n.handler(ctx))
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	n.factory.StartWithContext(ctx)
	services := n.factory.Core().V1().Services().Informer()
	if cache.WaitFor(ctx, "", registration.HasSyncedChecker(), services.HasSyncedChecker()) {
		n.initial.Wait()
		close(n.synced)
		if err := n.logs.keep(n.uids()); err != nil {
			n.o.Log.WarnContext(ctx, "old logs not removed", "error", err)
		}
	}
	<-ctx.Done()
	n.factory.Shutdown()
	n.running.Wait()
	n.unregister(ctx)
	return nil
}

// handler keeps the pods in step with what the API server says.
func (n *Node) handler(ctx context.Context) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(object any, first bool) { n.observe(ctx, object, first) },
		UpdateFunc: func(_, object any) { n.observe(ctx, object, false) },
		DeleteFunc: func(object any) {
			if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = last.Obj
			}
			if seen, ok := object.(*corev1.Pod); ok {
				n.lose(seen.UID)
			}
		},
	}
}

// observe takes in a pod. First says that it is part of the first list.
func (n *Node) observe(ctx context.Context, object any, first bool) {
	seen, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	if p := n.byUID(seen.UID); p != nil {
		p.update(seen)
		return
	}
	if !n.isMine(seen) {
		return
	}
	p := n.add(seen)
	if first {
		n.initial.Add(1)
		p.settled = sync.OnceFunc(n.initial.Done)
	}
	n.running.Go(func() {
		defer n.drop(p)
		p.run(ctx)
	})
}

// lose takes in that a pod is no more.
func (n *Node) lose(uid types.UID) {
	if p := n.byUID(uid); p != nil {
		p.remove()
	}
}

// isMine reports whether the pod is bound to this node, or is for anybody who schedules.
func (n *Node) isMine(object *corev1.Pod) bool {
	if object.Spec.NodeName != "" {
		return object.Spec.NodeName == n.o.NodeName
	}
	return object.Spec.SchedulerName == n.o.SchedulerName
}

func (n *Node) add(object *corev1.Pod) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen++
	p := &pod{
		node: n, key: types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, uid: object.UID,
		created: object.CreationTimestamp.Time, seq: n.seen, changed: make(chan struct{}, 1), settled: func() {},
		network: &network{ip: n.address(object.Status.PodIP), ports: map[uint16]*listener{}},
		object:  object, status: object.Status,
	}
	n.pods[p.uid] = p
	return p
}

// address returns the address that a pod had before when it is free, else the next free one.
func (n *Node) address(before string) netip.Addr {
	taken := map[netip.Addr]bool{}
	for _, p := range n.pods {
		taken[p.network.ip] = true
	}
	network := netip.MustParsePrefix(podNetwork)
	if old, err := netip.ParseAddr(before); err == nil && network.Contains(old) && !taken[old] {
		return old
	}
	for {
		if n.next = n.next.Next(); !network.Contains(n.next) {
			n.next = network.Addr().Next().Next()
		}
		if !taken[n.next] {
			return n.next
		}
	}
}

func (n *Node) drop(p *pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pods, p.uid)
}

func (n *Node) byUID(uid types.UID) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pods[uid]
}

// byAge returns the pods for which take reports true, newest first.
func (n *Node) byAge(take func(*pod) bool) []*pod {
	n.mu.Lock()
	all := make([]*pod, 0, len(n.pods))
	for _, p := range n.pods {
		all = append(all, p)
	}
	n.mu.Unlock()
	all = slices.DeleteFunc(all, func(p *pod) bool { return !take(p) })
	slices.SortFunc(all, func(a, b *pod) int {
		if byTime := b.created.Compare(a.created); byTime != 0 {
			return byTime
		}
		return b.seq - a.seq
	})
	return all
}

func (n *Node) uids() []types.UID {
	n.mu.Lock()
	defer n.mu.Unlock()
	uids := make([]types.UID, 0, len(n.pods))
	for uid := range n.pods {
		uids = append(uids, uid)
	}
	return uids
}

// find returns the pod of that name, or an error that is fs.ErrNotExist.
func (n *Node) find(namespace, name string) (*pod, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	found := n.byAge(func(p *pod) bool { return p.key == key })
	if len(found) == 0 {
		return nil, fmt.Errorf("pod %q in namespace %q on node %s: %w", name, namespace, n.o.NodeName, fs.ErrNotExist)
	}
	return found[0], nil
}

// Dial connects to a port of a pod, in memory. The error is fs.ErrNotExist when there is no such pod and
// syscall.ECONNREFUSED when nothing in it listens on the port.
func (n *Node) Dial(ctx context.Context, namespace, pod string, port int32) (net.Conn, error) {
	p, err := n.find(namespace, pod)
	if err != nil {
		return nil, err
	}
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("port %d of pod %q: %w", port, pod, errPort)
	}
	return p.network.dial(ctx, uint16(port))
}

// errPort says that a number is no TCP port.
var errPort = errors.New("expected 1 to 65535")

// LogFile returns the path of the log of a container's newest run, or of the run before. It has the format of the
// Container Runtime Interface; every run has a file of its own. The error is fs.ErrNotExist when there is no such pod,
// container or run; another one says that the container has not started yet.
func (n *Node) LogFile(namespace, pod, container string, previous bool) (string, error) {
	c, err := n.container(namespace, pod, container)
	if err != nil {
		return "", err
	}
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	run := c.log
	switch {
	case previous && c.last.Terminated == nil:
		return "", fmt.Errorf("previous terminated container %q in pod %q: %w", container, pod, fs.ErrNotExist)
	case previous && c.state.Waiting == nil:
		run--
	case run < 0 && c.state.Waiting != nil:
		return "", fmt.Errorf("container %q in pod %q is waiting to start: %s", container, pod, c.state.Waiting.Reason)
	}
	return n.logs.file(c.pod.object, container, run), nil
}

// Running reports whether a container runs now.
func (n *Node) Running(namespace, pod, container string) bool {
	c, err := n.container(namespace, pod, container)
	if err != nil {
		return false
	}
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.state.Running != nil
}

func (n *Node) container(namespace, pod, name string) (*container, error) {
	p, err := n.find(namespace, pod)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.containers {
		if c.name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("container %q in pod %q: %w", name, pod, fs.ErrNotExist)
}
