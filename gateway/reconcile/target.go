package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/gateway/store"
)

const (
	// kubernetesTarget begins the URI of a target whose live state is looked up.
	kubernetesTarget = "k8s://"
	// kubernetesScheme means the same in capitals. Source: https://www.rfc-editor.org/rfc/rfc3986#section-3.1
	kubernetesScheme = "k8s:"
	deployment       = "deployment"
	// lookupTimeout bounds the look-ups for one evaluation; those that take longer have failed.
	lookupTimeout = 2 * time.Second
	// maxLookups is how many affected targets of one request are looked up.
	maxLookups = 20
)

var (
	errTargetForm  = errors.New("expected k8s://CLUSTER/NAMESPACE/TYPE/NAME")
	errNotLooked   = errors.New("no rule was known to read it")
	errNotSeen     = errors.New("the state of the target cannot be looked up now")
	errManyTargets = fmt.Errorf("it is beyond the first %d affected targets", maxLookups)
)

// sight is what was seen of a target.
type sight struct {
	policy.Target
	verification *v1alpha1.ControlPlaneVerification
	// mismatch says how what the context fetcher found is not as its schema says; empty when it is.
	mismatch string
}

// look looks a target up, and what the context fetcher of its GovernedResource finds. Everything that goes wrong ends in
// Target.Err, never in "it is not there".
func (e *evaluator) look(ctx context.Context, uri string, resource *v1alpha1.GovernedResource) sight {
	fetcher := fetcherOf(resource)
	seen := sight{Target: policy.UnknownTarget()}
	switch {
	case strings.HasPrefix(uri, kubernetesTarget):
		seen = e.live(ctx, uri, fetcher)
	case strings.HasPrefix(strings.ToLower(strings.TrimSpace(uri)), kubernetesScheme):
		seen.Err = fmt.Errorf("%q: %w", uri, errTargetForm)
	}
	if fetcher == v1alpha1.FetcherGitHub {
		found, err := e.github.Context(ctx, uri)
		seen.Context, seen.Err = found, errors.Join(seen.Err, err)
	}
	seen.conform(resource)
	return seen
}

// object is what was read of a target in Kubernetes itself.
type object struct {
	v1alpha1.ControlPlaneVerification

	// known says that it is of a kind that is read, so that what is not known of it is not there.
	known bool
	// version says whether it is still the same.
	version string
	// podLabels are those that a Deployment gives its pods.
	podLabels map[string]string
	// context is what its context fetcher tells.
	context map[string]any
}

// live looks a target in Kubernetes up.
func (e *evaluator) live(ctx context.Context, uri, fetcher string) sight {
	namespace, kind, name, err := parseTarget(uri)
	if err != nil {
		return sight{Target: policy.Target{Err: err}}
	}
	endpoints := make(chan error, 1)
	active := 0
	go func() {
		var err error
		active, err = e.endpoints(ctx, namespace, name)
		endpoints <- err
	}()
	seen, err := e.object(ctx, namespace, kind, name, fetcher)
	if err := errors.Join(err, <-endpoints); err != nil {
		return sight{Target: policy.Target{Err: err}}
	}
	seen.ActiveEndpointCount = int32(active)
	if kind == deployment && fetcher == v1alpha1.FetcherK8sDeployment {
		if err := e.services(ctx, namespace, name, &seen); err != nil {
			return sight{Target: policy.Target{Err: err}}
		}
	}
	seen.HasActiveEndpoints = seen.ActiveEndpointCount > 0
	return sightOf(seen, kind, fetcher)
}

// object reads the target, when it is of a kind that is read.
func (e *evaluator) object(ctx context.Context, namespace, kind, name, fetcher string) (object, error) {
	seen := object{ControlPlaneVerification: v1alpha1.ControlPlaneVerification{FetchedAt: metav1.NewTime(e.now())}}
	var err error
	switch {
	case kind == deployment:
		err = e.deployment(ctx, namespace, name, &seen)
	case kind == nodePool && fetcher == v1alpha1.FetcherKarpenter:
		err = e.nodePool(ctx, name, &seen)
	default:
		return seen, nil
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNoNamespace) {
		err = nil
	}
	seen.known = err == nil
	if err != nil {
		return seen, fmt.Errorf("look the target up: %w", err)
	}
	return seen, nil
}

