package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// What marks a Lease as a lock on a target. Scripts written for the public AIP control plane select by the label.
const (
	LabelManagedBy = "governance.aip.io/managed-by"
	ManagedBy      = "aip-controller"
	// annotationHolder is the namespace and name of the request that holds the lock, annotationHolderUID its uid.
	annotationHolder    = "governance.aip.io/held-by"
	annotationHolderUID = "governance.aip.io/held-by-uid"
	// annotationTarget is the target's URI, for people, as far as maxTarget bytes of it: annotations may have 256 KiB together.
	annotationTarget = "governance.aip.io/target"
	maxTarget        = 4096
)

// ErrLockLost says that the lock on the target is not the request's, or not any more.
var ErrLockLost = errors.New("the lock on the target is not held by this request")

// LockName is the name of the Lease that is the lock on a target.
func LockName(uri string) string {
	sum := sha256.Sum256([]byte(uri))
	return "aip-lock-" + hex.EncodeToString(sum[:])
}

// Lock is a Lease that is the lock on a target.
type Lock struct{ lease *coordinationv1.Lease }

// HeldBy reports whether the lock is r's.
func (l Lock) HeldBy(r *v1alpha1.AgentRequest) bool {
	return l.lease != nil && l.lease.Annotations[annotationHolderUID] == string(r.UID)
}

// Holder says which request holds the lock; the name is empty when no request does.
func (l Lock) Holder() (key types.NamespacedName, uid types.UID) {
	key.Namespace, key.Name, _ = strings.Cut(l.lease.Annotations[annotationHolder], "/")
	return key, types.UID(l.lease.Annotations[annotationHolderUID])
}

// String says who holds the lock.
func (l Lock) String() string { return ptr.Deref(l.lease.Spec.HolderIdentity, "nobody") }

// Until is when the lock expires unless it is renewed.
func (l Lock) Until() time.Time {
	if l.lease.Spec.RenewTime == nil {
		return l.lease.CreationTimestamp.Add(l.duration())
	}
	return l.lease.Spec.RenewTime.Add(l.duration())
}

func (l Lock) duration() time.Duration {
	return time.Duration(ptr.Deref(l.lease.Spec.LeaseDurationSeconds, 0)) * time.Second
}

// Lock takes the lock on r's target for a while. ErrExists says that somebody holds it, r maybe.
func (s *Store) Lock(ctx context.Context, r *v1alpha1.AgentRequest, duration time.Duration) (Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: s.locks, Name: LockName(r.Spec.Target.URI)}}
	s.fill(lease, r, duration)
	return Lock{lease}, classify("lock the target", s.live.Create(ctx, lease))
}

// TakeOver makes an expired lock of somebody else r's, provided that it did not change meanwhile; else ErrConflict.
func (s *Store) TakeOver(ctx context.Context, l Lock, r *v1alpha1.AgentRequest, duration time.Duration) (Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	lease := l.lease.DeepCopy()
	s.fill(lease, r, duration)
	lease.Spec.LeaseTransitions = ptr.To(ptr.Deref(lease.Spec.LeaseTransitions, 0) + 1)
	return Lock{lease}, classify("take the lock over", s.live.Update(ctx, lease))
}

func (s *Store) fill(lease *coordinationv1.Lease, r *v1alpha1.AgentRequest, duration time.Duration) {
	now := metav1.NewMicroTime(s.now())
	metav1.SetMetaDataLabel(&lease.ObjectMeta, LabelManagedBy, ManagedBy)
	metav1.SetMetaDataAnnotation(&lease.ObjectMeta, annotationHolder, r.Namespace+"/"+r.Name)
	metav1.SetMetaDataAnnotation(&lease.ObjectMeta, annotationHolderUID, string(r.UID))
	metav1.SetMetaDataAnnotation(&lease.ObjectMeta, annotationTarget, strings.ToValidUTF8(cut(r.Spec.Target.URI, maxTarget), ""))
	lease.Spec.HolderIdentity = ptr.To(r.Spec.AgentIdentity + "/" + r.Name)
	lease.Spec.LeaseDurationSeconds = ptr.To(int32(min(max(math.Ceil(duration.Seconds()), 1), math.MaxInt32)))
	lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
}

