package objects

import (
	"errors"
	"fmt"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Labels that mark what an environment made in a cluster that it shares with others.
// Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
const (
	LabelManagedBy   = "app.kubernetes.io/managed-by"
	LabelEnvironment = "aip-dev/environment"
	managedBy        = "aip-dev"
)

// ErrForeign says that an object is there and carries no mark of this owner. It is left as it is.
var ErrForeign = errors.New("it is there already and was not made by this environment")

// ForeignError names the object.
type ForeignError struct {
	// Object is kind, namespace and name.
	Object string
	// Of names the environment that made it, "" when nobody's mark is on it.
	Of string
}

// Error names the object and, when that is known, its owner.
func (e *ForeignError) Error() string {
	if e.Of != "" {
		return fmt.Sprintf("%s belongs to environment %s of aip-dev", e.Object, e.Of)
	}
	return e.Object + ": " + ErrForeign.Error()
}

// Unwrap returns ErrForeign.
func (*ForeignError) Unwrap() error { return ErrForeign }

// Owner is the environment whose objects are brought about. In a shared cluster everything that it makes carries its
// marks, and what does not is left alone: an object in the way is a ForeignError, but a namespace is used as it is, and
// so is a definition that holds all that is wanted. The zero Owner marks nothing and has a cluster of its own.
type Owner struct {
	// Environment is the environment's name.
	Environment string
	// PassOver leaves objects of others in the way without an error; Result names them.
	PassOver bool
}

func (o Owner) alone() bool { return o.Environment == "" }

// Labels returns the marks.
func (o Owner) Labels() map[string]string {
	return map[string]string{LabelManagedBy: managedBy, LabelEnvironment: o.Environment}
}

// Selector selects what carries the marks.
func (o Owner) Selector() string {
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: o.Labels()})
}

// Owns reports whether labels hold the marks.
func (o Owner) Owns(labels map[string]string) bool {
	return !o.alone() && labels[LabelManagedBy] == managedBy && labels[LabelEnvironment] == o.Environment
}

// mark returns obj with the marks.
func (o Owner) mark(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if o.alone() {
		return obj
	}
	obj = obj.DeepCopy()
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range o.Labels() {
		labels[key] = value
	}
	obj.SetLabels(labels)
	return obj
}

// foreign says what live, which is in the way of obj, comes to when it is not the owner's.
func (o Owner) foreign(live, obj *unstructured.Unstructured) outcome {
	switch {
	case obj.GetKind() == "Namespace":
		return unchanged
	case obj.GetKind() == "CustomResourceDefinition" && covers(live.Object["spec"], obj.Object["spec"]):
		return unchanged
	default:
		return foreign
	}
}

// foreignError describes live, which is in the way.
func foreignError(live *unstructured.Unstructured) error {
	labels := live.GetLabels()
	e := &ForeignError{Object: describe(live)}
	if labels[LabelManagedBy] == managedBy {
		e.Of = labels[LabelEnvironment]
	}
	return e
}

// covers reports whether live holds everything that want does. The server's own defaults, and fields of a newer
// definition, may be there in addition.
func covers(live, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := live.(map[string]any)
		if !ok {
			return len(want) == 0 && live == nil
		}
		for key, value := range want {
			if !covers(have[key], value) {
				return false
			}
		}
		return true
	case []any:
		have, ok := live.([]any)
		if !ok || len(have) != len(want) {
			return len(want) == 0 && live == nil
		}
		for i := range want {
			if !covers(have[i], want[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(number(live), number(want))
	}
}

// number makes all numbers of one type: YAML and the server's JSON differ in theirs.
func number(v any) any {
	switch n := v.(type) {
	case int64:
		return float64(n)
	case int:
		return float64(n)
	default:
		return v
	}
}
