package kubelet

import (
	"context"
	"fmt"
	"runtime"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// maxPods is what a kubelet takes by default.
const maxPods = 110

// register makes the Node object, or brings that of an earlier run up to date.
func (n *Node) register(ctx context.Context) error {
	if err := n.setNode(ctx, corev1.ConditionTrue, "KubeletReady", "the node runs the images that it knows as goroutines"); err != nil {
		return fmt.Errorf("register node %s: %w", n.o.NodeName, err)
	}
	return nil
}

// unregister says that the node has ended; ctx may have.
func (n *Node) unregister(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := n.setNode(ctx, corev1.ConditionFalse, "NodeStopped", "the node was told to stop"); err != nil {
		n.o.Log.WarnContext(ctx, "node not marked as stopped", "node", n.o.NodeName, "error", err)
	}
}

func (n *Node) setNode(ctx context.Context, ready corev1.ConditionStatus, reason, message string) error {
	nodes := n.client.CoreV1().Nodes()
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		node, err := nodes.Get(ctx, n.o.NodeName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			node, err = nodes.Create(ctx, n.node(), metav1.CreateOptions{})
		}
		if err != nil {
			return err
		}
		if len(node.Spec.Taints) > 0 {
			// The API server taints every new node until a controller, which does not run here, finds it ready.
			node.Spec.Taints = nil
			if node, err = nodes.Update(ctx, node, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		n.fill(&node.Status, corev1.NodeCondition{Type: corev1.NodeReady, Status: ready, Reason: reason, Message: message})
		_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
		return err
	})
}

func (n *Node) node() *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.o.NodeName, Labels: map[string]string{
		corev1.LabelHostname: n.o.NodeName, corev1.LabelOSStable: runtime.GOOS, corev1.LabelArchStable: runtime.GOARCH,
	}}}
}

// fill writes what a kubelet tells about its machine.
func (n *Node) fill(s *corev1.NodeStatus, ready corev1.NodeCondition) {
	s.Capacity = corev1.ResourceList{
		corev1.ResourceCPU:  *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI),
		corev1.ResourcePods: *resource.NewQuantity(maxPods, resource.DecimalSI),
	}
	s.Allocatable = s.Capacity
	s.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: hostIP}, {Type: corev1.NodeHostName, Address: n.o.NodeName},
	}
	s.DaemonEndpoints.KubeletEndpoint.Port = n.o.EndpointPort
	s.NodeInfo = corev1.NodeSystemInfo{
		KubeletVersion: "aip-dev", ContainerRuntimeVersion: "goroutine://" + runtime.Version(), OSImage: "aip-dev",
		OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
	}
	now := stamp(n.o.Now())
	ready.LastHeartbeatTime, ready.LastTransitionTime = now, now
	for _, have := range s.Conditions {
		if have.Type == ready.Type && have.Status == ready.Status {
			ready.LastTransitionTime = have.LastTransitionTime
		}
	}
	s.Conditions = []corev1.NodeCondition{ready}
}
