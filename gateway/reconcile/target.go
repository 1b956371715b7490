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
}

// look looks a target up. Everything that goes wrong ends in Target.Err, never in "it is not there".
func (e *evaluator) look(ctx context.Context, uri string, resource *v1alpha1.GovernedResource) sight {
	if !strings.HasPrefix(uri, kubernetesTarget) {
		return sight{Target: policy.UnknownTarget()}
	}
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
	seen, uid, err := e.deployment(ctx, kind, namespace, name)
	if err := errors.Join(err, <-endpoints); err != nil {
		return sight{Target: policy.Target{Err: err}}
	}
	seen.ActiveEndpointCount, seen.HasActiveEndpoints = int32(active), active > 0
	return sightOf(seen, kind, uid, resource)
}

// endpoints counts the ready endpoints of the Service with the target's name.
func (e *evaluator) endpoints(ctx context.Context, namespace, name string) (int, error) {
	if len(validation.IsValidLabelValue(name)) > 0 {
		return 0, nil // no Service can have such a name
	}
	return e.store.ReadyEndpoints(ctx, namespace, name)
}

// deployment reads the target when it is a Deployment, and what says whether it is still the same one.
func (e *evaluator) deployment(ctx context.Context, kind, namespace, name string) (v1alpha1.ControlPlaneVerification, string, error) {
	seen := v1alpha1.ControlPlaneVerification{FetchedAt: metav1.NewTime(e.now())}
	if kind != deployment {
		return seen, "", nil
	}
	d, err := e.store.Deployment(ctx, namespace, name)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNoNamespace):
		return seen, "", nil
	case err != nil:
		return seen, "", fmt.Errorf("look the target up: %w", err)
	}
	seen.TargetExists, seen.ReadyReplicas, seen.SpecReplicas = true, d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 1)
	return seen, fmt.Sprintf("%s@%d", d.UID, d.Generation), nil
}

// sightOf returns what was seen as expressions and reviewers get it. Whether an object exists that is no Deployment is
// known only when it has endpoints; expressions that ask for it cannot be evaluated.
func sightOf(
	seen v1alpha1.ControlPlaneVerification, kind, version string, resource *v1alpha1.GovernedResource,
) sight {
	seen.TargetExists = seen.TargetExists || seen.HasActiveEndpoints
	seen.EvaluatedStateFingerprint = fingerprint(seen, version)
	facts := map[string]any{
		"hasActiveEndpoints": seen.HasActiveEndpoints, "activeEndpointCount": int64(seen.ActiveEndpointCount),
		"downstreamServices": []string{},
	}
	out := sight{Target: policy.Target{Facts: facts}, verification: &seen}
	if kind != deployment {
		return out
	}
	facts["exists"], facts["readyReplicas"], facts["specReplicas"] = seen.TargetExists, int64(seen.ReadyReplicas), int64(seen.SpecReplicas)
	if resource != nil && resource.Spec.ContextFetcher == v1alpha1.FetcherK8sDeployment {
		out.Context = map[string]any{
			"targetExists": seen.TargetExists, "hasActiveEndpoints": seen.HasActiveEndpoints,
			"activeEndpointCount": int64(seen.ActiveEndpointCount), "readyReplicas": int64(seen.ReadyReplicas),
			"specReplicas": int64(seen.SpecReplicas), "stateFingerprint": seen.EvaluatedStateFingerprint,
		}
	}
	return out
}

// fingerprint stands for what a reviewer sees of a target: the same while that is the same.
func fingerprint(seen v1alpha1.ControlPlaneVerification, version string) string {
	seen.FetchedAt, seen.EvaluatedStateFingerprint = metav1.Time{}, ""
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %+v", version, seen))
	return hex.EncodeToString(sum[:])[:16]
}

// parseTarget splits k8s://CLUSTER/NAMESPACE/TYPE/NAME.
func parseTarget(uri string) (namespace, kind, name string, err error) {
	parts := strings.Split(strings.TrimPrefix(uri, kubernetesTarget), "/")
	if len(parts) != 4 {
		return "", "", "", fmt.Errorf("%q: %w", uri, errTargetForm)
	}
	namespace, kind, name = parts[1], parts[2], parts[3]
	if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 || kind == "" {
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
