package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
)

func everyRecord(*v1alpha1.AuditRecord) bool { return true }

func (f fixture) record(t *testing.T, of *v1alpha1.AgentRequest, event v1alpha1.AuditEvent, second int) *v1alpha1.AuditRecord {
	t.Helper()
	r := &v1alpha1.AuditRecord{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: of.Namespace, Name: strings.ToLower(string(of.UID) + "-" + string(event)),
			Labels: map[string]string{v1alpha1.LabelAgentRequestUID: string(of.UID)},
		},
		Spec: v1alpha1.AuditRecordSpec{
			Timestamp: metav1.NewTime(time.Unix(int64(second), 0)), AgentIdentity: "a", AgentRequestRef: of.Name,
			Action: "b", TargetURI: "c", Event: event,
		},
	}
	check(t, f.CreateRecord(t.Context(), r))
	return r
}

func TestRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	one, two := f.create(t, f.intent("one", "x")), f.create(t, f.intent("two", "x"))
	for i, r := range []*v1alpha1.AgentRequest{one, two} {
		f.record(t, r, v1alpha1.AuditRequestApproved, 100+i)
		f.record(t, r, v1alpha1.AuditRequestSubmitted, 100+i)
		f.record(t, r, v1alpha1.AuditRequestCompleted, 200+i)
	}
	f.record(t, one, v1alpha1.AuditRequestCompleted, 200) // once more
	eventually(t, func() bool {
		all, err := f.Records(t.Context(), f.ns, 0, everyRecord)
		check(t, err)
		return len(all) == 6
	})
	all, err := f.Records(t.Context(), f.ns, 0, everyRecord)
	check(t, err)
	if got, want := events(all), "completed completed approved submitted approved submitted"; got != want {
		t.Errorf("newest first: %s, want %s", got, want)
	}
	earlier := one.DeepCopy()
	earlier.UID = "another-one-of-that-name"
	f.record(t, earlier, v1alpha1.AuditRequestSubmitted, 1)
	eventually(t, func() bool {
		named, err := f.RecordsOf(t.Context(), f.ns, one.Name, everyRecord)
		check(t, err)
		return len(named) == 4
	})
	trail, err := f.Trail(t.Context(), one)
	check(t, err)
	if got, want := events(trail), "submitted approved completed"; got != want {
		t.Errorf("trail: %s, want %s", got, want)
	}
}

func events(list []*v1alpha1.AuditRecord) string {
	var out []string
	for _, r := range list {
		out = append(out, strings.TrimPrefix(string(r.Spec.Event), "request."))
	}
	return strings.Join(out, " ")
}

// Hole: the reference lets whoever may patch AuditRecords rewrite history. Attack: change, add and remove fields of a
// stored record with all rights there are. Proof: the API server refuses.
func TestRecordsAreImmutable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	r := f.record(t, f.create(t, f.intent("one", "x")), v1alpha1.AuditRequestDenied, 1)
	for name, patch := range map[string]string{
		"change": `{"spec":{"event":"request.approved"}}`, "add": `{"spec":{"annotations":{"approvedBy":"me"}}}`,
		"add any JSON": `{"spec":{"details":{"a":1}}}`, "remove": `{"spec":{"reason":null}}`,
	} {
		err := f.live.Patch(t.Context(), r.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
		if err == nil || !strings.Contains(err.Error(), "immutable") && name != "remove" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	g := &v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Name: f.ns}, Spec: v1alpha1.GovernedResourceSpec{
		URIPattern: "k8s://" + f.ns + "/**", PermittedActions: []string{"scale"},
	}}
	check(t, f.Define(t.Context(), g))
	if g.Spec.ContextFetcher != v1alpha1.FetcherNone {
		t.Errorf("fetcher %q", g.Spec.ContextFetcher)
	}
	again := &v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Name: f.ns}, Spec: g.Spec}
	if err := f.Define(t.Context(), again); !errors.Is(err, store.ErrExists) {
		t.Errorf("made twice: %v", err)
	}
	stale := g.DeepCopy()
	again.Spec.PermittedActions = []string{"scale", "restart"}
	again.ResourceVersion = ""
	allowed := func(store.Definition) error { return nil }
	asked := 0
	check(t, f.Redefine(t.Context(), again, func(stored store.Definition) error {
		if asked++; asked > 1 {
			return nil
		}
		changed := g.DeepCopy()
		changed.ResourceVersion = stored.GetResourceVersion()
		changed.Finalizers = []string{v1alpha1.FinalizerActiveRequests} // as the reconciler does in between
		return f.live.Update(t.Context(), changed)
	}))
	if again.Generation != 2 || asked != 2 || len(again.Finalizers) != 1 {
		t.Errorf("generation %d, asked %d times, finalizers %s", again.Generation, asked, again.Finalizers)
	}
	refused := errors.New("no")
	if err := f.Redefine(t.Context(), again, func(store.Definition) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("replaced what must stay: %v", err)
	}
	again.Finalizers = nil
	check(t, f.live.Update(t.Context(), again))
	if err := f.Redefine(t.Context(), stale, allowed); !errors.Is(err, store.ErrConflict) {
		t.Errorf("replaced what had changed: %v", err)
	}
	var invalid *store.InvalidError
	again.Spec.URIPattern = ""
	if err := f.Redefine(t.Context(), again, allowed); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "invalid GovernedResource: spec.uriPattern") {
		t.Errorf("no pattern: %v", err)
	}
	eventually(t, func() bool {
		list, err := f.GovernedResources(t.Context())
		check(t, err)
		return slices.ContainsFunc(list, func(l v1alpha1.GovernedResource) bool { return l.Name == f.ns })
	})
	gone, err := f.Undefine(t.Context(), &v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Name: f.ns}})
	if err != nil || !gone {
		t.Errorf("gone %t, error %v", gone, err)
	}
	if err := f.Fetch(t.Context(), again); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	missing := &v1alpha1.SafetyPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: "none"}}
	if _, err := f.Undefine(t.Context(), missing); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed what is not there: %v", err)
	}
}

// Agents and reviewers report beside each other; no report may wipe out another.
func TestChangeStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0, time.Now)
	r := f.create(t, f.intent("one", "x"))
	kinds := []string{v1alpha1.ConditionExecuting, v1alpha1.ConditionCompleted, v1alpha1.ConditionFailed}
	failed := make(chan error, len(kinds))
	for _, kind := range kinds {
		go func() {
			_, err := f.ChangeStatus(t.Context(), r.Namespace, r.Name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
				r.Status.Conditions = append(r.Status.Conditions, metav1.Condition{
					Type: kind, Status: metav1.ConditionTrue, Reason: "Because", LastTransitionTime: metav1.Now(),
				})
				return r.Status, nil
			})
			failed <- err
		}()
	}
	for range kinds {
		check(t, <-failed)
	}
	check(t, f.live.Get(t.Context(), client.ObjectKeyFromObject(r), r))
	if len(r.Status.Conditions) != len(kinds) {
		t.Errorf("conditions %+v", r.Status.Conditions)
	}
}
