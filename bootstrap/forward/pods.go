package forward

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// pod is a ready pod and the port to reach in it.
type pod struct {
	name string
	port int32
}

// pods knows which pods behind a Service are ready, by watching both.
type pods struct {
	target   Target
	services cache.SharedIndexInformer
	pods     cache.SharedIndexInformer

	mu   sync.Mutex
	turn int
}

func newPods(client kubernetes.Interface, t Target) *pods {
	core := client.CoreV1().RESTClient()
	one := fields.OneTermEqualSelector(metav1.ObjectNameField, t.Service)
	p := &pods{
		target:   t,
		services: cache.NewSharedIndexInformer(cache.NewListWatchFromClient(core, "services", t.Namespace, one), &corev1.Service{}, 0, nil),
		pods:     cache.NewSharedIndexInformer(cache.NewListWatchFromClient(core, "pods", t.Namespace, fields.Everything()), &corev1.Pod{}, 0, nil),
	}
	return p
}

// watch keeps what is known up to date until ctx ends.
func (p *pods) watch(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { p.services.RunWithContext(ctx) })
	both.Go(func() { p.pods.RunWithContext(ctx) })
	both.Wait()
}

// next returns the ready pods in turn.
func (p *pods) next(ctx context.Context) (pod, error) {
	if !cache.WaitForCacheSync(ctx.Done(), p.services.HasSynced, p.pods.HasSynced) {
		return pod{}, fmt.Errorf("the API server does not tell which pods there are: %w", context.Cause(ctx))
	}
	ready := p.ready()
	if len(ready) == 0 {
		return pod{}, ErrNoPod
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	return ready[p.turn%len(ready)], nil
}

// ready returns the ready pods in the order of their names.
func (p *pods) ready() []pod {
	object, found, err := p.services.GetStore().GetByKey(p.target.Namespace + "/" + p.target.Service)
	service, ok := object.(*corev1.Service)
	if err != nil || !found || !ok || len(service.Spec.Selector) == 0 {
		return nil
	}
	behind := labels.SelectorFromSet(service.Spec.Selector)
	var out []pod
	for _, object := range p.pods.GetStore().List() {
		candidate, ok := object.(*corev1.Pod)
		if !ok || !behind.Matches(labels.Set(candidate.Labels)) || !isReady(candidate) {
			continue
		}
		if port, ok := portOf(service, p.target.Port, candidate); ok {
			out = append(out, pod{name: candidate.Name, port: port})
		}
	}
	slices.SortFunc(out, func(a, b pod) int { return strings.Compare(a.name, b.name) })
	return out
}

// isReady reports whether a pod takes requests and is not about to end.
func isReady(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// portOf returns the port of a pod's container that a port of the Service leads to.
func portOf(service *corev1.Service, port int32, p *corev1.Pod) (int32, bool) {
	for i := range service.Spec.Ports {
		open := &service.Spec.Ports[i]
		if open.Port != port {
			continue
		}
		switch {
		case open.TargetPort.Type == intstr.String:
			return namedPort(p, open.TargetPort.StrVal)
		case open.TargetPort.IntVal == 0:
			return open.Port, true
		default:
			return open.TargetPort.IntVal, true
		}
	}
	return 0, false
}

func namedPort(p *corev1.Pod, name string) (int32, bool) {
	for i := range p.Spec.Containers {
		for _, port := range p.Spec.Containers[i].Ports {
			if port.Name == name {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}
