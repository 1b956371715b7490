package collector

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a store in front of a real API server, and a namespace.
type world struct {
	live  client.Client
	store *store.Store
	ns    string
	log   bytes.Buffer
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	config := store.ClientConfig(testkit.Kube(t))
	w := &world{now: time.Now(), live: testkit.Client(t)}
	cached, err := cache.New(config, cache.Options{Scheme: w.live.Scheme()})
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() { _ = cached.Start(ctx) }() // it ends with the test
	w.store = store.New(store.Options{Cache: cached, Live: w.live, Now: time.Now})
	w.ns = testkit.Namespace(t, w.live)
	return w
}

// request stores one in a phase whose last condition changed an hour ago.
func (w *world) request(t *testing.T, name string, phase v1alpha1.Phase) *v1alpha1.AgentRequest {
	t.Helper()
	const age = time.Hour
	r := &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}, Spec: v1alpha1.AgentRequestSpec{
		AgentIdentity: "a", Action: "x", Reason: "r", Target: v1alpha1.Target{URI: "test://" + name},
	}}
	check(t, w.live.Create(t.Context(), r))
	r.Status.Phase = phase
	r.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionCompleted, Status: metav1.ConditionTrue, Reason: "R", LastTransitionTime: metav1.NewTime(w.now.Add(-age)),
	}}
	check(t, w.live.Status().Update(t.Context(), r))
	w.record(t, r, age)
	return r
}

func (w *world) record(t *testing.T, r *v1alpha1.AgentRequest, age time.Duration) {
	t.Helper()
	w.recordOf(t, "of-"+r.Name, r, age, v1alpha1.AuditRequestCompleted)
}

func (w *world) recordOf(t *testing.T, name string, r *v1alpha1.AgentRequest, age time.Duration, event v1alpha1.AuditEvent) {
	t.Helper()
	check(t, w.live.Create(t.Context(), &v1alpha1.AuditRecord{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name, Labels: map[string]string{v1alpha1.LabelAgentRequestUID: string(r.UID)}},
		Spec: v1alpha1.AuditRecordSpec{
			Timestamp: metav1.NewTime(w.now.Add(-age)), AgentIdentity: "a", AgentRequestRef: r.Name, Action: "x", TargetURI: "u", Event: event,
		},
	}))
}

