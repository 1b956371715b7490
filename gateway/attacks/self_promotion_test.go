package attacks

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// Hole (W-04, W-13): an identity with both roles grades itself up the ladder of trust; the level of an agent is what stands in a
// status, and what it may do is an annotation that is believed whoever wrote it.
// Attack: an agent that nobody trusts grades itself, says in its request that it is trusted, writes itself a level, a policy or a
// record, and goes to a namespace with no policy.
// Proof: it stays an Observer, whose requests are graded and not executed; one verdict of another makes it an Advisor.
func TestSelfPromotion(t *testing.T) { //nolint:paralleltest // see own
	w := own(t, func(*gateway.Options) {})
	uri := w.trusting(t)
	body := fmt.Sprintf(`{"namespace":%q,"action":"scale","targetURI":"%s/%%d","reason":"r",
		"annotations":{"governance.aip.io/requires-human-approval":"false"},"metadata":{"annotations":{"governance.aip.io/effective-trust-level":"Autonomous"}}}`, w.ns, uri)
	ask := func(n int) reply {
		return w.as(t, both, http.MethodPost, "/agent-requests", fmt.Sprintf(body, n)).is(t, http.StatusCreated, `"phase"`)
	}
	name := ask(1).is(t, http.StatusCreated, `"phase":"AwaitingVerdict"`).state(t).Name

	// It grades itself: over HTTP, past the gateway in its own name, and in nobody's.
	grade := w.path(name, "/verdict")
	w.as(t, both, http.MethodPatch, grade, `{"verdict":"correct"}`).is(t, http.StatusForbidden, "self-approval not permitted")
	w.gradePast(t, name, both)
	anonymous := ask(2).state(t).Name
	w.gradePast(t, anonymous, "")
	w.phase(t, anonymous, v1alpha1.PhaseCompleted)

	// It says in the request itself that it is trusted.
	w.holds(t, "own-word")
	for target, want := range map[string]v1alpha1.Phase{uri + "/3": v1alpha1.PhaseAwaitingVerdict, "free://" + w.ns: v1alpha1.PhasePending} {
		r := &v1alpha1.AgentRequest{Spec: v1alpha1.AgentRequestSpec{AgentIdentity: both, Action: "own-word", Reason: "r", Target: v1alpha1.Target{URI: target}}}
		r.Namespace, r.GenerateName = w.ns, "own-word-"
		r.Annotations = map[string]string{
			v1alpha1.AnnotationRequiresHumanApproval: "false", v1alpha1.AnnotationTrustLevel: v1alpha1.TrustAutonomous, v1alpha1.AnnotationCanExecute: "true",
		}
		check(t, w.live.Create(t.Context(), r))
		if got := w.phase(t, r.Name, want); want == v1alpha1.PhasePending {
			eventually(t, "it is held", func() bool {
				got = w.stored(t, r.Name)
				return meta.IsStatusConditionTrue(got.Status.Conditions, v1alpha1.ConditionRequiresApproval)
			})
		}
	}

	w.writesItself(t)

	// A namespace without a policy is no way round, and no more than a reading of its own profile is to be had.
	elsewhere := testkit.Namespace(t, w.live)
	w.as(t, both, http.MethodPost, "/agent-requests", strings.Replace(fmt.Sprintf(body, 4), w.ns, elsewhere, 1)).is(t, http.StatusCreated, `"phase":"AwaitingVerdict"`)
	own := "/agent-trust-profiles/" + store.ProfileName(agent) + "?namespace=" + w.ns
	w.as(t, agent, http.MethodPut, own, `{"status":{"trustLevel":"Trusted"}}`).is(t, http.StatusMethodNotAllowed, "")
	w.as(t, both, http.MethodPost, "/agent-graduation-policies?namespace="+elsewhere, `{"spec":{}}`).is(t, http.StatusForbidden, "admin role required")

	ask(5).is(t, http.StatusCreated, `"phase":"AwaitingVerdict"`)
	name = ask(6).state(t).Name
	w.as(t, reviewer, http.MethodPatch, w.path(name, "/verdict"), `{"verdict":"correct"}`).is(t, http.StatusOK, "Completed")
	w.level(t, both, v1alpha1.TrustAdvisor)
	ask(7).is(t, http.StatusCreated, `"type":"RequiresApproval","status":"True"`)
}

