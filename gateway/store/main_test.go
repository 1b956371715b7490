package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// fixture is a running store and a namespace that belongs to one test.
type fixture struct {
	*store.Store
	live client.Client
	ns   string
}

func newFixture(t *testing.T, window time.Duration, now func() time.Time) fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	config := store.ClientConfig(testkit.Kube(t))
	live := testkit.Client(t)
	objects, err := cache.New(config, cache.Options{Scheme: live.Scheme()})
	check(t, err)
	s := store.New(store.Options{Cache: objects, Live: live, DedupWindow: window, Now: now})
	ended := make(chan error, 2)
	go func() { ended <- objects.Start(ctx) }()
	go func() { ended <- s.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("end of store: %v", err)
			}
		}
	})
	eventually(t, s.Ready)
	return fixture{Store: s, live: live, ns: testkit.Namespace(t, live)}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for something that another goroutine brings about and that has no channel to wait on.
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

func (f fixture) intent(agent, action string) store.Intent {
	return store.Intent{Namespace: f.ns, SubmittedBy: agent, Spec: v1alpha1.AgentRequestSpec{
		AgentIdentity: agent, Action: action, Reason: "because", Target: v1alpha1.Target{URI: "k8s://prod/default/deployment/x"},
	}}
}

func (f fixture) create(t *testing.T, in store.Intent) *v1alpha1.AgentRequest {
	t.Helper()
	r, created, err := f.Create(t.Context(), in)
	check(t, err)
	if !created {
		t.Fatalf("%s was there before", r.Name)
	}
	return r
}

// finish puts a request into a phase.
func (f fixture) finish(t *testing.T, r *v1alpha1.AgentRequest, phase v1alpha1.Phase) {
	t.Helper()
	_, err := f.SetStatus(t.Context(), r, v1alpha1.AgentRequestStatus{Phase: phase})
	check(t, err)
	_, err = f.Wait(t.Context(), r.Namespace, r.Name, func(r *v1alpha1.AgentRequest) bool { return r.Status.Phase == phase })
	check(t, err)
}

func names(list []*v1alpha1.AgentRequest) string {
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprintf("%s/%s", r.Spec.Action, r.Status.Phase))
	}
	return strings.Join(out, " ")
}
