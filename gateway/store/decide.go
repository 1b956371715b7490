package store

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// maxAttempts bounds how often a decision is tried again because the request changed between reading and writing.
// Only the reconciler writes to a request that waits, a few times in its life.
const maxAttempts = 10

// Decide stores the reviewer's decision that allow returns for the stored request. Reading and writing are one step:
// when the request changed in between, allow is asked again about what is stored then, so of two decisions that come
// at once one is stored and allow sees it when it is asked for the other. The error of allow is returned as it is.
func (s *Store) Decide(
	ctx context.Context, namespace, name string,
	allow func(*v1alpha1.AgentRequest) (v1alpha1.HumanApproval, error),
) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for range maxAttempts {
		err := s.tryDecide(ctx, namespace, name, allow)
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("store decision: %w: %d times", ErrConflict, maxAttempts)
}

// tryDecide reads and writes the request as the tree of fields that the API server has, not through the Go types:
// those leave out empty lists and the like, and the schema refuses any change of what was asked for.
func (s *Store) tryDecide(
	ctx context.Context, namespace, name string,
	allow func(*v1alpha1.AgentRequest) (v1alpha1.HumanApproval, error),
) error {
	tree := &unstructured.Unstructured{}
	tree.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("AgentRequest"))
	if err := s.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, tree); err != nil {
		return classify("get AgentRequest", err)
	}
	var r v1alpha1.AgentRequest
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(tree.Object, &r); err != nil {
		return fmt.Errorf("decode AgentRequest: %w", err)
	}
	decision, err := allow(&r)
	if err != nil {
		return err
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&decision)
	if err != nil {
		return fmt.Errorf("encode decision: %w", err)
	}
	if err := unstructured.SetNestedMap(tree.Object, fields, "spec", "humanApproval"); err != nil {
		return fmt.Errorf("encode decision: %w", err)
	}
	return classify("store decision", s.live.Update(ctx, tree))
}
