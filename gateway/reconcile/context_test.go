package reconcile_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/github"
	"github.com/aip-dev/aip-dev/gateway/reconcile"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// TestContext runs its cases beside each other on one manager, as TestState does.
func TestContext(t *testing.T) { //nolint:paralleltest // see TestState
	hub := testkit.NewGitHub(t)
	token := filepath.Join(t.TempDir(), "token")
	check(t, os.WriteFile(token, []byte(testkit.GitHubToken), 0o600))
	asks, err := github.New(github.Options{URL: hub.URL, TokenFile: token})
	check(t, err)
	w := startWith(t, setup{byDefault: v1alpha1.ActionAllow, times: reconcile.Options{GitHub: asks}})
	for name, run := range map[string]func(*testing.T, world){
		"Services by their selector":   servicesBySelector,
		"not as the schema says":       notAsTheSchemaSays,
		"a schema that comes later":    schemaComesLater,
		"NodePools":                    nodePools,
		"GitHub":                       func(t *testing.T, w world) { onGitHub(t, w, hub) },
		"nobody reads what fails":      nobodyReads,
		"a fetcher that is taken away": fetcherTakenAway,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, w)
		})
	}
}

// fetching stores a GovernedResource with a context fetcher for one target and one action.
func (w world) fetching(t *testing.T, name, uri, fetcher, schema string) *v1alpha1.GovernedResource {
	t.Helper()
	g, _ := w.govern(t, name, func(g *v1alpha1.GovernedResource) {
		g.Spec.URIPattern, g.Spec.ContextFetcher, g.Spec.PermittedActions = uri, fetcher, []string{name}
		if schema != "" {
			g.Spec.ContextSchema = &apiextensionsv1.JSON{Raw: []byte(schema)}
		}
	})
	return g
}

// asked submits a request about a target and waits until it is held or decided.
func (w world) asked(t *testing.T, action, uri string) *v1alpha1.AgentRequest {
	t.Helper()
	r := w.ask(t, func(r *v1alpha1.AgentRequest) { r.Spec.Action, r.Spec.Target.URI = action, uri })
	return w.await(t, r, func(r *v1alpha1.AgentRequest) bool {
		return r.Status.Phase != "" && (r.Status.Phase != v1alpha1.PhasePending || held(r))
	})
}

func contextOf(t *testing.T, r *v1alpha1.AgentRequest) map[string]any {
	t.Helper()
	if r.Status.ProviderContext == nil {
		t.Fatalf("%s has no context: %s, %+v, %+v", r.Name, r.Status.Phase, r.Status.Denial, r.Status.Conditions)
	}
	var out map[string]any
	check(t, json.Unmarshal(r.Status.ProviderContext.Raw, &out))
	return out
}

