package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

const (
	gatewayPod = "aip-k8s-gateway"
	gatewayIn  = "aip-k8s-system"
	written    = "default"
)

// alone is what client-go makes of the API server while no gateway acts, each a list of the seconds that a round took.
type alone struct {
	// creates are AgentRequests created by agentsAtOnce.
	creates []float64
	// writes are all writes that the contract asks of a decision (the request, its lock, its status and the records of its
	// trail) by agentsAtOnce, and some are the same by fewAgents. A round's seconds end with the status, which tells the agent.
	writes, some []float64
}

// alone measures that and removes what it wrote.
func (k *kube) alone(ctx context.Context) (alone, error) {
	decided, err := k.decided(ctx)
	if err != nil {
		return alone{}, err
	}
	if err := k.scale(ctx, 0); err != nil {
		return alone{}, err
	}
	var n atomic.Int64
	create := func(ctx context.Context) (*v1alpha1.AgentRequest, error) {
		r := &v1alpha1.AgentRequest{
			ObjectMeta: metav1.ObjectMeta{Namespace: written, GenerateName: "raw-", Labels: decided.Labels}, Spec: decided.Spec,
		}
		r.Spec.Target.URI = fmt.Sprintf("k8s://prod/default/deployment/raw-%d", n.Add(1))
		return r, k.client.Create(ctx, r)
	}
	decide := func(ctx context.Context) (time.Time, error) {
		r, err := create(ctx)
		if err != nil {
			return time.Time{}, err
		}
		return k.decide(ctx, r, decided.Status)
	}
	var out alone
	for _, m := range []struct {
		to   *[]float64
		many int
		once func(context.Context) (time.Time, error)
	}{
		{&out.creates, agentsAtOnce, func(ctx context.Context) (time.Time, error) { _, err := create(ctx); return time.Now(), err }},
		{&out.some, fewAgents, decide}, {&out.writes, agentsAtOnce, decide},
	} {
		if *m.to, err = repeat(ctx, m.many, m.once); err != nil {
			return alone{}, fmt.Errorf("writes without a gateway: %w", err)
		}
	}
	for _, of := range []client.Object{&v1alpha1.AgentRequest{}, &v1alpha1.AuditRecord{}, &coordinationv1.Lease{}} {
		if err := k.client.DeleteAllOf(ctx, of, client.InNamespace(written)); err != nil {
			return alone{}, fmt.Errorf("remove what was created: %w", err)
		}
	}
	return out, k.scale(ctx, 1)
}

// decided returns a request that the gateway approved under load.
func (k *kube) decided(ctx context.Context) (*v1alpha1.AgentRequest, error) {
	var list v1alpha1.AgentRequestList
	if err := k.client.List(ctx, &list, client.InNamespace(written)); err != nil {
		return nil, err
	}
	for i := range list.Items {
		if r := &list.Items[i]; r.Status.Phase == v1alpha1.PhaseApproved {
			return r, nil
		}
	}
	return nil, fmt.Errorf("none of %d requests in the namespace %s is Approved", len(list.Items), written)
}

// decide writes what the gateway writes for a decision on r: the lock, the status and the trail. It returns when the
// status was stored.
func (k *kube) decide(ctx context.Context, r *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus) (told time.Time, err error) {
	now := metav1.NowMicro()
	lock := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: written, Name: store.LockName(r.Spec.Target.URI), Labels: map[string]string{store.LabelManagedBy: store.ManagedBy},
			Annotations: map[string]string{"holder": r.Name, "uid": string(r.UID), "target": r.Spec.Target.URI},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &r.Name, LeaseDurationSeconds: ptr.To(int32(60)), AcquireTime: &now, RenewTime: &now,
		},
	}
	if err := k.client.Create(ctx, lock); err != nil {
		return told, err
	}
	r.Status = status
	if err := k.client.Status().Update(ctx, r); err != nil {
		return told, err
	}
	told = time.Now()
	for _, record := range lifecycle.Trail(r) {
		if err := k.client.Create(ctx, record); err != nil {
			return told, err
		}
	}
	return told, nil
}

// scale brings the gateway to so many replicas.
func (k *kube) scale(ctx context.Context, replicas int32) error {
	d := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: gatewayIn, Name: gatewayPod}
	if err := k.client.Get(ctx, key, d); err != nil {
		return err
	}
	d.Spec.Replicas = &replicas
	if err := k.client.Update(ctx, d); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var pods corev1.PodList
		if err := k.client.List(ctx, &pods, client.InNamespace(gatewayIn), client.MatchingLabels{"app.kubernetes.io/component": "gateway"}); err != nil {
			return err
		}
		if err := k.client.Get(ctx, key, d); err != nil {
			return err
		}
		if len(pods.Items) == int(replicas) && d.Status.ReadyReplicas == replicas {
			return nil
		}
	}
	return errors.New("the gateway did not come to that number of replicas within a minute")
}
