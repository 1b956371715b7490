package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

const (
	// byRequest is the index by which the records of one request are found.
	byRequest = "spec.agentRequestRef"
	// byTrust is the index by which the records are found that say how far agents are trusted, see trustKeys.
	byTrust = "trust"
)

// indexRecords makes the indexes, and with them the cache of AuditRecords.
func (s *Store) indexRecords(ctx context.Context) error {
	err := s.indexRecordsBy(ctx, byRequest, func(r *v1alpha1.AuditRecord) []string { return []string{r.Spec.AgentRequestRef} })
	if err != nil {
		return err
	}
	return s.indexRecordsBy(ctx, byTrust, trustKeys)
}

// indexRecordsBy makes one index. It asks again while the API server does not know the type or does not answer.
func (s *Store) indexRecordsBy(ctx context.Context, name string, keys func(*v1alpha1.AuditRecord) []string) error {
	for {
		err := s.cache.IndexField(ctx, &v1alpha1.AuditRecord{}, name, func(o client.Object) []string {
			if r, ok := o.(*v1alpha1.AuditRecord); ok {
				return keys(r)
			}
			return nil
		})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("follow AuditRecords: %w", errors.Join(ctx.Err(), err))
		case <-time.After(time.Second):
		}
	}
}

// CreateRecord stores a record. One that is stored already is left as it is: records are named after what they tell.
func (s *Store) CreateRecord(ctx context.Context, r *v1alpha1.AuditRecord) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := classify("create AuditRecord", s.live.Create(ctx, r))
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// Record returns one record as the cache has it, or ErrNotFound.
func (s *Store) Record(ctx context.Context, namespace, name string) (*v1alpha1.AuditRecord, error) {
	var r v1alpha1.AuditRecord
	return &r, classify("get AuditRecord", s.cache.Get(ctx, key(namespace, name), &r, shared()))
}

// Records returns the records of a namespace (all when empty) for which match is true, the newest first and so many at most,
// all when that is 0.
func (s *Store) Records(ctx context.Context, namespace string, most int, match func(*v1alpha1.AuditRecord) bool) ([]*v1alpha1.AuditRecord, error) {
	return kept(ctx, s, &v1alpha1.AuditRecord{}, namespace, most, match, func(a, b *v1alpha1.AuditRecord) int { return CompareRecords(b, a) })
}

// RecordsOf returns the records of requests of one name for which match is true, the newest first. It is quick however
// many others there are.
func (s *Store) RecordsOf(
	ctx context.Context, namespace, request string, match func(*v1alpha1.AuditRecord) bool,
) ([]*v1alpha1.AuditRecord, error) {
	var list v1alpha1.AuditRecordList
	err := s.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy, client.MatchingFields{byRequest: request})
	if err != nil {
		return nil, classify("list AuditRecords", err)
	}
	out := make([]*v1alpha1.AuditRecord, 0, len(list.Items))
	for i := range list.Items {
		if r := &list.Items[i]; match(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *v1alpha1.AuditRecord) int { return CompareRecords(b, a) })
	return out, nil
}

// Trail returns the records of r itself, not those of another request that had its name, the oldest first.
func (s *Store) Trail(ctx context.Context, r *v1alpha1.AgentRequest) ([]*v1alpha1.AuditRecord, error) {
	records, err := s.RecordsOf(ctx, r.Namespace, r.Name, func(a *v1alpha1.AuditRecord) bool {
		return a.Labels[v1alpha1.LabelAgentRequestUID] == string(r.UID)
	})
	slices.Reverse(records)
	return records, err
}

// CompareRecords orders records by time; those of one second by what happens first in a request's life.
func CompareRecords(a, b *v1alpha1.AuditRecord) int {
	if c := a.Spec.Timestamp.Compare(b.Spec.Timestamp.Time); c != 0 {
		return c // most differ here
	}
	return cmp.Or(
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Spec.AgentRequestRef, b.Spec.AgentRequestRef),
		cmp.Compare(strings.Index(lifeOrder, string(a.Spec.Event)), strings.Index(lifeOrder, string(b.Spec.Event))),
		strings.Compare(a.Name, b.Name),
	)
}

// lifeOrder is the order of events that happen within one second.
const lifeOrder = "request.submitted request.observed policy.evaluated state.drifted request.approved request.denied " +
	"token.issued lock.acquired request.executing heartbeat.timeout lock.expired request.completed request.failed verdict.submitted " +
	"request.expired lock.released agent.trustprofile.updated"
