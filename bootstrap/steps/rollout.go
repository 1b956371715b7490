package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// podInterval is how often pods are looked at once their Deployment says that it is available.
const podInterval = 50 * time.Millisecond

// DefaultRolloutLimit is how long a Deployment may take to become available where no image has to be pulled.
const DefaultRolloutLimit = 30 * time.Second

// tellPodEvery is how often the reason for waiting is asked for.
const tellPodEvery = time.Second

// RolloutError says that a Deployment did not become available, and what its newest pod says.
type RolloutError struct {
	Deployment string
	After      time.Duration
	Reason     string
	// Image is the image that could not be pulled, "" when that is not the reason.
	Image string
}

// Error names the Deployment and the reason.
func (e *RolloutError) Error() string {
	return fmt.Sprintf("%s is not available after %s: %s", e.Deployment, e.After, e.Reason)
}

// rolledOut returns the Deployment and whether its newest template is the one that serves.
func rolledOut(ctx context.Context, config *rest.Config, namespace, name string) (*appsv1.Deployment, bool, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, false, fmt.Errorf("make a client of the API server: %w", err)
	}
	d, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("look at deployment %s: %w", name, err)
	}
	if !complete(d) {
		return d, false, nil
	}
	serving, err := serves(ctx, client, d)
	return d, serving, err
}

// podsOf returns the pods that a Deployment selects, those that end among them.
func podsOf(ctx context.Context, client kubernetes.Interface, d *appsv1.Deployment) (*corev1.PodList, error) {
	pods, err := client.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return nil, fmt.Errorf("look at the pods of %s: %w", d.Name, err)
	}
	return pods, nil
}

// serves reports whether as many pods are ready as the Deployment wants. Right after a start of the cluster the
// Deployment's own status may still be that of the time before.
func serves(ctx context.Context, client kubernetes.Interface, d *appsv1.Deployment) (bool, error) {
	pods, err := podsOf(ctx, client, d)
	if err != nil {
		return false, err
	}
	ready := int32(0)
	for i := range pods.Items {
		for _, c := range pods.Items[i].Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && pods.Items[i].DeletionTimestamp == nil {
				ready++
			}
		}
	}
	return ready >= d.Status.UpdatedReplicas, nil
}

// complete reports whether a rollout is through, by the rule of kubectl rollout status.
func complete(d *appsv1.Deployment) bool {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want
}

// waitRollout waits by watch until the Deployment's newest template serves, and tells what its pods say meanwhile.
func (d Deps) waitRollout(ctx context.Context, config *rest.Config, namespace, name string, report bootstrap.Reporter) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	report.Note("%s: rolling out", name)
	limit := d.limit()
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	go tellPod(limited, cancel, client, namespace, name, report)
	only := fields.OneTermEqualSelector("metadata.name", name).String()
	source := cache.NewFilteredListWatchFromClient(client.AppsV1().RESTClient(), "deployments", namespace,
		func(o *metav1.ListOptions) { o.FieldSelector = only })
	_, err = watchtools.UntilWithSync(limited, source, &appsv1.Deployment{}, nil, func(e watch.Event) (bool, error) {
		d, ok := e.Object.(*appsv1.Deployment)
		return ok && e.Type != watch.Deleted && complete(d), nil
	})
	if err == nil {
		// Pods can come and go without a change of the Deployment's status, so they are asked for themselves.
		err = wait.PollUntilContextCancel(limited, podInterval, true, func(ctx context.Context) (bool, error) {
			_, ok, err := rolledOut(ctx, config, namespace, name)
			return ok, err
		})
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for %s: %w", name, ctx.Err())
	}
	// The limit passed; the reason is asked for outside of it.
	newest := lookAtPod(ctx, client, namespace, name)
	return &RolloutError{Deployment: name, After: min(limit, time.Since(began).Round(time.Second)), Reason: newest.reason, Image: newest.unpulled}
}

// handover is for how long nodes may still lead new connections to a pod that was told to end: kube-proxy writes its rules
// at most once a second, and the pod serves on meanwhile.
// Source: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/ (--iptables-min-sync-period)
const handover = 2 * time.Second

// handedOver waits until no pod of the time before the rollout can answer any more.
func handedOver(ctx context.Context, config *rest.Config, namespace, name string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	err = wait.PollUntilContextTimeout(ctx, podInterval, handover, true, func(ctx context.Context) (bool, error) {
		d, err := client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		pods, err := podsOf(ctx, client, d)
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), nil
	})
	if err != nil && (ctx.Err() != nil || !wait.Interrupted(err)) {
		return fmt.Errorf("wait for the pods of %s that end: %w", name, err)
	}
	return nil
}

// limit is how long a part may take to become ready.
func (d Deps) limit() time.Duration {
	if d.RolloutLimit == 0 {
		return DefaultRolloutLimit
	}
	return d.RolloutLimit
}

// onceReached calls do until it fails for a reason that absent does not hold for. absent says that nobody answered at url, or
// somebody else: nodes write the rules of the way to a pod one after the other, and right after a start of containers pods
// may say that they are ready because they were before, at an address that another one has by now.
func (d Deps) onceReached(ctx context.Context, url string, absent func(error) bool, report bootstrap.Reporter, do func() error) error {
	told := false
	return onceSettled(ctx, d.limit(), do, func(err error) bool {
		passes := absent(err)
		if passes && !told {
			told = true
			report.Note("waiting until %s answers", url)
		}
		return passes
	})
}

// is returns whether an error is of one of the classes; nil classes name none.
func is(classes ...error) func(error) bool {
	return func(err error) bool {
		for _, class := range classes {
			if class != nil && errors.Is(err, class) {
				return true
			}
		}
		return false
	}
}

// onceSettled calls do until it fails for a reason that does not pass by itself, or for longer than limit.
func onceSettled(ctx context.Context, limit time.Duration, do func() error, passes func(error) bool) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := do()
		if err == nil || !passes(err) {
			return err
		}
		select {
		case <-limited.Done():
			return err
		case <-time.After(4 * podInterval):
		}
	}
}

// pullPatience is how long a node may fail to pull an image before it is not waited for any more.
const pullPatience = 30 * time.Second

// tellPod says what a Deployment waits for, each time that this changes, until ctx ends. It gives up when an image
// cannot be pulled.
func tellPod(ctx context.Context, giveUp func(), client kubernetes.Interface, namespace, name string, report bootstrap.Reporter) {
	tick := time.NewTicker(tellPodEvery)
	defer tick.Stop()
	var failing time.Time
	for last := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		seen := lookAtPod(ctx, client, namespace, name)
		if seen.reason != last && ctx.Err() == nil {
			last = seen.reason
			report.Note("%s: %s", name, seen.reason)
		}
		switch {
		case seen.unpulled == "":
			failing = time.Time{}
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > pullPatience:
			giveUp()
			return
		}
	}
}
