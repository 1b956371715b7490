package doctor

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/registry"
	"github.com/aip-dev/aip-dev/internal/session"
)

// Objects returns all objects of a kind of governance.aip.io in a namespace of an environment, all when it is empty.
func Objects[T any](ctx context.Context, s *session.Session, resource, namespace string) ([]T, error) {
	config, err := s.Kube()
	if err != nil {
		return nil, err
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	list, err := kube.Resource(v1alpha1.GroupVersion().WithResource(resource)).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", resource, err)
	}
	found := make([]T, len(list.Items))
	for i := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &found[i]); err != nil {
			return nil, fmt.Errorf("read %s %s: %w", resource, list.Items[i].GetName(), err)
		}
	}
	return found, nil
}

// registrations returns those of an environment, nil when its cluster does not know the kind or does not show it.
func registrations(ctx context.Context, s *session.Session) (*registry.Registry, error) {
	found, err := Objects[v1alpha1.AgentRegistration](ctx, s, "agentregistrations", "")
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		return registry.Of(found), nil
	}
}
