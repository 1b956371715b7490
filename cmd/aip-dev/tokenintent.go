package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/token/why"
)

// intend adds to a question what is to be asked for, and what the environment has to say about that.
func intend(ctx context.Context, s *session.Session, o whyOptions, q *why.Question) error {
	config, err := s.Kube()
	if err != nil {
		return err
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a Kubernetes client: %w", err)
	}
	q.Intent = &why.Intent{Action: o.action, Target: o.target}
	if q.Resources, err = allOf[v1alpha1.GovernedResource](ctx, kube, "governedresources", ""); err != nil {
		return err
	}
	policies, err := allOf[v1alpha1.AgentGraduationPolicy](ctx, kube, "agentgraduationpolicies", o.namespace)
	if err != nil {
		return err
	}
	if len(policies) > 0 {
		q.Graduation = &policies[0]
	}
	profiles, err := allOf[v1alpha1.AgentTrustProfile](ctx, kube, "agenttrustprofiles", o.namespace)
	q.Levels = make(map[string]string, len(profiles))
	for i := range profiles {
		q.Levels[profiles[i].Spec.AgentIdentity] = profiles[i].Status.TrustLevel
	}
	return err
}

// allOf returns all objects of a kind of ours in a namespace, all when it is empty.
func allOf[T any](ctx context.Context, kube dynamic.Interface, resource, namespace string) ([]T, error) {
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