// LockOn returns the lock on a target as the cache has it, or ErrNotFound.
func (s *Store) LockOn(ctx context.Context, uri string) (Lock, error) {
	var lease coordinationv1.Lease
	err := s.cache.Get(ctx, key(s.locks, LockName(uri)), &lease, shared())
	return Lock{&lease}, classify("get lock", err)
}

// LiveLockOn returns the lock on a target as it is stored now, or ErrNotFound.
func (s *Store) LiveLockOn(ctx context.Context, uri string) (Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	var lease coordinationv1.Lease
	err := s.live.Get(ctx, key(s.locks, LockName(uri)), &lease)
	return Lock{&lease}, classify("get lock", err)
}

// LockOf returns a Lease as a lock.
func LockOf(lease *coordinationv1.Lease) Lock { return Lock{lease} }

// Renew makes the lock last for its whole time from now on, provided that it did not change meanwhile; else ErrConflict.
func (s *Store) Renew(ctx context.Context, l Lock) (Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	lease := l.lease.DeepCopy()
	lease.Spec.RenewTime = ptr.To(metav1.NewMicroTime(s.now()))
	return Lock{lease}, classify("renew lock", s.live.Update(ctx, lease))
}

// Unlock removes the lock while it is held by the request with that uid. A lock that is gone or another's is left alone.
func (s *Store) Unlock(ctx context.Context, l Lock, holder types.UID) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for range maxAttempts {
		if _, uid := l.Holder(); uid != holder {
			return nil
		}
		err := classify("unlock the target", s.live.Delete(ctx, l.lease.DeepCopy(),
			client.Preconditions{UID: &l.lease.UID, ResourceVersion: &l.lease.ResourceVersion}))
		if !errors.Is(err, ErrConflict) {
			return unlessNotFound(err)
		}
		var lease coordinationv1.Lease // it was renewed or taken over meanwhile
		if err := classify("get lock", s.live.Get(ctx, client.ObjectKeyFromObject(l.lease), &lease)); err != nil {
			return unlessNotFound(err)
		}
		l = Lock{&lease}
	}
	return fmt.Errorf("unlock the target: %w: %d times", ErrConflict, maxAttempts)
}

// Locks returns all locks as the cache has them.
func (s *Store) Locks(ctx context.Context) ([]Lock, error) {
	var list coordinationv1.LeaseList
	err := s.cache.List(ctx, &list, client.InNamespace(s.locks), client.MatchingLabels{LabelManagedBy: ManagedBy}, client.UnsafeDisableDeepCopy)
	out := make([]Lock, len(list.Items))
	for i := range list.Items {
		out[i] = Lock{&list.Items[i]}
	}
	return out, classify("list locks", err)
}

// Heartbeat tells that the agent of an executing request is alive: the lock lasts for its whole time from now on. It
// returns until when, or ErrLockLost.
func (s *Store) Heartbeat(ctx context.Context, r *v1alpha1.AgentRequest) (time.Time, error) {
	for range maxAttempts {
		l, err := s.LiveLockOn(ctx, r.Spec.Target.URI)
		switch {
		case isNotFound(err):
			return time.Time{}, fmt.Errorf("heartbeat: %w: nobody holds it", ErrLockLost)
		case err != nil:
			return time.Time{}, err
		case !l.HeldBy(r):
			return time.Time{}, fmt.Errorf("heartbeat: %w: %s does", ErrLockLost, l)
		case !s.now().Before(l.Until()):
			return time.Time{}, fmt.Errorf("heartbeat: %w: it expired at %s", ErrLockLost, l.Until().UTC().Format(time.RFC3339))
		}
		if l, err = s.Renew(ctx, l); !errors.Is(err, ErrConflict) {
			return l.Until(), err
		}
	}
	return time.Time{}, fmt.Errorf("heartbeat: %w: %d times", ErrConflict, maxAttempts)
}
