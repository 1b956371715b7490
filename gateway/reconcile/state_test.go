package reconcile_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// TestState runs its cases beside each other on one manager; each has actions and targets of its own. It does not run
// beside the other tests: of two managers that do the work at once, neither counts what the other lets pass.
func TestState(t *testing.T) { //nolint:paralleltest // see above
	w := start(t, false)
	for name, run := range map[string]func(*testing.T, world){
		"what is seen of a target":    seenOfTarget,
		"targets of another form":     targetsOfAnotherForm,
		"the target drifts":           targetDrifts,
		"the policies drift":          policiesDrift,
		"changed while it waited":     changedWhileItWaited,
		"governed by another":         governedByAnother,
		"asked again about a rate":    askedAgainAboutRate,
		"evaluated again while held":  evaluatedAgain,
		"soak mode":                   soakMode,
		"own verdict":                 ownVerdict,
		"trust asks for a reviewer":   trustAsks,
		"says that it is trusted":     saysItIsTrusted,
		"may not execute":             mayNotExecute,
		"refused at admission":        refusedAtAdmission,
		"the resource changes":        resourceChanges,
		"the resource goes":           resourceGoes,
		"as many at once as may come": rateLimited,
		"priority and age":            priorityAndAge,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, w)
		})
	}
}

// rule stores a policy for the requests with an action and waits until it is in force.
func (w world) rule(t *testing.T, action, then, expression string) *v1alpha1.SafetyPolicy {
	t.Helper()
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "policy-"},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{{
			Name: "rule", Type: v1alpha1.RuleStateEvaluation, Action: then,
			Expression: `request.spec.action == "` + action + `" && (` + expression + `)`,
		}}},
	}
	check(t, w.live.Create(t.Context(), p))
	w.judged(t, p, metav1.ConditionTrue)
	return p
}

// deployed stores a Deployment with so many ready endpoints and returns its URI.
func (w world) deployed(t *testing.T, name string, endpoints int) (*appsv1.Deployment, string) {
	t.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			},
		},
	}
	check(t, w.live.Create(t.Context(), d))
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: w.ns, Name: name + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.9"}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}}},
	}
	for range endpoints {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}})
	}
	check(t, w.live.Create(t.Context(), slice))
	return d, "k8s://prod/" + w.ns + "/deployment/" + name
}

func (w world) held(t *testing.T, action string, change func(*v1alpha1.AgentRequest)) *v1alpha1.AgentRequest {
	t.Helper()
	r := w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action = action; change(r) })
	return w.await(t, r, func(r *v1alpha1.AgentRequest) bool { return held(r) || r.Status.Phase.Terminal() })
}

func seenOfTarget(t *testing.T, w world) {
	w.rule(t, "seen-deny", v1alpha1.ActionDeny, "target.hasActiveEndpoints && target.specReplicas == 3 && target.activeEndpointCount == 2")
	w.rule(t, "seen-hold", v1alpha1.ActionRequireApproval, "true")
	_, uri := w.deployed(t, "seen", 2)
	denied := w.until(t, w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action, r.Spec.Target.URI = "seen-deny", uri }), v1alpha1.PhaseDenied)
	if denied.Status.Denial.Code != v1alpha1.DenialPolicyViolation {
		t.Errorf("denial %+v", denied.Status.Denial)
	}
	for _, r := range []*v1alpha1.AgentRequest{denied, w.held(t, "seen-hold", onTarget(uri))} {
		v := r.Status.ControlPlaneVerification
		if v == nil || !v.TargetExists || !v.HasActiveEndpoints || v.ActiveEndpointCount != 2 || v.SpecReplicas != 3 ||
			v.FetchedAt.IsZero() || v.EvaluatedStateFingerprint == "" {
			t.Errorf("verification %+v", v)
		}
	}
	absent := w.until(t, w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action = "seen-deny" }), v1alpha1.PhaseApproved)
	if v := absent.Status.ControlPlaneVerification; v == nil || v.TargetExists {
		t.Errorf("verification of what is not there: %+v", v)
	}
}

