package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// What callers tell apart. Every error of this package that is not one of these is a fault of the installation.
var (
	// ErrNotFound: there is no such request.
	ErrNotFound = errors.New("not found")
	// ErrNoNamespace: the namespace does not exist or is being deleted.
	ErrNoNamespace = errors.New("no such namespace")
	// ErrExists: there is an object of that name already.
	ErrExists = errors.New("already exists")
	// ErrConflict: what is stored is not what the writer had read.
	ErrConflict = errors.New("changed meanwhile")
	// ErrDeleted: the request that was followed is gone.
	ErrDeleted = errors.New("deleted")
	// ErrUnavailable: the API server does not answer, or not yet.
	ErrUnavailable = errors.New("the Kubernetes API is not available")
)

// InvalidError says that the API server refuses an object because of what it says.
type InvalidError struct {
	// Kind is the kind of the object; empty means AgentRequest.
	Kind string
	// Text lists the faults, each with its field.
	Text string
}

// Error returns the faults.
func (e *InvalidError) Error() string {
	return "invalid " + cmp.Or(e.Kind, "AgentRequest") + ": " + e.Text
}

// classify wraps an error of the Kubernetes client with what was tried, and with one of the errors above.
func classify(action string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", action, err)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return fmt.Errorf("%s: %w: %w", action, ErrNoNamespace, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", action, notFound(err), err)
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%s: %w: %w", action, ErrExists, err)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: %w: %w", action, ErrConflict, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return &InvalidError{Kind: kindOf(err), Text: faults(err)}
	case unavailable(err):
		return fmt.Errorf("%s: %w: %w", action, ErrUnavailable, err)
	default:
		return fmt.Errorf("%s: %w", action, err)
	}
}

// unavailable reports whether err says that the API server does not serve now, or not this type yet.
func unavailable(err error) bool {
	var unreachable *url.Error
	var network net.Error
	var unstarted *cache.ErrCacheNotStarted
	return apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTooManyRequests(err) || meta.IsNoMatchError(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &unreachable) || errors.As(err, &network) || errors.As(err, &unstarted)
}

// notFound tells a missing namespace from a missing request: the API server answers 404 for both.
func notFound(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces" {
		return ErrNoNamespace
	}
	return ErrNotFound
}

// kindOf returns the kind of the object that err is about, or "".
func kindOf(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return ""
	}
	return status.Status().Details.Kind
}

// faults returns what the API server says about each field, without its repetition of the object's name.
func faults(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err.Error()
	}
	var out []string
	if details := status.Status().Details; details != nil {
		for _, c := range details.Causes {
			out = append(out, strings.TrimPrefix(c.Field+": ", ": ")+c.Message)
		}
	}
	if len(out) == 0 {
		return status.Status().Message
	}
	return strings.Join(out, "; ")
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

func unlessNotFound(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}
