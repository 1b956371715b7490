package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// auditor writes the records of what happened to requests. What has to be there follows from the stored request, so it
// is complete after a crash at any point: who comes next writes what is missing, before anything else happens to the
// request.
type auditor struct {
	store *store.Store

	mu sync.Mutex
	// told is the version of each request up to which everything is recorded. It saves looking again; the cache of
	// records is a little behind.
	told map[types.UID]string
}

func newAuditor(s *store.Store) *auditor { return &auditor{store: s, told: map[types.UID]string{}} }

// record writes the records of r that are missing.
func (a *auditor) record(ctx context.Context, r *v1alpha1.AgentRequest) error {
	if r.Status.Phase == "" || a.upTo(r.UID) == r.ResourceVersion {
		return nil
	}
	for _, record := range lifecycle.Trail(r) {
		_, err := a.store.Record(ctx, record.Namespace, record.Name)
		if errors.Is(err, store.ErrNotFound) {
			err = a.store.CreateRecord(ctx, record)
		}
		if errors.Is(err, store.ErrNoNamespace) {
			return nil // the namespace is going, with everything in it
		}
		if err != nil {
			return fmt.Errorf("record %s: %w", record.Spec.Event, err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told[r.UID] = r.ResourceVersion
	return nil
}

func (a *auditor) upTo(uid types.UID) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told[uid]
}

// behind reports whether r is older than what was recorded last: the cache is yet to bring what was written since.
func (a *auditor) behind(r *v1alpha1.AgentRequest) bool {
	told := a.upTo(r.UID)
	if told == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(r.ResourceVersion, told)
	return err == nil && order < 0
}

// forget drops what is known of a request that is gone.
func (a *auditor) forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.told, uid)
}
