package reconcile_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/reconcile"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// world is one running manager with its reconcilers.
type world struct {
	store *store.Store
	live  client.Client
	ns    string
	logs  *testkit.Log
	// stop ends the manager, once.
	stop func()
}

// setup is what a world is made with.
type setup struct {
	election  bool
	byDefault string
	// wrap, when not nil, stands between the store and the API server.
	wrap func(client.WithWatch) client.Client
	// config, when not nil, is used instead of the administrator's.
	config *rest.Config
	// times are the limits; zero values are the defaults.
	times reconcile.Options
	now   func() time.Time
	// flooded says that reconciles may run out of time, which is logged as an error and tried again.
	flooded bool
}

func start(t *testing.T, election bool) world {
	t.Helper()
	return startWith(t, setup{election: election, byDefault: v1alpha1.ActionAllow})
}

// assemble returns a manager with its reconcilers that does not run yet.
func assemble(config *rest.Config, s setup, log *slog.Logger) (manager.Manager, *store.Store, error) {
	m, err := reconcile.NewManager(config, reconcile.ManagerOptions{
		LeaderElection: s.election, LeaderElectionNamespace: metav1.NamespaceDefault, LockNamespace: metav1.NamespaceDefault, Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	own, err := client.NewWithWatch(config, client.Options{Scheme: m.GetScheme(), Mapper: m.GetRESTMapper()})
	if err != nil {
		return nil, nil, err
	}
	through := client.Client(own)
	if s.wrap != nil {
		through = s.wrap(own)
	}
	if s.now == nil {
		s.now = time.Now
	}
	kept := store.New(store.Options{Cache: m.GetCache(), Live: through, LockNamespace: metav1.NamespaceDefault, Now: s.now})
	if err := m.Add(kept); err != nil {
		return nil, nil, err
	}
	o := s.times
	o.Store, o.DefaultAction, o.Log, o.Now = kept, s.byDefault, log, s.now
	return m, kept, reconcile.Add(m, o)
}

// startWith starts a manager as s says.
func startWith(t *testing.T, s setup) world {
	t.Helper()
	config := s.config
	if config == nil {
		config = store.ClientConfig(testkit.Kube(t))
	}
	w := world{logs: &testkit.Log{}, live: testkit.Client(t)}
	m, kept, err := assemble(config, s, slog.New(slog.NewTextHandler(w.logs, nil)))
	check(t, err)
	w.store, w.ns = kept, testkit.Namespace(t, w.live)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("manager: %v", err)
		}
		if !s.flooded && strings.Contains(w.logs.String(), "level=ERROR") {
			t.Errorf("errors were logged:\n%s", w.logs)
		}
	})
	t.Cleanup(w.stop)
	eventually(t, w.store.Ready)
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not happen within 20 s")
		}
	}
}

// policyIn stores a policy for one action in a namespace and waits until it is in force.
func (w world) policyIn(t *testing.T, namespace, action, then string) *v1alpha1.SafetyPolicy {
	t.Helper()
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "policy-"},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{{
			Name: "rule", Type: v1alpha1.RuleStateEvaluation, Action: then,
			Expression: `request.spec.action == "` + action + `"`, Message: then + " " + action,
		}}},
	}
	check(t, w.live.Create(t.Context(), p))
	w.judged(t, p, metav1.ConditionTrue)
	return p
}

// judged waits until the policy's Valid condition says want about its newest generation.
func (w world) judged(t *testing.T, p *v1alpha1.SafetyPolicy, want metav1.ConditionStatus) string {
	t.Helper()
	var message string
	eventually(t, func() bool {
		check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(p), p))
		c := meta.FindStatusCondition(p.Status.Conditions, "Valid")
		if c == nil || c.ObservedGeneration != p.Generation {
			return false
		}
		message = c.Message
		return c.Status == want
	})
	return message
}

// newTarget returns the URI of a target that no other request has: a target has one holder at a time.
func newTarget() string { return "k8s://prod/default/deployment/" + strings.ToLower(rand.Text()) }

// submit stores a request of agent "agent" and waits until it is decided or held.
func (w world) submit(t *testing.T, action string) *v1alpha1.AgentRequest {
	t.Helper()
	r, _, err := w.store.Create(t.Context(), store.Intent{Namespace: w.ns, SubmittedBy: "agent", Spec: v1alpha1.AgentRequestSpec{
		AgentIdentity: "agent", Action: action, Reason: "because", Target: v1alpha1.Target{URI: newTarget()},
	}})
	check(t, err)
	return w.await(t, r, func(r *v1alpha1.AgentRequest) bool {
		return r.Status.Phase != "" && (r.Status.Phase != v1alpha1.PhasePending || held(r))
	})
}

func held(r *v1alpha1.AgentRequest) bool {
	return meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionRequiresApproval)
}

func (w world) await(t *testing.T, r *v1alpha1.AgentRequest, done func(*v1alpha1.AgentRequest) bool) *v1alpha1.AgentRequest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := w.store.Wait(ctx, r.Namespace, r.Name, done)
	check(t, err)
	return r
}

// decide records a decision about what the request is evaluated to now, the way kubectl patch does. Policies of other
// tests may have it evaluated again meanwhile.
func (w world) decide(t *testing.T, r *v1alpha1.AgentRequest, decision, by, reason string) {
	t.Helper()
	r = r.DeepCopy() // what the store returns is the cache's
	eventually(t, func() bool {
		check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(r), r))
		err := w.live.Patch(t.Context(), r.DeepCopy(), client.RawPatch("application/merge-patch+json", fmt.Appendf(nil,
			`{"spec":{"humanApproval":{"decision":%q,"forGeneration":%d,"approvedBy":%q,"reason":%q}}}`,
			decision, r.Status.EvaluationGeneration, by, reason)))
		if err != nil && !strings.Contains(err.Error(), "forGeneration") {
			t.Fatal(err)
		}
		return err == nil
	})
}

func terminal(r *v1alpha1.AgentRequest) bool { return r.Status.Phase != v1alpha1.PhasePending }