// writesItself tries, as a user of Kubernetes who may do with AgentRequests whatever he likes, to write a level, a policy and a
// record of a rise; and then, as one who may write profiles, a level.
func (w *world) writesItself(t *testing.T) {
	t.Helper()
	profile := &v1alpha1.AgentTrustProfile{Spec: v1alpha1.AgentTrustProfileSpec{AgentIdentity: both}}
	profile.Namespace, profile.Name = w.ns, store.ProfileName(both)
	check(t, w.live.Create(t.Context(), profile))
	king := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"trustLevel":"Autonomous"}}`))

	config := rest.CopyConfig(store.ClientConfig(testkit.Kube(t)))
	config.Impersonate = rest.ImpersonationConfig{UserName: both}
	mine, err := client.New(config, client.Options{Scheme: w.live.Scheme()})
	check(t, err)
	policy := &v1alpha1.AgentGraduationPolicy{}
	check(t, w.live.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: v1alpha1.GraduationPolicyName}, policy))
	policy.Spec.Levels[0].CanExecute = true
	for what, try := range map[string]error{
		"level":  mine.Status().Patch(t.Context(), profile.DeepCopy(), king),
		"policy": mine.Update(t.Context(), policy),
		"record": mine.Create(t.Context(), w.rise()),
	} {
		if !apierrors.IsForbidden(try) {
			t.Errorf("writing a %s: %v", what, try)
		}
	}
	check(t, w.live.Status().Patch(t.Context(), profile.DeepCopy(), king))
	w.level(t, both, v1alpha1.TrustObserver)
}

// rise is a record of a rise to the highest level.
func (w *world) rise() *v1alpha1.AuditRecord {
	r := &v1alpha1.AuditRecord{Spec: v1alpha1.AuditRecordSpec{
		Timestamp: metav1.Now(), AgentIdentity: both, AgentRequestRef: "-", Action: "a", TargetURI: "t", Event: v1alpha1.AuditTrustProfileUpdated,
		Annotations: map[string]string{v1alpha1.AuditOldLevel: v1alpha1.TrustObserver, v1alpha1.AuditNewLevel: v1alpha1.TrustAutonomous, v1alpha1.AuditChange: "1"},
	}}
	r.Namespace, r.Name = w.ns, "rise"
	return r
}

// gradePast records a verdict in a status, past the gateway.
func (w *world) gradePast(t *testing.T, name, by string) {
	t.Helper()
	eventually(t, "the verdict is recorded", func() bool {
		r := w.stored(t, name)
		r.Status.Verdict, r.Status.VerdictBy = v1alpha1.VerdictCorrect, by
		err := w.live.Status().Update(t.Context(), r)
		if !apierrors.IsConflict(err) {
			check(t, err)
		}
		return err == nil
	})
}

// level waits until the stored profile of an agent has a level.
func (w *world) level(t *testing.T, of, want string) {
	t.Helper()
	p := &v1alpha1.AgentTrustProfile{}
	eventually(t, of+" is "+want, func() bool {
		check(t, client.IgnoreNotFound(w.live.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: store.ProfileName(of)}, p)))
		return p.Status.TrustLevel == want
	})
}

// trusting makes the test's namespace one in which one right diagnosis makes an agent an Advisor, whom a reviewer watches. It
// returns the beginning of the URIs of targets that ask for trust; those that begin with free:// do not.
func (w *world) trusting(t *testing.T) string {
	t.Helper()
	p := &v1alpha1.AgentGraduationPolicy{Spec: v1alpha1.AgentGraduationPolicySpec{
		EvaluationWindow: v1alpha1.EvaluationWindow{Count: 5},
		Levels: []v1alpha1.GraduationLevel{
			{Name: v1alpha1.TrustObserver},
			{Name: v1alpha1.TrustAdvisor, CanExecute: true, RequiresHumanApproval: true, Accuracy: &v1alpha1.AccuracyBand{Min: new(0.6)}},
		},
		DemotionPolicy: v1alpha1.DemotionPolicy{WindowSize: 5},
	}}
	p.Namespace, p.Name = w.ns, v1alpha1.GraduationPolicyName
	check(t, w.live.Create(t.Context(), p))
	trust := &v1alpha1.TrustRequirements{MinTrustLevel: v1alpha1.TrustObserver, MaxAutonomyLevel: v1alpha1.TrustAutonomous}
	w.governs(t, v1alpha1.GovernedResourceSpec{URIPattern: "trust://" + w.ns + "/**", PermittedActions: []string{"scale", "own-word"}, TrustRequirements: trust})
	w.governs(t, v1alpha1.GovernedResourceSpec{URIPattern: "free://**", PermittedActions: []string{"own-word"}})
	return "trust://" + w.ns
}

// governs stores a GovernedResource until the test ends, because it counts for the requests of all tests, and waits until the
// reconciler has put its finalizer on: that makes another version.
func (w *world) governs(t *testing.T, spec v1alpha1.GovernedResourceSpec) {
	t.Helper()
	g := &v1alpha1.GovernedResource{Spec: spec}
	g.GenerateName = "attack-"
	check(t, w.live.Create(t.Context(), g))
	t.Cleanup(func() {
		free := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		_ = w.live.Delete(context.Background(), g.DeepCopy()) // what is left shows in the other tests
		_ = w.live.Patch(context.Background(), g, free)
	})
	eventually(t, "the GovernedResource is in force", func() bool {
		check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(g), g))
		return len(g.Finalizers) > 0
	})
}
