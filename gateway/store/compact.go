package store

import (
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// Compact is the transform of the gateway's cache, which holds every request and record there is: it leaves out who wrote
// which field, which nobody reads there, and lets equal texts share their memory. The records of a request say again what
// the request says, and most requests of an agent are about the same few things.
// Source: https://pkg.go.dev/k8s.io/client-go/tools/cache#TransformFunc
func Compact(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	switch o := obj.(type) {
	case *v1alpha1.AgentRequest:
		compactRequest(o)
	case *v1alpha1.AuditRecord:
		compactRecord(o)
	}
	return obj, nil
}

func compactRequest(r *v1alpha1.AgentRequest) {
	r.Labels, r.Annotations = sharedMap(r.Labels), sharedMap(r.Annotations)
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

func compactRecord(r *v1alpha1.AuditRecord) {
	r.Labels, r.Spec.Annotations = sharedMap(r.Labels), sharedMap(r.Spec.Annotations)
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

// sharedMap returns a map like m with shared keys and values.
func sharedMap(m map[string]string) map[string]string {
	for key, value := range m {
		share(&key, &value)
		m[key] = value // a key that is there is replaced by its equal
	}
	return m
}
