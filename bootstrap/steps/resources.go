package steps

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/manifests"
)

// resources are the kinds of governance.aip.io.
type resources struct{}

func (resources) Name() string { return "resources" }

func (resources) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	config, err := kube(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	differences, err := ownerOf(facts).CompareCRDs(ctx, config, manifests.CRDs())
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if len(differences) > 0 && differences[0].Foreign != nil {
		return bootstrap.Observation{}, differences[0].Foreign
	}
	if len(differences) > 0 {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: differences[0].String(), Facts: facts}, nil
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: "up to date", Facts: facts}, nil
}

func (resources) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	changed, err := ownerOf(facts).ApplyCRDs(ctx, config, manifests.CRDs())
	if err != nil {
		return facts, err
	}
	report.Note("%d kinds", changed)
	return facts, nil
}

// settleTime is how long the API server holds back the first object of a kind after it became Established.
// Source: crdHandler in k8s.io/apiextensions-apiserver, which sleeps for two seconds when asked sooner.
const settleTime = 2 * time.Second

// settled waits until the API server takes objects of the kinds without holding them back.
func settled(ctx context.Context, config *rest.Config, now func() time.Time) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	list, err := client.Resource(crds).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the kinds: %w", err)
	}
	var latest time.Time
	for i := range list.Items {
		if at := establishedAt(&list.Items[i]); at.After(latest) {
			latest = at
		}
	}
	wait := latest.Add(settleTime).Sub(now())
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func establishedAt(crd *unstructured.Unstructured) time.Time {
	conditions, _, err := unstructured.NestedSlice(crd.Object, "status", "conditions")
	if err != nil {
		return time.Time{}
	}
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok || condition["type"] != "Established" {
			continue
		}
		text, _ := condition["lastTransitionTime"].(string)
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at
		}
	}
	return time.Time{}
}
