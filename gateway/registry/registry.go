// Package registry knows, from the AgentRegistrations, which agents a token may act as. It follows them in a cache, so that
// asking it costs no call.
package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authn"
)

// retryAfter is how long an API server that does not know AgentRegistrations, or does not answer, is left alone.
const retryAfter = time.Second

// Registry follows the AgentRegistrations of all namespaces. It is safe for concurrent use.
type Registry struct {
	cache  cache.Cache
	synced atomic.Bool

	mu sync.RWMutex
	// of are the registrations of each agent, in order: the one that is in force is the first.
	of map[string][]*v1alpha1.AgentRegistration
	// claims counts, for each claim that is compared, the registrations that compare it; "" is the gateway's own.
	claims map[string]int
	// by are the agents that a value of a claim may act as, with how many registrations say so.
	by map[subject]map[string]int
}

// subject is a value of a claim.
type subject struct{ claim, value string }

// New returns a Registry that follows what c has once Start runs.
func New(c cache.Cache) *Registry {
	return &Registry{
		cache: c, of: map[string][]*v1alpha1.AgentRegistration{}, claims: map[string]int{}, by: map[subject]map[string]int{},
	}
}

// Of returns a Registry that knows these registrations and follows nothing.
func Of(all []v1alpha1.AgentRegistration) *Registry {
	r := New(nil)
	for i := range all {
		r.add(&all[i])
	}
	r.synced.Store(true)
	return r
}

// NeedLeaderElection tells the manager that every replica runs it, not only the leader.
func (*Registry) NeedLeaderElection() bool { return false }

// Start follows the registrations until ctx ends. The manager calls it after it has started the cache.
func (r *Registry) Start(ctx context.Context) error {
	for {
		informer, err := r.cache.GetInformer(ctx, &v1alpha1.AgentRegistration{}, cache.BlockUntilSynced(false))
		if err == nil {
			return r.follow(ctx, informer)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("follow AgentRegistrations: %w", errors.Join(ctx.Err(), err))
		case <-time.After(retryAfter):
		}
	}
}

func (r *Registry) follow(ctx context.Context, informer cache.Informer) error {
	handle, err := informer.AddEventHandler(r)
	if err != nil {
		return fmt.Errorf("follow AgentRegistrations: %w", err)
	}
	select {
	case <-handle.HasSyncedChecker().Done():
		r.synced.Store(true)
	case <-ctx.Done():
	}
	<-ctx.Done()
	return nil
}

// Ready reports whether all registrations that exist are known. Before that nobody may be judged by them.
func (r *Registry) Ready() bool { return r.synced.Load() }

// InForce returns the registration of an agent that is in force, or none. Of several the oldest is; those that were made within
// the same second, in which Kubernetes counts, are in force together, and what one of them refuses is refused.
func (r *Registry) InForce(agent string) []*v1alpha1.AgentRegistration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.inForce(agent)
}

func (r *Registry) inForce(agent string) []*v1alpha1.AgentRegistration {
	all := r.of[agent]
	n := 0
	for n < len(all) && all[n].Counts() && all[n].CreationTimestamp.Equal(&all[0].CreationTimestamp) {
		n++
	}
	return slices.Clone(all[:n])
}

// Refusal returns the registration because of which a caller may not act as a registered agent, and why; nil and "" when it may.
func (r *Registry) Refusal(agent string, who authn.Identity) (*v1alpha1.AgentRegistration, string) {
	for _, reg := range r.InForce(agent) {
		if why := refusal(reg, who); why != "" {
			return reg, why
		}
	}
	return nil, ""
}

// Latest returns the registration of an agent that is in force or, when none is, the newest that is pending or denied; nil when
// there is none.
func (r *Registry) Latest(agent string) *v1alpha1.AgentRegistration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if all := r.of[agent]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// Agents returns the agents whose registrations in force admit a caller, sorted.
func (r *Registry) Agents(who authn.Identity) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []string
	for claim := range r.claims {
		for agent := range r.by[subject{claim, valueOf(who, claim)}] {
			refuses := func(reg *v1alpha1.AgentRegistration) bool { return refusal(reg, who) != "" }
			if all := r.inForce(agent); len(all) > 0 && !slices.ContainsFunc(all, refuses) && !slices.Contains(out, agent) {
				out = append(out, agent)
			}
		}
	}
	slices.Sort(out)
	return out
}