// Hole (W-18): the reference matches the labels of Services against the selector of pods, so it misses the traffic.
// Attack: a Deployment whose Service has another name and other labels. Proof: its endpoints count, each pod once.
func servicesBySelector(t *testing.T, w world) {
	d, uri := w.deployed(t, "front", 0)
	serve := func(name string, selector map[string]string, pods ...string) {
		check(t, w.live.Create(t.Context(), &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name},
			Spec:       corev1.ServiceSpec{Selector: selector, Ports: []corev1.ServicePort{{Port: 80}}},
		}))
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Namespace: w.ns, Name: name + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			AddressType: discoveryv1.AddressTypeIPv4,
		}
		for _, pod := range pods {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{"10.0.0.1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod, UID: types.UID(pod)},
			})
		}
		check(t, w.live.Create(t.Context(), slice))
	}
	serve("shop", map[string]string{"app": "front"}, "pod-a", "pod-b")
	serve("shop-internal", map[string]string{"app": "front"}, "pod-b")
	serve("elsewhere", map[string]string{"app": "front", "tier": "other"}, "pod-c")
	serve("by-hand", nil, "pod-d")
	w.fetching(t, "front", uri, v1alpha1.FetcherK8sDeployment, "")
	w.rule(t, "front", v1alpha1.ActionRequireApproval,
		`target.hasActiveEndpoints && context.activeEndpointCount == 2 && ctxData.targetExists && "shop" in target.downstreamServices`)
	r := w.asked(t, "front", uri)
	v := r.Status.ControlPlaneVerification
	if !held(r) || v == nil || v.ActiveEndpointCount != 2 || strings.Join(v.DownstreamServices, " ") != "shop shop-internal" {
		t.Fatalf("phase %s, denial %+v, verification %+v", r.Status.Phase, r.Status.Denial, v)
	}
	if c := contextOf(t, r); c["specReplicas"] != 3.0 || c["hasActiveEndpoints"] != true || c["stateFingerprint"] != v.EvaluatedStateFingerprint {
		t.Errorf("context %v", c)
	}
	// A Service that comes after the reviewer looked is a change of what they saw.
	serve("shop-new", map[string]string{"app": "front"}, "pod-a")
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	if r = w.until(t, r, v1alpha1.PhaseDenied); r.Status.Denial.Code != v1alpha1.DenialStateDrifted {
		t.Errorf("denial %+v", r.Status.Denial)
	}
	check(t, w.live.Delete(t.Context(), d))
	if r = w.asked(t, "front", uri); r.Status.Phase != v1alpha1.PhaseApproved || contextOf(t, r)["targetExists"] != false {
		t.Errorf("of what is not there: phase %s, denial %+v, context %v", r.Status.Phase, r.Status.Denial, contextOf(t, r))
	}
}

func notAsTheSchemaSays(t *testing.T, w world) {
	_, uri := w.deployed(t, "odd", 0)
	w.fetching(t, "odd", uri, v1alpha1.FetcherK8sDeployment, `{"type":"object","properties":{"specReplicas":{"type":"string"}}}`)
	w.rule(t, "odd", v1alpha1.ActionDeny, "has(context.specReplicas) || has(target.targetExists)")
	r := w.asked(t, "odd", uri)
	c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionFetcherSchemaViolation)
	if r.Status.Phase != v1alpha1.PhaseApproved || r.Status.ProviderContext != nil || c == nil || c.Reason != "SchemaMismatch" ||
		c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, "context.specReplicas is of type integer, expected string") {
		t.Errorf("phase %s, denial %+v, context %s, condition %+v", r.Status.Phase, r.Status.Denial, r.Status.ProviderContext, c)
	}
}