func targetsOfAnotherForm(t *testing.T, w world) {
	w.rule(t, "form", v1alpha1.ActionDeny, "target.exists")
	for uri, code := range map[string]string{
		"k8s://prod/web": "EVALUATION_FAILURE", "k8s://": "EVALUATION_FAILURE", "k8s://a/../deployment/b": "EVALUATION_FAILURE",
		"K8S://prod/default/deployment/web": "EVALUATION_FAILURE", " k8s://prod/default/deployment/web": "EVALUATION_FAILURE",
		"k8s:/prod/default/deployment/web": "EVALUATION_FAILURE", "k8s://prod/default/statefulset/db": "EVALUATION_FAILURE", "github://owner/" + w.ns: "",
	} {
		r := w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action, r.Spec.Target.URI = "form", uri })
		r = w.await(t, r, func(r *v1alpha1.AgentRequest) bool { return terminal(r) && r.Status.Phase != "" })
		got := ""
		if r.Status.Denial != nil {
			got = r.Status.Denial.Code
		}
		if got != code {
			t.Errorf("%s: code %q, want %q", uri, got, code)
		}
	}
}

// Hole: in the reference an approval given hours later runs against any state. Attack: the target changes between the
// reviewer's look and their approval. Proof: the approval is refused, and the trail says so.
func targetDrifts(t *testing.T, w world) {
	w.rule(t, "drift", v1alpha1.ActionRequireApproval, "true")
	for name, change := range map[string]func(*appsv1.Deployment, *discoveryv1.EndpointSlice){
		"drift-endpoints": func(_ *appsv1.Deployment, s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions.Ready = new(true) },
		"drift-spec": func(d *appsv1.Deployment, _ *discoveryv1.EndpointSlice) {
			d.Spec.Template.Spec.Containers[0].Image = "other"
		},
	} {
		d, uri := w.deployed(t, name, 0)
		r := w.held(t, "drift", onTarget(uri))
		slice := &discoveryv1.EndpointSlice{}
		check(t, w.live.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: name + "-1"}, slice))
		change(d, slice)
		check(t, w.live.Update(t.Context(), d))
		check(t, w.live.Update(t.Context(), slice))
		w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
		r = w.until(t, r, v1alpha1.PhaseDenied)
		if r.Status.Denial.Code != v1alpha1.DenialStateDrifted || r.Status.EvaluationGeneration == 0 {
			t.Errorf("%s: denial %+v, generation %d", name, r.Status.Denial, r.Status.EvaluationGeneration)
		}
		eventually(t, func() bool {
			trail, err := w.store.Trail(t.Context(), r)
			check(t, err)
			for _, a := range trail {
				if a.Spec.Event == v1alpha1.AuditStateDrifted {
					return strings.Contains(string(a.Spec.Details.Raw), `"previousFingerprint":"`)
				}
			}
			return false
		})
	}
	_, uri := w.deployed(t, "steady", 1)
	r := w.held(t, "drift", onTarget(uri))
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	w.until(t, r, v1alpha1.PhaseApproved)
}

// An approval that comes before the held request is evaluated again counts only while the policies say the same.
func policiesDrift(t *testing.T, w world) {
	p := w.rule(t, "policy-drift", v1alpha1.ActionRequireApproval, "true")
	r := w.held(t, "policy-drift", func(*v1alpha1.AgentRequest) {})
	generation := r.Status.EvaluationGeneration
	p.Spec.Rules[0].Action = v1alpha1.ActionDeny
	check(t, w.live.Update(t.Context(), p))
	err := w.live.Patch(t.Context(), r.DeepCopy(), client.RawPatch("application/merge-patch+json",
		[]byte(`{"spec":{"humanApproval":{"decision":"approved","forGeneration":`+string('0'+rune(generation))+`,"approvedBy":"rev"}}}`)))
	if err != nil && !apierrors.IsInvalid(err) {
		t.Fatal(err)
	}
	r = w.until(t, r, v1alpha1.PhaseDenied)
	if code := r.Status.Denial.Code; code != v1alpha1.DenialStateDrifted && code != v1alpha1.DenialPolicyViolation {
		t.Errorf("denial %+v", r.Status.Denial)
	}
}

