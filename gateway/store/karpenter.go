package store

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// NodePoolKind is the kind of Karpenter's NodePools, which have no namespace.
// Source: https://karpenter.sh/docs/concepts/nodepools/
func NodePoolKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool"}
}

// NodePool is the part of a NodePool that is read.
type NodePool struct {
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		// Limits bound what may be provisioned: cpu, memory, nodes, ...
		Limits corev1.ResourceList `json:"limits"`
	} `json:"spec"`
	Status struct {
		// Nodes counts the nodes; nil until Karpenter has counted them.
		Nodes *int64 `json:"nodes"`
	} `json:"status"`
}

var errNoKarpenter = errors.New("the Kubernetes API serves no NodePools of karpenter.sh/v1: Karpenter is not installed, or too old")

// NodePool returns a NodePool as it is now, or ErrNotFound. Where Karpenter is not installed, nothing is known of any.
func (s *Store) NodePool(ctx context.Context, name string) (*NodePool, error) {
	tree := &unstructured.Unstructured{}
	tree.SetGroupVersionKind(NodePoolKind())
	err := s.live.Get(ctx, key("", name), tree)
	switch {
	case apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse):
		return nil, fmt.Errorf("get NodePool: %w", errNoKarpenter)
	case err != nil:
		return nil, classify("get NodePool", err)
	}
	var pool NodePool
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(tree.Object, &pool); err != nil {
		return nil, fmt.Errorf("decode NodePool: %w", err)
	}
	return &pool, nil
}
