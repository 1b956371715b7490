package store

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Deployment returns a Deployment as it is now, or ErrNotFound.
func (s *Store) Deployment(ctx context.Context, namespace, name string) (*appsv1.Deployment, error) {
	var d appsv1.Deployment
	return &d, classify("get Deployment", s.live.Get(ctx, key(namespace, name), &d))
}

// ReadyEndpoints returns how many endpoints of a Service are ready now.
func (s *Store) ReadyEndpoints(ctx context.Context, namespace, service string) (int, error) {
	var list discoveryv1.EndpointSliceList
	err := s.live.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service})
	ready := 0
	for i := range list.Items {
		for _, e := range list.Items[i].Endpoints {
			if ptr.Deref(e.Conditions.Ready, true) {
				ready++
			}
		}
	}
	return ready, classify("list EndpointSlices", err)
}
