package kubelet

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// errNoKey says that a ConfigMap or Secret lacks a key that a container needs.
var errNoKey = errors.New("it has no such key")

// resolver works out the environment of a container, as a kubelet does.
// Source: https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
type resolver struct {
	client kubernetes.Interface
	pod    *corev1.Pod
	ip     string
}

// environment returns the values of spec's variables. A reference to something that is absent is an error unless it
// is optional. No error carries a value.
func (r resolver) environment(ctx context.Context, spec *corev1.Container) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range spec.EnvFrom {
		values, err := r.all(ctx, from)
		if err != nil {
			return nil, err
		}
		for key, value := range values {
			env[from.Prefix+key] = value
		}
	}
	for _, v := range spec.Env {
		if v.ValueFrom == nil {
			env[v.Name] = expand(v.Value, env)
			continue
		}
		value, ok, err := r.one(ctx, v.ValueFrom)
		if err != nil {
			return nil, fmt.Errorf("env %s: %w", v.Name, err)
		}
		if ok {
			env[v.Name] = value
		}
	}
	return env, nil
}

func (r resolver) all(ctx context.Context, from corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.ConfigMapRef != nil:
		return r.configMap(ctx, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
	case from.SecretRef != nil:
		return r.secret(ctx, from.SecretRef.Name, from.SecretRef.Optional)
	default:
		return nil, nil
	}
}

// one returns the value that from refers to, or false when it is optional and absent.
func (r resolver) one(ctx context.Context, from *corev1.EnvVarSource) (string, bool, error) {
	var values map[string]string
	var key, object string
	var optional *bool
	var err error
	switch {
	case from.FieldRef != nil:
		value, err := r.field(from.FieldRef.FieldPath)
		return value, err == nil, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		key, optional, object = ref.Key, ref.Optional, "config map "+ref.Name
		values, err = r.configMap(ctx, ref.Name, optional)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		key, optional, object = ref.Key, ref.Optional, "secret "+ref.Name
		values, err = r.secret(ctx, ref.Name, optional)
	default:
		return "", false, errors.New("this kind of reference is not supported")
	}
	if err != nil {
		return "", false, err
	}
	value, ok := values[key]
	if !ok && !isTrue(optional) {
		return "", false, fmt.Errorf("key %q of %s in namespace %s: %w", key, object, r.pod.Namespace, errNoKey)
	}
	return value, ok, nil
}

// field returns a field of the pod. Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
func (r resolver) field(path string) (string, error) {
	switch path {
	case "spec.nodeName":
		return r.pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return r.pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return r.ip, nil
	case "status.hostIP", "status.hostIPs":
		return hostIP, nil
	default:
		return fieldpath.ExtractFieldPathAsString(r.pod, path)
	}
}

func (r resolver) configMap(ctx context.Context, name string, optional *bool) (map[string]string, error) {
	object, err := r.client.CoreV1().ConfigMaps(r.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, absent(err, optional, "config map "+name)
	}
	return object.Data, nil
}

func (r resolver) secret(ctx context.Context, name string, optional *bool) (map[string]string, error) {
	object, err := r.client.CoreV1().Secrets(r.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, absent(err, optional, "secret "+name)
	}
	values := make(map[string]string, len(object.Data))
	for key, value := range object.Data {
		values[key] = string(value)
	}
	return values, nil
}

// absent returns err, or nil when it says that something optional is not there.
func absent(err error, optional *bool, what string) error {
	if apierrors.IsNotFound(err) && isTrue(optional) {
		return nil
	}
	return fmt.Errorf("read %s: %w", what, err)
}

func isTrue(b *bool) bool { return b != nil && *b }

// expand replaces $(NAME) by the value of NAME.
func expand(s string, env map[string]string) string {
	return expansion.Expand(s, expansion.MappingFuncFor(env))
}
