package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/reconcile"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// victimKubeconfig names the variable that makes a copy of this test program a victim: a reconciler that ends itself by
// SIGKILL right after its first write.
const victimKubeconfig = "AIP_TEST_VICTIM_KUBECONFIG"

func TestMain(m *testing.M) {
	if path := os.Getenv(victimKubeconfig); path != "" {
		fmt.Fprintln(os.Stderr, victim(path))
		os.Exit(1)
	}
	testkit.Main(m)
}

// victim drives requests forward until its first write is done. It prints what it wrote before it dies.
func victim(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	dying := func(c client.WithWatch) client.Client {
		die := func(what string, o client.Object, err error) error {
			if err == nil {
				fmt.Printf("%s %T\n", what, o)
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill() // SIGKILL: nothing comes after it
				select {}
			}
			return err
		}
		return interceptor.NewClient(c, interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				return die("create", o, c.Create(ctx, o, opts...))
			},
			Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
				return die("update", o, c.Update(ctx, o, opts...))
			},
			Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
				return die("delete", o, c.Delete(ctx, o, opts...))
			},
			SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
				return die("status", o, c.SubResource(sub).Update(ctx, o, opts...))
			},
		})
	}
	log := slog.New(slog.DiscardHandler)
	m, _, err := assemble(store.ClientConfig(config), setup{byDefault: v1alpha1.ActionAllow, wrap: dying}, log)
	if err != nil {
		return err
	}
	return m.Start(context.Background())
}

// kubeconfigOf writes a file that gives a victim the access of config.
func kubeconfigOf(t *testing.T, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	check(t, clientcmd.WriteToFile(api.Config{
		Clusters:       map[string]*api.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData, CertificateAuthority: config.CAFile}},
		AuthInfos:      map[string]*api.AuthInfo{"u": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, ClientCertificate: config.CertFile, ClientKey: config.KeyFile, Token: config.BearerToken, TokenFile: config.BearerTokenFile}},
		Contexts:       map[string]*api.Context{"x": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "x",
	}, path))
	return path
}

// TestKilledAtEachWrite: hole: in the reference a crash between two writes loses an audit record for ever, or leaves the
// target locked. Attack: kill -9 after each single write of the whole life of a request, with the agent and the reviewer
// acting in between. Proof: the request comes to its end, its target is free, and each event is recorded once. It does not
// run beside the other tests, whose managers would do the work.
func TestKilledAtEachWrite(t *testing.T) { //nolint:paralleltest // see above
	path := kubeconfigOf(t, testkit.Kube(t))
	const evaluated = "request.submitted policy.evaluated "
	for name, life := range map[string]struct {
		action, decision, report string
		writes                   int
		end                      v1alpha1.Phase
		trail                    string
	}{
		"completed": {"ask", "", v1alpha1.ConditionCompleted, 11, v1alpha1.PhaseCompleted, begun + " request.completed lock.released"},
		"approved, failed": {
			"held-to-death", v1alpha1.DecisionApproved, v1alpha1.ConditionFailed, 11, v1alpha1.PhaseFailed, begun + " request.failed lock.released",
		},
		"denied": {"held-to-death", v1alpha1.DecisionDenied, "", 5, v1alpha1.PhaseDenied, evaluated + "request.denied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := still(t)
			if life.decision != "" {
				check(t, w.live.Create(t.Context(), holding(w.ns, life.action)))
			}
			r := w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action = life.action })
			var wrote []string
			for len(wrote) < 40 && !w.over(t, r, len(strings.Fields(life.trail))) {
				check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(r), r))
				conditions := r.Status.Conditions
				switch {
				case held(r) && r.Spec.HumanApproval == nil:
					w.decide(t, r, life.decision, "rev", "")
				case r.Status.Phase == v1alpha1.PhaseApproved && !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionExecuting):
					w.report(t, r, v1alpha1.ConditionExecuting)
				case r.Status.Phase == v1alpha1.PhaseExecuting && !meta.IsStatusConditionTrue(conditions, life.report):
					w.report(t, r, life.report)
				}
				wrote = append(wrote, runVictim(t, path))
			}
			if len(wrote) < life.writes {
				t.Errorf("%d writes: %s", len(wrote), wrote)
			}
			check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(r), r))
			if r.Status.Phase != life.end || w.lock(t, r.Spec.Target.URI) != nil {
				t.Errorf("phase %s, lock %v after %s", r.Status.Phase, w.lock(t, r.Spec.Target.URI), wrote)
			}
			w.trail(t, r, life.trail)
		})
	}
}