// endpoints counts the ready endpoints of the Service with the target's name.
func (e *evaluator) endpoints(ctx context.Context, namespace, name string) (int, error) {
	if len(validation.IsValidLabelValue(name)) > 0 {
		return 0, nil // no Service can have such a name
	}
	return e.store.ReadyEndpoints(ctx, namespace, name)
}

// deployment reads the target as a Deployment.
func (e *evaluator) deployment(ctx context.Context, namespace, name string, seen *object) error {
	d, err := e.store.Deployment(ctx, namespace, name)
	if err != nil {
		return err
	}
	seen.TargetExists, seen.ReadyReplicas, seen.SpecReplicas = true, d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 1)
	seen.version, seen.podLabels = fmt.Sprintf("%s@%d", d.UID, d.Generation), d.Spec.Template.Labels
	return nil
}

// sightOf returns what was seen as expressions and reviewers get it. Whether an object exists of a kind that is not read
// is known only when it has endpoints; expressions that ask for it cannot be evaluated.
func sightOf(seen object, kind, fetcher string) sight {
	seen.TargetExists = seen.TargetExists || seen.HasActiveEndpoints
	seen.EvaluatedStateFingerprint = fingerprint(seen.ControlPlaneVerification, seen.version)
	downstream := seen.DownstreamServices
	if downstream == nil {
		downstream = []string{}
	}
	facts := map[string]any{
		"hasActiveEndpoints": seen.HasActiveEndpoints, "activeEndpointCount": int64(seen.ActiveEndpointCount),
		"downstreamServices": downstream,
	}
	if seen.known {
		facts["exists"] = seen.TargetExists
	}
	if kind == deployment {
		facts["readyReplicas"], facts["specReplicas"] = int64(seen.ReadyReplicas), int64(seen.SpecReplicas)
		if fetcher == v1alpha1.FetcherK8sDeployment {
			seen.context = deploymentContext(seen.ControlPlaneVerification)
		}
	}
	return sight{Target: policy.Target{Facts: facts, Context: seen.context}, verification: &seen.ControlPlaneVerification}
}

// fingerprint stands for what a reviewer sees of a target: the same while that is the same.
func fingerprint(seen v1alpha1.ControlPlaneVerification, version string) string {
	seen.FetchedAt, seen.EvaluatedStateFingerprint = metav1.Time{}, ""
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %+v", version, seen))
	return hex.EncodeToString(sum[:])[:16]
}

// parseTarget splits k8s://CLUSTER/NAMESPACE/TYPE/NAME. For objects without a namespace, their API group may stand in its
// place.
func parseTarget(uri string) (namespace, kind, name string, err error) {
	parts := strings.Split(strings.TrimPrefix(uri, kubernetesTarget), "/")
	if len(parts) != 4 {
		return "", "", "", fmt.Errorf("%q: %w", uri, errTargetForm)
	}
	namespace, kind, name = parts[1], parts[2], parts[3]
	if len(validation.IsDNS1123Subdomain(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 || kind == "" {
		return "", "", "", fmt.Errorf("%q: %w", uri, errTargetForm)
	}
	return namespace, kind, name, nil
}

// affected looks the targets of a cascade model up.
func (e *evaluator) affected(ctx context.Context, model *v1alpha1.CascadeModel) []policy.Target {
	if model == nil {
		return nil
	}
	out := make([]policy.Target, len(model.AffectedTargets))
	for i, a := range model.AffectedTargets {
		if i >= maxLookups {
			out[i] = policy.Target{Err: errManyTargets}
			continue
		}
		out[i] = e.look(ctx, a.URI, nil).Target
	}
	return out
}