func evaluatedAgain(t *testing.T, w world) {
	p := w.rule(t, "again", v1alpha1.ActionRequireApproval, "true")
	r := w.held(t, "again", func(*v1alpha1.AgentRequest) {})
	before := r.Status.EvaluationGeneration
	p.Spec.Rules[0].Message = "look twice"
	check(t, w.live.Update(t.Context(), p))
	r = w.await(t, r, func(r *v1alpha1.AgentRequest) bool {
		c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionPolicyEvaluated)
		return c != nil && c.Message == "look twice"
	})
	if r.Status.EvaluationGeneration <= before || !held(r) {
		t.Errorf("generation %d, then %d; held %t", before, r.Status.EvaluationGeneration, held(r))
	}
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	w.until(t, r, v1alpha1.PhaseApproved)
	eventually(t, func() bool {
		trail, err := w.store.Trail(t.Context(), r)
		check(t, err)
		n := 0
		for _, a := range trail {
			if a.Spec.Event == v1alpha1.AuditPolicyEvaluated {
				n++
			}
		}
		return n == int(r.Status.EvaluationGeneration)+1 && trail[len(trail)-1].Spec.Event == v1alpha1.AuditRequestApproved
	})
}

// govern stores a GovernedResource for targets of a test's own and returns one of them. It waits until the reconciler
// has put its finalizer on, because that makes another version.
func (w world) govern(t *testing.T, name string, change func(*v1alpha1.GovernedResource)) (*v1alpha1.GovernedResource, string) {
	t.Helper()
	g := &v1alpha1.GovernedResource{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + w.ns},
		Spec:       v1alpha1.GovernedResourceSpec{URIPattern: name + "://" + w.ns + "/**", PermittedActions: []string{"ask"}},
	}
	change(g)
	check(t, w.live.Create(t.Context(), g))
	eventually(t, func() bool {
		found, err := w.store.GovernedResource(t.Context(), g.Name)
		return err == nil && len(found.Finalizers) == 1
	})
	check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(g), g))
	return g, name + "://" + w.ns + "/x"
}

func soakMode(t *testing.T, w world) {
	_, uri := w.govern(t, "soak", func(g *v1alpha1.GovernedResource) { g.Spec.SoakMode = true })
	r := w.until(t, w.ask(t, onTarget(uri)), v1alpha1.PhaseAwaitingVerdict)
	if c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionRequestSubmitted); c.Reason != "SoakModeAdmission" || w.lock(t, uri) != nil {
		t.Errorf("condition %+v, lock %v", c, w.lock(t, uri))
	}
	w.grade(t, r, "rev")
	w.until(t, r, v1alpha1.PhaseCompleted)
	w.trail(t, r, "request.submitted verdict.submitted")
}

func (w world) grade(t *testing.T, r *v1alpha1.AgentRequest, by string) {
	t.Helper()
	_, err := w.store.ChangeStatus(t.Context(), r.Namespace, r.Name, func(r *v1alpha1.AgentRequest) (v1alpha1.AgentRequestStatus, error) {
		now := metav1.Now()
		r.Status.Verdict, r.Status.VerdictBy, r.Status.VerdictAt = v1alpha1.VerdictCorrect, by, &now
		return r.Status, nil
	})
	check(t, err)
}

// Hole: in the reference an identity with both roles grades itself up the ladder of trust. Proof: its verdict does not
// count; another's does.
func ownVerdict(t *testing.T, w world) {
	r := w.until(t, w.ask(t, func(r *v1alpha1.AgentRequest) {
		r.Annotations = map[string]string{v1alpha1.AnnotationCanExecute: "false"}
	}), v1alpha1.PhaseAwaitingVerdict)
	w.grade(t, r, "agent")
	other := w.until(t, w.ask(t, func(*v1alpha1.AgentRequest) {}), v1alpha1.PhaseApproved) // time for the reconciler
	if got, err := w.store.Get(t.Context(), r.Namespace, r.Name); err != nil || got.Status.Phase != v1alpha1.PhaseAwaitingVerdict {
		t.Errorf("after the own verdict: %v, phase %s (beside %s)", err, got.Status.Phase, other.Name)
	}
	w.grade(t, r, "rev")
	w.until(t, r, v1alpha1.PhaseCompleted)
}

func trustAsks(t *testing.T, w world) {
	r := w.held(t, "ask", func(r *v1alpha1.AgentRequest) {
		r.Annotations = map[string]string{v1alpha1.AnnotationRequiresHumanApproval: "true"}
	})
	if !held(r) {
		t.Errorf("phase %s though trust asks for a reviewer", r.Status.Phase)
	}
}