// holding is a policy that asks for a reviewer for one action.
func holding(namespace, action string) *v1alpha1.SafetyPolicy {
	return &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "policy-"},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{{
			Name: "rule", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionRequireApproval, Expression: `request.spec.action == "` + action + `"`,
		}}},
	}
}

// still returns a world in which nothing drives requests forward.
func still(t *testing.T) world {
	t.Helper()
	_, kept, err := assemble(store.ClientConfig(testkit.Kube(t)), setup{}, slog.New(slog.DiscardHandler))
	check(t, err)
	live := testkit.Client(t)
	return world{store: kept, live: live, ns: testkit.Namespace(t, live)}
}

// over reports whether all records of r are written and its target is free.
func (w world) over(t *testing.T, r *v1alpha1.AgentRequest, records int) bool {
	t.Helper()
	var list v1alpha1.AuditRecordList
	check(t, w.live.List(t.Context(), &list, client.InNamespace(w.ns)))
	return len(list.Items) >= records && w.lock(t, r.Spec.Target.URI) == nil
}

// runVictim runs one victim until it dies and returns what it wrote.
func runVictim(t *testing.T, kubeconfig string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), victimTime)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), victimKubeconfig+"="+kubeconfig)
	out, err := c.Output()
	if ctx.Err() != nil || !strings.Contains(fmt.Sprint(err), "killed") {
		t.Fatalf("victim: %v, %v\n%s", err, ctx.Err(), out)
	}
	return strings.TrimSpace(string(out))
}

// victimTime is how long a victim may take to find something to write.
const victimTime = 30 * time.Second

// TestFiftyAgentsOnOneTarget: hole: two agents that both read Approved work on one target. Attack: 50 requests at once,
// each executed and completed. Proof: in the order in which states were stored, never two are approved or executing, and
// all come to their turn. It does not run beside the other tests, whose managers have other limits.
func TestFiftyAgentsOnOneTarget(t *testing.T) { //nolint:paralleltest // see above
	const agents = 50
	w := startWith(t, setup{byDefault: v1alpha1.ActionAllow, times: reconcile.Options{LockWait: 5 * time.Minute}})
	uri := newTarget()
	sub, err := w.store.Subscribe(t.Context(), func(r *v1alpha1.AgentRequest) bool { return r.Spec.Target.URI == uri })
	check(t, err)
	t.Cleanup(func() { check(t, sub.Close()) })
	var asked atomic.Int64
	for range agents {
		go func() {
			w.ask(t, onTarget(uri))
			asked.Add(1)
		}()
	}
	active, completed := map[string]bool{}, map[string]bool{}
	for len(completed) < agents {
		events, err := sub.Next(t.Context())
		check(t, err)
		for _, e := range events {
			if e.Object == nil {
				continue
			}
			name := e.Object.Name
			switch delete(active, name); e.Object.Status.Phase {
			case v1alpha1.PhaseApproved, v1alpha1.PhaseExecuting:
				active[name] = true
				w.next(t, e.Object)
			case v1alpha1.PhaseCompleted:
				completed[name] = true
			case v1alpha1.PhaseFailed, v1alpha1.PhaseDenied:
				t.Fatalf("%s: %s %+v", name, e.Object.Status.Phase, e.Object.Status.Denial)
			}
			if len(active) > 1 {
				t.Fatalf("two hold the target: %v", active)
			}
		}
	}
	w.unlocked(t, uri)
	if asked.Load() != agents {
		t.Errorf("%d asked", asked.Load())
	}
}

// next reports what the agent of r does next.
func (w world) next(t *testing.T, r *v1alpha1.AgentRequest) {
	t.Helper()
	condition := v1alpha1.ConditionExecuting
	if r.Status.Phase == v1alpha1.PhaseExecuting {
		condition = v1alpha1.ConditionCompleted
	}
	if !meta.IsStatusConditionTrue(r.Status.Conditions, condition) {
		w.report(t, r, condition)
	}
}
