package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/lru"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// sharedMaps is how many sets of labels and annotations are remembered, for objects that come later.
const sharedMaps = 1024

// Compact returns the transform of the gateway's cache, which holds every request and record there is: it leaves out who
// wrote which field, which nobody reads there, and lets equal texts and maps share their memory. The records of a request
// say again what the request says, and most requests of an agent are about the same few things.
// Source: https://pkg.go.dev/k8s.io/client-go/tools/cache#TransformFunc
func Compact() cache.TransformFunc {
	c := compactor{maps: lru.New(sharedMaps)}
	return func(obj any) (any, error) {
		if o, ok := obj.(metav1.Object); ok {
			o.SetManagedFields(nil)
		}
		switch o := obj.(type) {
		case *v1alpha1.AgentRequest:
			c.request(o)
		case *v1alpha1.AuditRecord:
			c.record(o)
		}
		return obj, nil
	}
}

// compactor remembers maps by what is in them.
type compactor struct{ maps *lru.Cache }

func (c compactor) request(r *v1alpha1.AgentRequest) {
	r.Labels = c.shared(r.Labels) // annotations are the request's own
	share(&r.Namespace, &r.Name, &r.GenerateName, (*string)(&r.UID),
		&r.Spec.AgentIdentity, &r.Spec.Action, &r.Spec.Reason, &r.Spec.Target.URI, &r.Spec.Mode, &r.Spec.ExecutionMode, &r.Spec.Classification,
		(*string)(&r.Status.Phase), &r.Status.EvaluationFingerprint)
	for i := range r.Status.Conditions {
		c := &r.Status.Conditions[i]
		share(&c.Type, (*string)(&c.Status), &c.Reason, &c.Message)
	}
	compactResults(r.Status.PolicyResults)
	if d := r.Status.Denial; d != nil {
		share(&d.Code, &d.Message)
		compactResults(d.PolicyResults)
	}
}

func compactResults(results []v1alpha1.PolicyResult) {
	for i := range results {
		share(&results[i].PolicyName, &results[i].RuleName, &results[i].Result)
	}
}

func (c compactor) record(r *v1alpha1.AuditRecord) {
	r.Labels, r.Spec.Annotations = c.shared(r.Labels), c.shared(r.Spec.Annotations)
	share(&r.Namespace, &r.Spec.AgentIdentity, &r.Spec.AgentRequestRef, &r.Spec.Action, &r.Spec.TargetURI, (*string)(&r.Spec.Event), &r.Spec.Reason)
	if p := r.Spec.PhaseTransition; p != nil {
		share((*string)(&p.From), (*string)(&p.To))
	}
	for i := range r.Spec.PolicyEvaluations {
		p := &r.Spec.PolicyEvaluations[i]
		share(&p.PolicyName, &p.RuleName, &p.Result, &p.Reason)
	}
}

// share lets each text share the memory of those that are equal.
func share(texts ...*string) {
	for _, t := range texts {
		if *t != "" {
			*t = unique.Make(*t).Value()
		}
	}
}

// shared returns a map that is equal to m, which nobody may change: other objects have it too.
func (c compactor) shared(m map[string]string) map[string]string {
	if len(m) == 0 {
		return m
	}
	var content strings.Builder
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&content, "%q %q ", key, m[key])
	}
	if known, ok := c.maps.Get(content.String()); ok {
		if same, ok := known.(map[string]string); ok {
			return same
		}
	}
	out := make(map[string]string, len(m))
	for key, value := range m {
		share(&key, &value)
		out[key] = value
	}
	c.maps.Add(content.String(), out)
	return out
}
