package reconcile_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/reconcile"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is one running manager with its reconcilers.
type world struct {
	store *store.Store
	live  client.Client
	ns    string
	logs  *logs
	// stop ends the manager, once.
	stop func()
}

// logs collects what is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, election bool) world {
	t.Helper()
	return startWith(t, election, v1alpha1.ActionAllow)
}

// startWith is start for a gateway that does something else when no policy matches.
func startWith(t *testing.T, election bool, byDefault string) world {
	t.Helper()
	config := store.ClientConfig(testkit.Kube(t))
	w := world{logs: &logs{}}
	log := slog.New(slog.NewTextHandler(w.logs, nil))
	manager, err := reconcile.NewManager(config, reconcile.ManagerOptions{
		LeaderElection: election, LeaderElectionNamespace: metav1.NamespaceDefault, Log: log,
	})
	check(t, err)
	scheme, err := store.Scheme()
	check(t, err)
	check(t, corev1.AddToScheme(scheme))
	w.live, err = client.New(config, client.Options{Scheme: scheme})
	check(t, err)
	w.store = store.New(store.Options{Cache: manager.GetCache(), Live: w.live, Now: time.Now})
	check(t, manager.Add(w.store))
	check(t, reconcile.Add(manager, reconcile.Options{Store: w.store, DefaultAction: byDefault, Log: log, Now: time.Now}))

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("manager: %v", err)
		}
		if strings.Contains(w.logs.String(), "level=ERROR") {
			t.Errorf("errors were logged:\n%s", w.logs)
		}
	})
	t.Cleanup(w.stop)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	check(t, w.live.Create(t.Context(), ns))
	w.ns = ns.Name
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

// submit stores a request of agent "agent" and waits until it is decided or held.
func (w world) submit(t *testing.T, action string) *v1alpha1.AgentRequest {
	t.Helper()
	r, _, err := w.store.Create(t.Context(), store.Intent{Namespace: w.ns, SubmittedBy: "agent", Spec: v1alpha1.AgentRequestSpec{
		AgentIdentity: "agent", Action: action, Reason: "because", Target: v1alpha1.Target{URI: "k8s://a/b/c/d"},
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

// patch changes a request the way kubectl patch --type merge does.
func (w world) patch(t *testing.T, r *v1alpha1.AgentRequest, body string) {
	t.Helper()
	check(t, w.live.Patch(t.Context(), r.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(body))))
}

func terminal(r *v1alpha1.AgentRequest) bool { return r.Status.Phase != v1alpha1.PhasePending }
