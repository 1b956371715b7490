package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

func TestCreateWritesLabelsAndNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	in := f.intent("Bot@example.com", "k8s/scale")
	in.CorrelationID, in.SubmittedBy, in.Spec.Classification = "trace #1", "someone", "Deploy/Prod Env"
	r := f.create(t, in)
	if !strings.HasPrefix(r.Name, "bot-example-com-") || len(r.Name) != len("bot-example-com-")+5 {
		t.Errorf("name %q", r.Name)
	}
	want := map[string]string{
		v1alpha1.LabelAgentIdentity: "Bot-example.com", v1alpha1.LabelCorrelationID: "trace--1",
		v1alpha1.LabelClassification: "Deploy-Prod-Env", v1alpha1.LabelProfileName: store.ProfileName("Bot@example.com"),
	}
	for k, v := range want {
		if r.Labels[k] != v {
			t.Errorf("label %s is %q, want %q", k, r.Labels[k], v)
		}
	}
	if got := r.Annotations[v1alpha1.AnnotationSubmittedBy]; got != "someone" {
		t.Errorf("submitted by %q", got)
	}
	if r.Spec.Classification != "deploy/prod-env" || r.Spec.ExecutionMode != "single" {
		t.Errorf("spec %+v", r.Spec)
	}
}

func TestCreateErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	tests := []struct {
		name string
		edit func(*store.Intent)
		ok   func(error) bool
	}{
		{"empty reason", func(in *store.Intent) { in.Spec.Reason = "" }, invalid("spec.reason")},
		{"bad execution mode", func(in *store.Intent) { in.Spec.ExecutionMode = "often" }, invalid("spec.executionMode")},
		{"decided by its maker", func(in *store.Intent) {
			in.Spec.HumanApproval = &v1alpha1.HumanApproval{Decision: v1alpha1.DecisionApproved}
		}, invalid("humanApproval")},
		{"no such namespace", func(in *store.Intent) { in.Namespace = "nowhere" }, is(store.ErrNoNamespace)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := f.intent("a", "b")
			tt.edit(&in)
			if _, _, err := f.Create(t.Context(), in); !tt.ok(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

func invalid(field string) func(error) bool {
	return func(err error) bool {
		var e *store.InvalidError
		return errors.As(err, &e) && strings.Contains(e.Text, field)
	}
}

func TestRepeatedIntentIsTheSameRequestUntilItIsFinished(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 24*time.Hour, time.Now)
	in := f.intent("agent", "scale")
	in.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"replicas": 3, "a": 1}`)}
	first := f.create(t, in)

	in.Spec.Reason = "another reason"
	in.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"a":1,"replicas":3}`)}
	again, created, err := f.Create(t.Context(), in)
	if err != nil || created || again.Name != first.Name {
		t.Fatalf("repeat: %s, created %t, %v; want %s", again.Name, created, err, first.Name)
	}

	other := in
	other.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"a":1,"replicas":300}`)}
	if r := f.create(t, other); r.Name == first.Name {
		t.Error("other parameters were taken for the same intent")
	}

	f.finish(t, first, v1alpha1.PhaseDenied)
	second := f.create(t, in)
	f.finish(t, second, v1alpha1.PhaseDenied)
	third := f.create(t, in)
	if _, err := f.Get(t.Context(), f.ns, first.Name); err != nil {
		t.Errorf("the finished request is gone: %v", err)
	}
	if again, created, err := f.Create(t.Context(), in); err != nil || created || again.Name != third.Name {
		t.Errorf("repeat of the third: %s, created %t, %v; want %s", again.Name, created, err, third.Name)
	}
}

func TestDedupKeyBelongsToItsAgent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 24*time.Hour, time.Now)
	in := f.intent("agent.one", "scale")
	in.Spec.DedupKey = "k"
	first := f.create(t, in)
	in.Spec.Action = "something else"
	if r, created, err := f.Create(t.Context(), in); err != nil || created || r.Name != first.Name {
		t.Errorf("same key: %v, created %t", err, created)
	}
	in.Spec.AgentIdentity = "agent-one" // the same slug
	f.create(t, in)
}

func TestSimultaneousRepeatsMakeOneRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, time.Hour, time.Now)
	var made sync.Map
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			r, _, err := f.Create(t.Context(), f.intent("agent", "scale"))
			if err != nil {
				t.Error(err)
				return
			}
			made.Store(r.Name, true)
		})
	}
	wait.Wait()
	count := 0
	made.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("%d requests", count)
	}
}

func TestNextWindowMakesANewRequest(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newFixture(t, time.Hour, func() time.Time { return at })
	f.create(t, f.intent("agent", "scale"))
	at = at.Add(time.Hour)
	f.create(t, f.intent("agent", "scale"))
}

func TestGetListAndConflict(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	if _, err := f.Get(t.Context(), f.ns, "nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get of nothing: %v", err)
	}
	a, b := f.create(t, f.intent("agent", "one")), f.create(t, f.intent("agent", "two"))
	f.finish(t, a, v1alpha1.PhaseApproved)
	f.finish(t, b, v1alpha1.PhaseDenied)
	denied := func(r *v1alpha1.AgentRequest) bool { return r.Status.Phase == v1alpha1.PhaseDenied }
	list, err := f.List(t.Context(), f.ns, denied)
	if err != nil || names(list) != "two/Denied" {
		t.Errorf("list: %s, %v", names(list), err)
	}
	if _, err := f.SetStatus(t.Context(), a, v1alpha1.AgentRequestStatus{Phase: v1alpha1.PhaseFailed}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("write on an old version: %v", err)
	}
}

func TestWaitIsDrivenByTheWatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	r := f.create(t, f.intent("agent", "one"))
	go func() {
		if _, err := f.SetStatus(t.Context(), r, v1alpha1.AgentRequestStatus{Phase: v1alpha1.PhaseApproved}); err != nil {
			t.Error(err)
		}
	}()
	got, err := f.Wait(t.Context(), f.ns, r.Name, func(r *v1alpha1.AgentRequest) bool { return r.Status.Phase != "" })
	if err != nil || got.Status.Phase != v1alpha1.PhaseApproved {
		t.Fatalf("got %v, %v", got, err)
	}

	go func() { check(t, f.live.Delete(context.Background(), r)) }()
	if _, err := f.Wait(t.Context(), f.ns, r.Name, func(*v1alpha1.AgentRequest) bool { return false }); !errors.Is(err, store.ErrDeleted) {
		t.Errorf("deleted: %v", err)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Wait(ended, f.ns, "nothing", func(*v1alpha1.AgentRequest) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// collect reads events until want of them came, written as type:action.
func collect(t *testing.T, s *store.Subscription, want int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out []string
	for len(out) < want {
		events, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", out, err)
		}
		for _, e := range events {
			if e.Type == wire.EventSynced {
				out = append(out, e.Type)
				continue
			}
			out = append(out, e.Type+":"+e.Object.Spec.Action)
		}
	}
	return strings.Join(out, " ")
}

func TestSubscription(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	one := f.create(t, f.intent("agent", "one"))
	two := f.create(t, f.intent("agent", "two"))
	f.finish(t, two, v1alpha1.PhaseDenied)
	eventually(t, func() bool {
		list, err := f.List(t.Context(), f.ns, func(*v1alpha1.AgentRequest) bool { return true })
		return err == nil && len(list) == 2
	})
	undecided := func(r *v1alpha1.AgentRequest) bool { return r.Namespace == f.ns && r.Status.Phase == "" }
	s, err := f.Subscribe(t.Context(), undecided)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })

	if got := collect(t, s, 2); got != "added:one synced" {
		t.Errorf("start: %s", got)
	}
	three := f.create(t, f.intent("agent", "three"))
	if got := collect(t, s, 1); got != "added:three" {
		t.Errorf("create: %s", got)
	}
	f.finish(t, one, v1alpha1.PhaseApproved)
	if got := collect(t, s, 1); got != "deleted:one" {
		t.Errorf("no match any more: %s", got)
	}
	check(t, f.live.Delete(t.Context(), three))
	if got := collect(t, s, 1); got != "deleted:three" {
		t.Errorf("delete: %s", got)
	}
}

func TestSlowSubscriberKeepsOneEntryPerRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	s, err := f.Subscribe(t.Context(), func(r *v1alpha1.AgentRequest) bool { return r.Namespace == f.ns })
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	if got := collect(t, s, 1); got != "synced" {
		t.Fatalf("start: %s", got)
	}
	short := f.create(t, f.intent("agent", "short-lived"))
	check(t, f.live.Delete(t.Context(), short))
	r := f.create(t, f.intent("agent", "busy"))
	for _, phase := range []v1alpha1.Phase{v1alpha1.PhasePending, v1alpha1.PhaseApproved, v1alpha1.PhaseExecuting, v1alpha1.PhaseCompleted} {
		f.finish(t, r, phase)
		if r, err = f.Get(t.Context(), f.ns, r.Name); err != nil {
			t.Fatal(err)
		}
	}
	var last *v1alpha1.AgentRequest
	for last == nil || last.Status.Phase != v1alpha1.PhaseCompleted {
		events, err := s.Next(t.Context())
		check(t, err)
		if len(events) > 1 {
			t.Errorf("%d events at once, want one for the one request that is left", len(events))
		}
		for _, e := range events {
			if e.Object.Spec.Action != "busy" {
				t.Errorf("told of %s, which came and went unread", e.Object.Spec.Action)
			}
			last = e.Object
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	// Made as kubectl would make it, with empty fields that Go types drop.
	tree := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"agentIdentity": "a", "action": "b", "reason": "c", "target": map[string]any{"uri": "d", "attributes": map[string]any{}},
		"reasoningTrace": map[string]any{"alternatives": []any{}, "traceReference": ""},
	}}}
	tree.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("AgentRequest"))
	tree.SetNamespace(f.ns)
	tree.SetName("by-hand")
	check(t, f.live.Create(t.Context(), tree))

	errTaken := errors.New("taken")
	decide := func(by string) error {
		return f.Decide(t.Context(), f.ns, "by-hand", func(r *v1alpha1.AgentRequest) (v1alpha1.HumanApproval, error) {
			if r.Spec.HumanApproval != nil {
				return v1alpha1.HumanApproval{}, errTaken
			}
			return v1alpha1.HumanApproval{Decision: v1alpha1.DecisionApproved, ApprovedBy: by}, nil
		})
	}
	var won, lost int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, by := range []string{"r1", "r2", "r3", "r4"} {
		wait.Go(func() {
			err := decide(by)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, errTaken):
				lost++
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if won != 1 || lost != 3 {
		t.Errorf("%d won, %d lost", won, lost)
	}
	if err := f.Decide(t.Context(), f.ns, "nothing", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("decide about nothing: %v", err)
	}
	var r v1alpha1.AgentRequest
	check(t, f.live.Get(t.Context(), client.ObjectKey{Namespace: f.ns, Name: "by-hand"}, &r))
	if r.Spec.HumanApproval == nil || r.Spec.HumanApproval.ForGeneration != 0 {
		t.Errorf("stored %+v", r.Spec.HumanApproval)
	}
}