// What a request says about itself can ask for a reviewer, it cannot do without one.
func saysItIsTrusted(t *testing.T, w world) {
	w.rule(t, "trusted", v1alpha1.ActionRequireApproval, "true")
	r := w.held(t, "trusted", func(r *v1alpha1.AgentRequest) {
		r.Annotations = map[string]string{
			v1alpha1.AnnotationRequiresHumanApproval: "false", v1alpha1.AnnotationTrustLevel: v1alpha1.TrustAutonomous,
		}
	})
	if !held(r) {
		t.Errorf("phase %s, by its own word", r.Status.Phase)
	}
}

func mayNotExecute(t *testing.T, w world) {
	r := w.until(t, w.ask(t, func(r *v1alpha1.AgentRequest) {
		r.Annotations = map[string]string{v1alpha1.AnnotationCanExecute: "false"}
	}), v1alpha1.PhaseAwaitingVerdict)
	if c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionRequestSubmitted); c.Reason != "TrustGateBlock" {
		t.Errorf("condition %+v", c)
	}
}

func refusedAtAdmission(t *testing.T, w world) {
	r := w.until(t, w.ask(t, func(r *v1alpha1.AgentRequest) {
		r.Annotations = map[string]string{v1alpha1.AnnotationGatewayDenied: "ACTION_NOT_PERMITTED"}
	}), v1alpha1.PhaseDenied)
	if d := r.Status.Denial; d.Code != "ACTION_NOT_PERMITTED" || d.Message != "Blocked at gateway admission: ACTION_NOT_PERMITTED" {
		t.Errorf("denial %+v", d)
	}
	w.trail(t, r, "request.denied")
}

// The GovernedResource is looked at when the request is about to be approved, not while it is executed.
func resourceChanges(t *testing.T, w world) {
	w.rule(t, "bound", v1alpha1.ActionRequireApproval, "true")
	g, uri := w.govern(t, "bound", func(g *v1alpha1.GovernedResource) { g.Spec.PermittedActions = []string{"ask", "bound"} })
	running := w.until(t, w.ask(t, onTarget(uri+"/running")), v1alpha1.PhaseApproved)
	w.report(t, running, v1alpha1.ConditionExecuting)
	w.until(t, running, v1alpha1.PhaseExecuting)
	r := w.held(t, "bound", onTarget(uri))
	if ref := r.Status.GovernedResourceRef; ref == nil || ref.Name != g.Name || ref.UID != g.UID {
		t.Errorf("reference %+v", ref)
	}
	g.Spec.Description = "changed"
	check(t, w.live.Update(t.Context(), g))
	eventually(t, func() bool {
		found, err := w.store.GovernedResource(t.Context(), g.Name)
		return err == nil && found.Generation == g.Generation
	})
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	if r = w.until(t, r, v1alpha1.PhaseDenied); r.Status.Denial.Code != v1alpha1.DenialGenerationMismatch {
		t.Errorf("denial %+v", r.Status.Denial)
	}
	w.report(t, running, v1alpha1.ConditionCompleted)
	w.until(t, running, v1alpha1.PhaseCompleted)
}

func resourceGoes(t *testing.T, w world) {
	w.rule(t, "orphan", v1alpha1.ActionRequireApproval, "true")
	g, uri := w.govern(t, "orphan", func(g *v1alpha1.GovernedResource) { g.Spec.PermittedActions = []string{"orphan"} })
	r := w.held(t, "orphan", onTarget(uri))
	check(t, w.live.Delete(t.Context(), g))
	check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(g), g)) // it waits for its request
	eventually(t, func() bool {
		found, err := w.store.GovernedResource(t.Context(), g.Name)
		return err == nil && found.DeletionTimestamp != nil
	})
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	if r = w.until(t, r, v1alpha1.PhaseDenied); r.Status.Denial.Code != v1alpha1.DenialGovernedResourceDeleted {
		t.Errorf("denial %+v", r.Status.Denial)
	}
	eventually(t, func() bool { return apierrors.IsNotFound(w.live.Get(t.Context(), client.ObjectKeyFromObject(g), g)) })
}