// A policy with a contextType is compiled against the schemas of its GovernedResources, whenever they come.
func schemaComesLater(t *testing.T, w world) {
	const uri = "github://acme/later"
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, GenerateName: "typed-"},
		Spec: v1alpha1.SafetyPolicySpec{
			ContextType: v1alpha1.FetcherGitHub, FailureMode: v1alpha1.FailOpen,
			GovernedResourceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"later": w.ns}},
			Rules: []v1alpha1.Rule{{
				Name: "rule", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionDeny, Expression: `context.ciStatuz == "failure"`,
			}},
		},
	}
	check(t, w.live.Create(t.Context(), p))
	w.judged(t, p, metav1.ConditionTrue)
	g := w.fetching(t, "later", uri, v1alpha1.FetcherGitHub, `{"type":"object","properties":{"ciStatus":{"type":"string"}}}`)
	check(t, w.live.Patch(t.Context(), g, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{"later":%q}}}`, w.ns))))
	if message := w.judged(t, p, metav1.ConditionFalse); !strings.Contains(message, "undefined field 'ciStatuz'") || !strings.Contains(message, g.Name) {
		t.Errorf("message %q", message)
	}
	check(t, w.live.Get(t.Context(), client.ObjectKeyFromObject(g), g))
	g.Spec.ContextSchema.Raw = []byte(`{"type":"object","properties":{"ciStatuz":{"type":"string"}}}`)
	check(t, w.live.Update(t.Context(), g))
	w.judged(t, p, metav1.ConditionTrue)
}

// Hole (W-18b): the reference asks for a version that is served no more and tells constants. Proof: the NodePools of the
// real CustomResourceDefinition are read, and what the API does not tell is not told; without Karpenter nothing is known.
func nodePools(t *testing.T, w world) {
	name := "pool-" + w.ns
	uri := "k8s://prod/karpenter.sh/nodepool/" + name
	w.fetching(t, "pool", uri, v1alpha1.FetcherKarpenter, `{"type":"object","properties":{"currentLimitCPU":{"type":"string"},"currentNodeCount":{"type":"integer"}}}`)
	p := w.rule(t, "pool", v1alpha1.ActionRequireApproval, "!target.exists || context.currentNodeCount < 10")
	r := w.asked(t, "pool", uri)
	if d := r.Status.Denial; d == nil || d.Code != v1alpha1.DenialEvaluationFailure || !strings.Contains(d.Message, "Karpenter is not installed") {
		t.Fatalf("without Karpenter: phase %s, denial %+v", r.Status.Phase, d)
	}
	_, err := envtest.InstallCRDs(testkit.Kube(t), envtest.CRDInstallOptions{Paths: []string{"testdata/karpenter.sh_nodepools.yaml"}, ErrorIfPathMissing: true})
	check(t, err)
	if r = w.asked(t, "pool", uri); !held(r) || r.Status.ProviderContext != nil || r.Status.ControlPlaneVerification.TargetExists {
		t.Fatalf("of what is not there: phase %s, denial %+v, status %+v", r.Status.Phase, r.Status.Denial, r.Status.ControlPlaneVerification)
	}
	pool := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"limits": map[string]any{"cpu": int64(100), "memory": "1000Gi"},
			"template": map[string]any{"spec": map[string]any{
				"nodeClassRef": map[string]any{"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
				"requirements": []any{map[string]any{"key": "kubernetes.io/arch", "operator": "In", "values": []any{"amd64"}}},
			}},
		},
	}}
	check(t, w.live.Create(t.Context(), pool))
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	if r = w.until(t, r, v1alpha1.PhaseDenied); r.Status.Denial.Code != v1alpha1.DenialStateDrifted {
		t.Errorf("a NodePool that came after the look: %+v", r.Status.Denial)
	}
	// Karpenter has not counted the nodes yet: the rule cannot be evaluated.
	if r = w.asked(t, "pool", uri); r.Status.Denial == nil || !strings.Contains(r.Status.Denial.Message, "no such key: currentNodeCount") {
		t.Errorf("phase %s, denial %+v", r.Status.Phase, r.Status.Denial)
	}
	count := func(nodes int64) {
		check(t, unstructured.SetNestedMap(pool.Object, map[string]any{"nodes": nodes, "resources": map[string]any{"cpu": "12"}}, "status"))
		check(t, w.live.Status().Update(t.Context(), pool))
	}
	count(3)
	r = w.asked(t, "pool", uri)
	if c := contextOf(t, r); !held(r) || len(c) != 3 || c["currentLimitCPU"] != "100" || c["currentLimitMemory"] != "1000Gi" || c["currentNodeCount"] != 3.0 {
		t.Errorf("context %v, denial %+v", c, r.Status.Denial)
	}
	// The approval is bound to the context that the reviewer saw.
	count(7)
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	r = w.until(t, r, v1alpha1.PhaseDenied)
	if d := r.Status.Denial; d.Code != v1alpha1.DenialStateDrifted || !strings.Contains(d.Message, "currentNodeCount was 3, is 7") {
		t.Errorf("denial %+v", d)
	}
	r = w.asked(t, "pool", uri)
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	w.until(t, r, v1alpha1.PhaseApproved)
	check(t, w.live.Delete(t.Context(), p))
}

func onGitHub(t *testing.T, w world, hub *testkit.GitHub) {
	const uri = "github://acme/shop/main/deploy/a b.yaml"
	w.fetching(t, "hub", uri, v1alpha1.FetcherGitHub, `{"type":"object","required":["ciStatus"],"properties":{"ciStatus":{"type":"string"},"openPRCount":{"type":"integer"}}}`)
	w.rule(t, "hub", v1alpha1.ActionDeny, `context.ciStatus != "success"`)
	w.rule(t, "hub", v1alpha1.ActionRequireApproval, `target.fileContent.contains("replicas") && ctxData.openPRCount < 5`)
	r := w.asked(t, "hub", uri)
	if c := contextOf(t, r); !held(r) || c["branch"] != "main" || c["filePath"] != "deploy/a b.yaml" || c["openPRCount"] != 2.0 {
		t.Errorf("phase %s, denial %+v, context %v", r.Status.Phase, r.Status.Denial, c)
	}
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	w.until(t, r, v1alpha1.PhaseApproved)
	w.report(t, r, v1alpha1.ConditionFailed)

	r = w.asked(t, "hub", uri)
	hub.OpenPulls(3)
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	r = w.until(t, r, v1alpha1.PhaseDenied)
	if d := r.Status.Denial; d.Code != v1alpha1.DenialStateDrifted || !strings.Contains(d.Message, "openPRCount was 2, is 3") {
		t.Errorf("denial %+v", d)
	}
	eventually(t, func() bool {
		trail, err := w.store.Trail(t.Context(), r)
		check(t, err)
		for _, a := range trail {
			if a.Spec.Event == v1alpha1.AuditStateDrifted {
				var details map[string]any
				check(t, json.Unmarshal(a.Spec.Details.Raw, &details))
				return details["previousFingerprint"] != details["currentFingerprint"]
			}
		}
		return false
	})
	hub.CheckRuns("failure")
	if r = w.asked(t, "hub", uri); r.Status.Denial == nil || r.Status.Denial.Code != v1alpha1.DenialPolicyViolation {
		t.Errorf("phase %s, denial %+v", r.Status.Phase, r.Status.Denial)
	}
	hub.Answer("repos/acme/shop/branches/main", http.StatusBadGateway)
	if r = w.asked(t, "hub", uri); r.Status.Denial == nil || r.Status.Denial.Code != v1alpha1.DenialEvaluationFailure || !strings.Contains(r.Status.Denial.Message, "GitHub answers 502") {
		t.Errorf("phase %s, denial %+v", r.Status.Phase, r.Status.Denial)
	}
	hub.Delay("repos/acme/shop/", time.Minute)
	began := time.Now()
	if r = w.asked(t, "hub", uri); r.Status.Denial == nil || r.Status.Denial.Code != v1alpha1.DenialEvaluationFailure || time.Since(began) > 10*time.Second {
		t.Errorf("phase %s, denial %+v after %s", r.Status.Phase, r.Status.Denial, time.Since(began))
	}
}

// What no rule reads denies nothing, but the reviewer is told that it is missing, and not taken for absent later.
func nobodyReads(t *testing.T, w world) {
	const uri = "github://acme/unknown"
	w.fetching(t, "unread", uri, v1alpha1.FetcherGitHub, "")
	r := w.held(t, "unread", func(r *v1alpha1.AgentRequest) {
		r.Spec.Target.URI = uri
		r.Annotations = map[string]string{v1alpha1.AnnotationRequiresHumanApproval: "true"}
	})
	c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionPolicyEvaluated)
	if denial := r.Status.Denial; r.Status.ProviderContext != nil || denial == nil && !strings.Contains(c.Message, "could not be looked up: GitHub answers 404") {
		t.Errorf("phase %s, denial %+v, condition %+v", r.Status.Phase, denial, c)
	}
}

func fetcherTakenAway(t *testing.T, w world) {
	_, uri := w.deployed(t, "bare", 0)
	g := w.fetching(t, "bare", uri, v1alpha1.FetcherK8sDeployment, "")
	w.rule(t, "bare", v1alpha1.ActionRequireApproval, "true")
	r := w.asked(t, "bare", uri)
	contextOf(t, r)
	g.Spec.ContextFetcher = v1alpha1.FetcherNone
	check(t, w.live.Update(t.Context(), g))
	eventually(t, func() bool {
		found, err := w.store.GovernedResource(t.Context(), g.Name)
		return err == nil && found.Generation == g.Generation
	})
	w.decide(t, r, v1alpha1.DecisionApproved, "rev", "")
	if r = w.until(t, r, v1alpha1.PhaseDenied); r.Status.Denial.Code != v1alpha1.DenialStateDrifted {
		t.Errorf("denial %+v", r.Status.Denial)
	}
}