// valueOf returns the value of a claim of a caller; that of the claim "" is the identity that the gateway sees.
func valueOf(who authn.Identity, claim string) string {
	if claim == "" {
		return who.Subject
	}
	return who.Claim(claim)
}

// refusal says why a registration does not admit a caller, "" when it does.
func refusal(reg *v1alpha1.AgentRegistration, who authn.Identity) string {
	claim, named := claimOf(reg), "its identity"
	if claim != "" {
		named = "its claim " + claim
	}
	value := valueOf(who, claim)
	switch oidc := reg.Spec.OIDC; {
	case oidc != nil && oidc.Issuer != who.Issuer:
		return fmt.Sprintf("it is registered for tokens of issuer %q, this one is of %q", oidc.Issuer, who.Issuer)
	case value == "" || !slices.Contains(Admitted(reg), value):
		return fmt.Sprintf("it is registered for other subjects than %q, which is %s; spec.oidc.allowedSubjects of AgentRegistration %s/%s lists them",
			value, named, reg.Namespace, reg.Name)
	default:
		return ""
	}
}

func claimOf(reg *v1alpha1.AgentRegistration) string {
	if reg.Spec.OIDC == nil {
		return ""
	}
	return reg.Spec.OIDC.SubjectClaim
}

// Admitted are the values of the claim that may act as the agent of a registration.
func Admitted(reg *v1alpha1.AgentRegistration) []string {
	if reg.Spec.OIDC != nil && len(reg.Spec.OIDC.AllowedSubjects) > 0 {
		return reg.Spec.OIDC.AllowedSubjects
	}
	return []string{reg.Spec.AgentIdentity}
}

// OnAdd makes the registry, with OnUpdate and OnDelete, a handler of the informer's events, which come one at a time.
func (r *Registry) OnAdd(obj any, _ bool) { r.change(nil, obj) }

// OnUpdate is described at OnAdd.
func (r *Registry) OnUpdate(before, obj any) { r.change(before, obj) }

// OnDelete is described at OnAdd.
func (r *Registry) OnDelete(obj any) { r.change(obj, nil) }

func (r *Registry) change(before, after any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reg := registrationOf(before); reg != nil {
		r.drop(reg)
	}
	if reg := registrationOf(after); reg != nil {
		r.add(reg)
	}
}

func registrationOf(obj any) *v1alpha1.AgentRegistration {
	if last, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = last.Obj
	}
	reg, _ := obj.(*v1alpha1.AgentRegistration)
	return reg
}

func (r *Registry) add(reg *v1alpha1.AgentRegistration) {
	agent, claim := reg.Spec.AgentIdentity, claimOf(reg)
	r.of[agent] = append(r.of[agent], reg)
	slices.SortFunc(r.of[agent], first)
	r.claims[claim]++
	for _, value := range Admitted(reg) {
		key := subject{claim, value}
		if r.by[key] == nil {
			r.by[key] = map[string]int{}
		}
		r.by[key][agent]++
	}
}

func (r *Registry) drop(reg *v1alpha1.AgentRegistration) {
	agent, claim := reg.Spec.AgentIdentity, claimOf(reg)
	r.of[agent] = slices.DeleteFunc(r.of[agent], func(o *v1alpha1.AgentRegistration) bool { return o.UID == reg.UID })
	if len(r.of[agent]) == 0 {
		delete(r.of, agent)
	}
	if r.claims[claim]--; r.claims[claim] <= 0 {
		delete(r.claims, claim)
	}
	for _, value := range Admitted(reg) {
		key := subject{claim, value}
		if r.by[key][agent]--; r.by[key][agent] <= 0 {
			delete(r.by[key], agent)
		}
		if len(r.by[key]) == 0 {
			delete(r.by, key)
		}
	}
}

// first orders the registrations of one agent: those that count before the others. Of those the oldest is in force, so that
// nobody takes an agent over by registering it again; of the others the newest tells how it stands.
func first(a, b *v1alpha1.AgentRegistration) int {
	if a.Counts() != b.Counts() {
		if a.Counts() {
			return -1
		}
		return 1
	}
	age := a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	if !a.Counts() {
		age = -age
	}
	if age != 0 {
		return age
	}
	return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
}
