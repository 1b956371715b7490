package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// SetStatus stores status as the status of r, provided that r is still what is stored, and returns what is stored
// then; else it returns ErrConflict.
func (s *Store) SetStatus(
	ctx context.Context, r *v1alpha1.AgentRequest, status v1alpha1.AgentRequestStatus,
) (*v1alpha1.AgentRequest, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	changed := r.DeepCopy()
	changed.Status = status
	return changed, classify("write status of AgentRequest", s.live.Status().Update(ctx, changed))
}

// ChangeStatus stores the status that change returns for the stored request, and returns what is stored then. Reading
// and writing are one step, as in Decide. The error of change is returned as it is. The server uses it for what agents
// and reviewers report: conditions, result and verdict. The phase belongs to the reconciler.
func (s *Store) ChangeStatus(
	ctx context.Context, namespace, name string,
	change func(*v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error),
) (*v1alpha1.AgentRequest, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for range maxAttempts {
		r, err := s.liveGet(ctx, namespace, name)
		if err != nil {
			return nil, err
		}
		status, err := change(r.DeepCopy())
		if err != nil {
			return nil, err
		}
		if r, err = s.SetStatus(ctx, r, status); !errors.Is(err, ErrConflict) {
			return r, err
		}
	}
	return nil, fmt.Errorf("write status of AgentRequest: %w: %d times", ErrConflict, maxAttempts)
}

// SetPolicyStatus stores status as the status of p, provided that p is still what is stored; else ErrConflict.
func (s *Store) SetPolicyStatus(ctx context.Context, p *v1alpha1.SafetyPolicy, status v1alpha1.SafetyPolicyStatus) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	changed := p.DeepCopy()
	changed.Status = status
	return classify("write status of SafetyPolicy", s.live.Status().Update(ctx, changed))
}

// ChangeRegistration stores the status that change returns for the stored registration, and returns what is stored then.
// Reading and writing are one step, as in Decide. The error of change is returned as it is.
func (s *Store) ChangeRegistration(
	ctx context.Context, namespace, name string,
	change func(*v1alpha1.AgentRegistration) (v1alpha1.AgentRegistrationStatus, error),
) (*v1alpha1.AgentRegistration, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for range maxAttempts {
		var r v1alpha1.AgentRegistration
		if err := s.live.Get(ctx, key(namespace, name), &r); err != nil {
			return nil, classify("get AgentRegistration", err)
		}
		status, err := change(r.DeepCopy())
		if err != nil {
			return nil, err
		}
		r.Status = status
		err = classify("write status of AgentRegistration", s.live.Status().Update(ctx, &r))
		if !errors.Is(err, ErrConflict) {
			return &r, err
		}
	}
	return nil, fmt.Errorf("write status of AgentRegistration: %w: %d times", ErrConflict, maxAttempts)
}

// Registrations returns the AgentRegistrations of a namespace, as the cache has them, by name.
func (s *Store) Registrations(ctx context.Context, namespace string) ([]v1alpha1.AgentRegistration, error) {
	var list v1alpha1.AgentRegistrationList
	if err := s.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, classify("list AgentRegistrations", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.AgentRegistration) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// key returns the name of an object as the client wants it.
func key(namespace, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}