// However many come at once, as many pass as the limit says.
func rateLimited(t *testing.T, w world) {
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "policy-"},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{{
			Name: "rate", Type: v1alpha1.RuleRateLimit, Action: v1alpha1.ActionDeny, Expression: `request.spec.action == "rated"`,
			Config: &apiextensionsv1.JSON{Raw: []byte(`{"limit":3,"windowSeconds":3600,"scope":["agent","action"]}`)},
		}}},
	}
	check(t, w.live.Create(t.Context(), p))
	w.judged(t, p, metav1.ConditionTrue)
	requests := make([]*v1alpha1.AgentRequest, 12)
	done := make(chan struct{})
	for i := range requests {
		go func() {
			defer func() { done <- struct{}{} }()
			requests[i] = w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action = "rated" })
		}()
	}
	for range requests {
		<-done
	}
	passed := 0
	for _, r := range requests {
		r = w.await(t, r, func(r *v1alpha1.AgentRequest) bool {
			return r.Status.Phase != "" && r.Status.Phase != v1alpha1.PhasePending
		})
		switch d := r.Status.Denial; {
		case r.Status.Phase == v1alpha1.PhaseApproved:
			passed++
		case d.Code != v1alpha1.DenialRateLimited || d.RetryAfterSeconds == nil || *d.RetryAfterSeconds < 3000:
			t.Errorf("denial %+v", d)
		}
	}
	if passed != 3 {
		t.Errorf("%d passed, want 3", passed)
	}
}

// Those who wait for a target get it by priority, then by age, and never two at once.
func priorityAndAge(t *testing.T, w world) {
	uri := newTarget()
	holder := w.until(t, w.ask(t, onTarget(uri)), v1alpha1.PhaseApproved)
	var order []string
	names := map[string]string{}
	for _, next := range []struct {
		name     string
		priority int32
	}{{"old", 0}, {"urgent", 9}, {"important", 5}, {"young", 0}} {
		r := w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Target.URI, r.Spec.Priority = uri, &next.priority })
		w.await(t, r, func(r *v1alpha1.AgentRequest) bool {
			return meta.IsStatusConditionFalse(r.Status.Conditions, v1alpha1.ConditionLockAcquired)
		})
		names[r.Name] = next.name
		if next.name == "important" {
			<-time.After(time.Until(r.CreationTimestamp.Add(1100 * time.Millisecond))) // ages are told by the second
		}
	}
	for range names {
		w.report(t, holder, v1alpha1.ConditionFailed)
		eventually(t, func() bool {
			lease := w.lock(t, uri)
			if lease == nil || *lease.Spec.HolderIdentity == "agent/"+holder.Name {
				return false
			}
			name := strings.TrimPrefix(*lease.Spec.HolderIdentity, "agent/")
			holder = &v1alpha1.AgentRequest{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
			return true
		})
		holder = w.until(t, holder, v1alpha1.PhaseApproved)
		order = append(order, names[holder.Name])
	}
	if got := strings.Join(order, " "); got != "urgent important old young" {
		t.Errorf("order %s", got)
	}
}

// TestLookupsThatAreForbidden: hole: the reference takes a look-up that the API server refuses for a target that is not
// there. Attack: a gateway without the right to read Deployments, a policy that protects what has traffic. Proof: the
// rule cannot be evaluated and its policy fails closed. It does not run beside the other tests, whose managers have
// that right.
func TestLookupsThatAreForbidden(t *testing.T) { //nolint:paralleltest // see above
	admin, err := client.New(store.ClientConfig(testkit.Kube(t)), client.Options{})
	check(t, err)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "short-"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"governance.aip.io"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"*"}},
	}}
	check(t, admin.Create(t.Context(), role))
	check(t, admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: role.Name}},
	}))
	config := store.ClientConfig(testkit.Kube(t))
	config.Impersonate = rest.ImpersonationConfig{UserName: role.Name}
	w := startWith(t, setup{config: config, byDefault: v1alpha1.ActionAllow})
	w.rule(t, "forbidden", v1alpha1.ActionDeny, "target.hasActiveEndpoints")
	r := w.until(t, w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action = "forbidden" }), v1alpha1.PhaseDenied)
	if d := r.Status.Denial; d.Code != v1alpha1.DenialEvaluationFailure || !strings.Contains(d.Message, "could not be looked up") {
		t.Errorf("denial %+v", d)
	}
}
