package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// arrivals measures the review queue of the environment: from the start of the program until it is live, and from the call by
// which a request is made in Kubernetes, as kubectl makes it, to the frame that shows it.
func (b *bench) arrivals(ctx context.Context, runs int) error {
	k, err := b.kube()
	if err != nil {
		return err
	}
	start := time.Now()
	s, end, err := openQueue(b.command(ctx, "tui"))
	if err != nil {
		return err
	}
	defer end()
	if err := s.until("● live"); err != nil {
		return err
	}
	b.add(figure{name: "tui: live", limit: 1}, time.Since(start).Seconds())
	if _, err := s.file.WriteString("/arrival\r"); err != nil {
		return err
	}
	if err := s.until("/arrival  0 matches"); err != nil {
		return err
	}
	for i := range runs * 4 {
		target := fmt.Sprintf("arrival-%03d", i)
		r := &v1alpha1.AgentRequest{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: target},
			Spec: v1alpha1.AgentRequestSpec{
				AgentIdentity: "kubectl", Action: "delete", Reason: "to be seen", Target: v1alpha1.Target{URI: "k8s://bench/default/deployment/" + target},
			},
		}
		start := time.Now()
		if err := k.client.Create(ctx, r); err != nil {
			return err
		}
		if err := s.until(target); err != nil {
			return err
		}
		b.add(figure{name: "tui: a request of kubectl is shown", limit: 1}, time.Since(start).Seconds())
	}
	return nil
}