// left returns the names of what is there.
func (w *world) left(t *testing.T) string {
	t.Helper()
	var requests v1alpha1.AgentRequestList
	var records v1alpha1.AuditRecordList
	check(t, w.live.List(t.Context(), &requests, client.InNamespace(w.ns)))
	check(t, w.live.List(t.Context(), &records, client.InNamespace(w.ns)))
	var out []string
	for i := range requests.Items {
		out = append(out, requests.Items[i].Name)
	}
	for i := range records.Items {
		out = append(out, records.Items[i].Name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (w *world) scan(t *testing.T, s Settings) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	s.Enabled = true
	check(t, s.Faults())
	c := New(Options{
		Settings: s, Store: w.store, Measures: registry, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		// The conditions of a fresh request are older than the request itself; so the clock is put on.
		Now: func() time.Time { return w.now.Add(time.Minute) },
	})
	// The first look at the type starts its cache.
	_, _ = w.store.Get(t.Context(), w.ns, "none")
	check(t, c.Scan(t.Context()))
	return registry
}

// TestScan: what is over for longer than the limit goes, with the records of what is gone; the rest stays.
func TestScan(t *testing.T) { //nolint:paralleltest // it counts all objects of the API server
	w := newWorld(t)
	for i := range 12 {
		w.request(t, fmt.Sprintf("old-%d", i), v1alpha1.PhaseCompleted)
	}
	w.request(t, "denied", v1alpha1.PhaseDenied)
	w.request(t, "working", v1alpha1.PhaseExecuting)
	w.request(t, "waiting", v1alpha1.PhasePending)
	gone := &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Name: "gone", UID: "gone"}}
	w.recordOf(t, "graded", gone, time.Hour, v1alpha1.AuditVerdictSubmitted)
	w.recordOf(t, "rise", gone, time.Hour, v1alpha1.AuditTrustProfileUpdated)
	all := w.left(t)

	settings := Settings{DryRun: true, Interval: time.Hour, HardTTL: 30 * time.Second, PageSize: 5, Rate: 1000, SafetyMin: 10}
	m := w.scan(t, settings)
	if got := w.left(t); got != all {
		t.Errorf("a dry run left %s", got)
	}
	check(t, testutil.GatherAndCompare(m, strings.NewReader(`# HELP aip_gc_objects_skipped_total Objects that are old enough and were not removed.
# TYPE aip_gc_objects_skipped_total counter
aip_gc_objects_skipped_total{reason="dry_run",resource="agentrequests"} 13
aip_gc_objects_skipped_total{reason="dry_run",resource="auditrecords"} 0
aip_gc_objects_skipped_total{reason="safety_valve",resource="agentrequests"} 0
aip_gc_objects_skipped_total{reason="safety_valve",resource="auditrecords"} 0
# HELP aip_gc_objects_deleted_total Objects that were removed.
# TYPE aip_gc_objects_deleted_total counter
aip_gc_objects_deleted_total{reason="hard_ttl",resource="agentrequests"} 0
aip_gc_objects_deleted_total{reason="hard_ttl",resource="auditrecords"} 0
# HELP aip_gc_scan_objects_evaluated_total Objects that were looked at.
# TYPE aip_gc_scan_objects_evaluated_total counter
aip_gc_scan_objects_evaluated_total{resource="agentrequests"} 15
aip_gc_scan_objects_evaluated_total{resource="auditrecords"} 17
`), "aip_gc_objects_skipped_total", "aip_gc_objects_deleted_total", "aip_gc_scan_objects_evaluated_total"))

	settings.DryRun, settings.SafetyMin = false, 100
	m = w.scan(t, settings)
	if got := w.left(t); got != all {
		t.Errorf("under the safety count it left %s", got)
	}
	check(t, testutil.GatherAndCompare(m, strings.NewReader(`# HELP aip_gc_objects_deleted_total Objects that were removed.
# TYPE aip_gc_objects_deleted_total counter
aip_gc_objects_deleted_total{reason="hard_ttl",resource="agentrequests"} 0
aip_gc_objects_deleted_total{reason="hard_ttl",resource="auditrecords"} 0
`), "aip_gc_objects_deleted_total"))
	settings.SafetyMin, settings.HardTTL = 10, 0
	w.scan(t, settings)
	if got := w.left(t); got != all {
		t.Errorf("without a limit it left %s", got)
	}
	settings.HardTTL = 2 * time.Hour
	w.scan(t, settings)
	if got := w.left(t); got != all {
		t.Errorf("before their time it left %s", got)
	}

	settings.HardTTL = 30 * time.Second
	m = w.scan(t, settings)
	if got := w.left(t); got != "graded of-waiting of-working rise waiting working" {
		t.Errorf("left %s", got)
	}
	check(t, testutil.GatherAndCompare(m, strings.NewReader(`# HELP aip_gc_objects_deleted_total Objects that were removed.
# TYPE aip_gc_objects_deleted_total counter
aip_gc_objects_deleted_total{reason="hard_ttl",resource="agentrequests"} 13
aip_gc_objects_deleted_total{reason="hard_ttl",resource="auditrecords"} 13
`), "aip_gc_objects_deleted_total"))
}

// TestRemoveAnother: an object that took the name of one that was to go stays.
func TestRemoveAnother(t *testing.T) { //nolint:paralleltest // as above
	w := newWorld(t)
	old := w.request(t, "name", v1alpha1.PhaseCompleted)
	check(t, w.live.Delete(t.Context(), old.DeepCopy()))
	fresh := &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "name"}, Spec: old.Spec}
	check(t, w.live.Create(t.Context(), fresh))
	check(t, w.store.Remove(t.Context(), store.Reference(old)))
	if got := w.left(t); got != "name of-name" {
		t.Errorf("left %q", got)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	err := Settings{Enabled: true, HardTTL: -1, SafetyMin: -1}.Faults()
	for _, flag := range []string{"--gc-interval", "--gc-hard-ttl", "--gc-page-size", "--gc-delete-rate-per-sec", "--gc-safety-min-count"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s is not in %v", flag, err)
		}
	}
	if err := (Settings{HardTTL: -1}).Faults(); err != nil {
		t.Errorf("off, and %v", err)
	}
}
