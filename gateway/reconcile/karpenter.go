package reconcile

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// nodePool is the TYPE of a target that is a NodePool of Karpenter: k8s://CLUSTER/karpenter.sh/nodepool/NAME.
const nodePool = "nodepool"

// nodePool reads the target as a NodePool. The context holds what the API tells: the limits that are set, as Kubernetes
// quantities, and how many nodes there are, once Karpenter has counted them. What scaling would cost stands nowhere in it.
func (e *evaluator) nodePool(ctx context.Context, name string, seen *object) error {
	pool, err := e.store.NodePool(ctx, name)
	if err != nil {
		return err
	}
	seen.TargetExists, seen.version = true, fmt.Sprintf("%s@%d", pool.UID, pool.Generation)
	seen.context = map[string]any{}
	for field, resource := range map[string]corev1.ResourceName{
		"currentLimitCPU": corev1.ResourceCPU, "currentLimitMemory": corev1.ResourceMemory,
	} {
		if limit, ok := pool.Spec.Limits[resource]; ok {
			seen.context[field] = limit.String()
		}
	}
	if pool.Status.Nodes != nil {
		seen.context["currentNodeCount"] = *pool.Status.Nodes
	}
	return nil
}
