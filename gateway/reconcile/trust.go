package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/lifecycle"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/trust"
)

const (
	// gather is how long what happens to an agent is gathered before its record is looked at: a busy agent is looked at ten times
	// a second, however much it does.
	gather = 100 * time.Millisecond
	// noRequest, trustAction and trustTarget are what the record of a change of trust says where others say their request, their
	// action and their target. Readers of the public AIP control plane know them.
	noRequest   = "-"
	trustAction = "trust-evaluation"
	trustTarget = "agent-trust-profile"
)

// trusts drives the levels of trust: it writes each change into the audit trail, once, and shows in AgentTrustProfiles and
// DiagnosticAccuracySummaries what the trail says. Its keys are agents: a namespace and, as name, an identity.
type trusts struct {
	store *store.Store
	log   *slog.Logger
	now   func() time.Time
}

func addTrusts(m manager.Manager, o Options) error {
	t := &trusts{store: o.Store, log: o.Log, now: o.Now}
	err := builder.ControllerManagedBy(m).Named("trust").
		Watches(&v1alpha1.AuditRecord{}, handler.Funcs{
			CreateFunc: func(_ context.Context, e event.CreateEvent, queue workQueue) { t.recorded(e.Object, queue) },
			DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue workQueue) { t.recorded(e.Object, queue) },
		}).
		Watches(&v1alpha1.AgentGraduationPolicy{}, handler.EnqueueRequestsFromMapFunc(t.everybody)).
		// What others write there does not last.
		Watches(&v1alpha1.AgentTrustProfile{}, handler.EnqueueRequestsFromMapFunc(shown)).
		Watches(&v1alpha1.DiagnosticAccuracySummary{}, handler.EnqueueRequestsFromMapFunc(shown)).
		WithOptions(controllerOptions(1)).
		Complete(t)
	if err != nil {
		return fmt.Errorf("add reconciler of trust: %w", err)
	}
	return nil
}

// Reconcile writes the change of an agent's level that is due, or else shows what the trail says. A change that is written comes
// back with the watch and is shown then, so what is shown never tells what is not in the trail.
func (t *trusts) Reconcile(ctx context.Context, key reconcile.Request) (reconcile.Result, error) {
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	agent := key.Name
	policy, err := t.store.GraduationPolicy(ctx, key.Namespace)
	if err != nil {
		return reconcile.Result{}, err
	}
	record, err := t.store.TrustRecord(ctx, key.Namespace, agent)
	if err != nil {
		return reconcile.Result{}, err
	}
	history, err := t.store.TrustHistory(ctx, key.Namespace, agent)
	if err != nil {
		return reconcile.Result{}, err
	}
	change, wait := trust.Next(policy, &record, history, t.now())
	if change != nil {
		return reconcile.Result{}, t.write(ctx, key.Namespace, agent, change)
	}
	err = t.store.ShowSummary(ctx, key.Namespace, &record)
	if err == nil && (policy != nil || len(history) > 0) {
		err = t.store.ShowProfile(ctx, key.Namespace, agent, record.Profile(history, policy))
	}
	if errors.Is(err, store.ErrNoNamespace) {
		return reconcile.Result{}, nil // the namespace is going, with everything in it
	}
	return reconcile.Result{RequeueAfter: wait}, unlessMoot(err)
}

// write adds a change to the trail. Its name is that of its number, so of two writers who do not see each other one is first, and
// the other sees its change with the watch.
func (t *trusts) write(ctx context.Context, namespace, agent string, c *trust.Change) error {
	name := lifecycle.RecordName(agent, "|", v1alpha1.AuditTrustProfileUpdated, "|", c.Number)
	labels := map[string]string{v1alpha1.LabelProfileName: store.ProfileName(agent)}
	if value := store.LabelValue(agent); value != "" {
		labels[v1alpha1.LabelAgentIdentity] = value
	}
	err := t.store.CreateRecord(ctx, &v1alpha1.AuditRecord{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: v1alpha1.AuditRecordSpec{
			Timestamp: c.At, AgentIdentity: agent, AgentRequestRef: noRequest, Action: trustAction, TargetURI: trustTarget,
			Event: v1alpha1.AuditTrustProfileUpdated, Reason: c.Why, Annotations: c.Annotations(),
		},
	})
	if errors.Is(err, store.ErrNoNamespace) {
		return nil // see Reconcile
	}
	if err != nil {
		return fmt.Errorf("audit the trust in %s/%s: %w", namespace, agent, err)
	}
	t.log.InfoContext(ctx, c.Why, "agent", agent, "namespace", namespace)
	return nil
}

// recorded lets the agent of a record be looked at soon, when the record counts.
func (t *trusts) recorded(o client.Object, queue workQueue) {
	r, ok := o.(*v1alpha1.AuditRecord)
	if ok && (r.Spec.Event == v1alpha1.AuditTrustProfileUpdated || trust.Counts(r)) {
		queue.AddAfter(agentKey(r.Namespace, r.Spec.AgentIdentity), gather)
	}
}

// everybody returns the agents of the namespace whose policy changed.
func (t *trusts) everybody(ctx context.Context, o client.Object) []reconcile.Request {
	records, err := t.store.TrustRecords(ctx, o.GetNamespace())
	if err != nil {
		t.log.WarnContext(ctx, "levels of trust are not looked at again after a change of policy", "namespace", o.GetNamespace(), "cause", err)
		return nil
	}
	out := make([]reconcile.Request, len(records))
	for i := range records {
		out[i] = agentKey(o.GetNamespace(), records[i].Agent)
	}
	return out
}

// shown returns the agent that an object shows.
func shown(_ context.Context, o client.Object) []reconcile.Request {
	switch o := o.(type) {
	case *v1alpha1.AgentTrustProfile:
		return []reconcile.Request{agentKey(o.Namespace, o.Spec.AgentIdentity)}
	case *v1alpha1.DiagnosticAccuracySummary:
		return []reconcile.Request{agentKey(o.Namespace, o.Spec.AgentIdentity)}
	default:
		return nil
	}
}

func agentKey(namespace, agent string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: agent}}
}
