package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/policy"
)

// fetcherOf returns where further facts about the targets of a resource come from; none without a resource.
func fetcherOf(resource *v1alpha1.GovernedResource) string {
	if resource == nil || resource.Spec.ContextFetcher == "" {
		return v1alpha1.FetcherNone
	}
	return resource.Spec.ContextFetcher
}

// services adds to what is known of a Deployment the Services that select its pods, and counts the endpoints of all of
// them and of the Service with its name.
func (e *evaluator) services(ctx context.Context, namespace, name string, seen *object) error {
	found, err := e.store.ServicesOf(ctx, namespace, seen.podLabels)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	seen.DownstreamServices = found
	if !slices.Contains(found, name) {
		found = append([]string{name}, found...)
	}
	active, err := e.store.ReadyEndpoints(ctx, namespace, found...)
	seen.ActiveEndpointCount = int32(min(active, math.MaxInt32)) //nolint:gosec // bounded
	return err
}

// deploymentContext is what the context fetcher k8s-deployment tells.
func deploymentContext(seen v1alpha1.ControlPlaneVerification) map[string]any {
	return map[string]any{
		"targetExists": seen.TargetExists, "hasActiveEndpoints": seen.HasActiveEndpoints,
		"activeEndpointCount": int64(seen.ActiveEndpointCount), "readyReplicas": int64(seen.ReadyReplicas),
		"specReplicas": int64(seen.SpecReplicas), "stateFingerprint": seen.EvaluatedStateFingerprint,
	}
}

// conform holds what the context fetcher found against its schema. What is not as the schema says is not told to
// anybody: policies are compiled against the schema.
func (s *sight) conform(resource *v1alpha1.GovernedResource) {
	if s.Context == nil || resource.Spec.ContextSchema == nil {
		return
	}
	schema, err := policy.ReadSchema(resource.Spec.ContextSchema)
	if err == nil {
		s.Context, err = schema.Conform(s.Context)
	}
	if err != nil {
		s.Context, s.mismatch = nil, err.Error()
	}
}

// failed reports whether a look-up was tried and failed.
func (s *sight) failed() bool { return s.Err != nil && !errors.Is(s.Err, errNotLooked) }

// tell adds to an evaluation what was seen or, when no rule read it and so none failed, that it could not be.
func (s *sight) tell(to lifecycle.Evaluated) (lifecycle.Evaluated, error) {
	to.Verification, to.Mismatch = s.verification, s.mismatch
	if s.failed() && to.Outcome != lifecycle.Deny {
		to.Message = strings.TrimSuffix(to.Message, ".") + ". The target could not be looked up: " + s.Err.Error()
	}
	if s.Context == nil {
		return to, nil
	}
	raw, err := json.Marshal(s.Context)
	if err != nil {
		return to, fmt.Errorf("encode the context of the target: %w", err)
	}
	to.Context = &apiextensionsv1.JSON{Raw: raw}
	return to, nil
}

// contextChange says how what a context fetcher found differs from what it found before; "" when it does not. Both are
// compared as values: the API server writes JSON in its own way.
func contextChange(before, now *apiextensionsv1.JSON) string {
	was, is := fieldsOf(before), fieldsOf(now)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if !reflect.DeepEqual(was[name], is[name]) {
			out = append(out, fmt.Sprintf("%s was %s, is %s", name, short(was[name]), short(is[name])))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, ok := was[name]; !ok {
			out = append(out, fmt.Sprintf("%s was not there, is %s", name, short(is[name])))
		}
	}
	return strings.Join(out, ", ")
}

func fieldsOf(raw *apiextensionsv1.JSON) map[string]any {
	var out map[string]any
	if raw != nil {
		_ = json.Unmarshal(raw.Raw, &out) // what is no object has no fields
	}
	return out
}

// maxShown is how many characters of a field are told.
const maxShown = 80

func short(value any) string {
	if value == nil {
		return "not there"
	}
	text := []rune(fmt.Sprintf("%v", value))
	if len(text) > maxShown {
		return string(text[:maxShown-1]) + "…"
	}
	return string(text)
}
