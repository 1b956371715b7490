package store

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Deployment returns a Deployment as it is now, or ErrNotFound.
func (s *Store) Deployment(ctx context.Context, namespace, name string) (*appsv1.Deployment, error) {
	var d appsv1.Deployment
	return &d, classify("get Deployment", s.live.Get(ctx, key(namespace, name), &d))
}

// ReadyEndpoints returns how many endpoints of some Services are ready now. A pod that several of them lead to counts once.
func (s *Store) ReadyEndpoints(ctx context.Context, namespace string, services ...string) (int, error) {
	named, err := labels.NewRequirement(discoveryv1.LabelServiceName, selection.In, services)
	if err != nil {
		return 0, fmt.Errorf("select EndpointSlices: %w", err)
	}
	var list discoveryv1.EndpointSliceList
	err = s.live.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: labels.NewSelector().Add(*named)})
	ready, pods := 0, map[types.UID]bool{}
	for i := range list.Items {
		for _, e := range list.Items[i].Endpoints {
			switch {
			case !ptr.Deref(e.Conditions.Ready, true):
			case e.TargetRef != nil && e.TargetRef.UID != "":
				pods[e.TargetRef.UID] = true
			default:
				ready++
			}
		}
	}
	return ready + len(pods), classify("list EndpointSlices", err)
}

// ServicesOf returns the names of the Services whose selector matches pods with these labels, in order. A Service without
// a selector matches none.
func (s *Store) ServicesOf(ctx context.Context, namespace string, pods map[string]string) ([]string, error) {
	var list corev1.ServiceList
	if err := s.live.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, classify("list Services", err)
	}
	var out []string
	for i := range list.Items {
		selector := list.Items[i].Spec.Selector
		if len(selector) > 0 && labels.SelectorFromSet(selector).Matches(labels.Set(pods)) {
			out = append(out, list.Items[i].Name)
		}
	}
	slices.Sort(out)
	return out, nil
}
