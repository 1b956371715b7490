package reconcile

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/policy"
	"github.com/aip-dev/aip-dev/gateway/store"
)

// rates counts requests for the rules that limit them. A request counts from its evaluation on, unless a rate limit
// denied it. Requests are evaluated one at a time here, and those whose result the cache does not have yet are
// remembered, so that a limit holds however many come at once. A request that is evaluated again is held against those that came
// before it: it counts already for those that came later.
type rates struct {
	store *store.Store

	mu sync.Mutex
	// passed are requests that were evaluated and that the cache may not show as such yet.
	passed map[types.UID]*v1alpha1.AgentRequest
}

func newRates(s *store.Store) *rates {
	return &rates{store: s, passed: map[types.UID]*v1alpha1.AgentRequest{}}
}

// count lets decide ask how many requests came before.
func (r *rates) count(
	ctx context.Context, in policy.Input, decide func(context.Context, policy.Input) policy.Decision,
) (policy.Decision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counted, err := r.counted(ctx, in.Request.UID)
	if err != nil {
		return policy.Decision{}, err
	}
	again := meta.IsStatusConditionTrue(in.Request.Status.Conditions, v1alpha1.ConditionPolicyEvaluated)
	in.Recent = func(scope policy.Scope, since time.Time) []time.Time {
		var out []time.Time
		for _, other := range counted {
			if again && other.CreationTimestamp.After(in.Request.CreationTimestamp.Time) {
				continue
			}
			if other.CreationTimestamp.After(since) && scope.Matches(other) {
				out = append(out, other.CreationTimestamp.Time)
			}
		}
		slices.SortFunc(out, time.Time.Compare)
		return out
	}
	d := decide(ctx, in)
	if d.Code != v1alpha1.DenialRateLimited {
		r.passed[in.Request.UID] = in.Request
	}
	return d, nil
}

// counted returns the requests that count, other than the one with that uid.
func (r *rates) counted(ctx context.Context, but types.UID) ([]*v1alpha1.AgentRequest, error) {
	out, err := r.store.List(ctx, "", func(other *v1alpha1.AgentRequest) bool {
		if other.Status.Phase == "" {
			return false // the reconciler has not come to it; it is among passed when it has
		}
		delete(r.passed, other.UID)
		return other.UID != but && (other.Status.Denial == nil || other.Status.Denial.Code != v1alpha1.DenialRateLimited)
	})
	if err != nil {
		return nil, fmt.Errorf("count requests: %w", err)
	}
	for uid, other := range r.passed {
		if uid != but {
			out = append(out, other)
		}
	}
	return out, nil
}

// forget drops what is known of a request that is gone.
func (r *rates) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.passed, uid)
}
