package release

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/internal/testkit"
	"github.com/aip-dev/aip-dev/manifests"
)

// calls records what a client asks of the API server.
type calls struct {
	base http.RoundTripper
	info *request.RequestInfoFactory

	mu sync.Mutex
	// made are the calls as verb, group and resource; refused are those that were answered 403.
	made, refused map[string]bool
}

func (c *calls) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.base.RoundTrip(r)
	info, failed := c.info.NewRequestInfo(r)
	if failed != nil || !info.IsResourceRequest {
		return answer, err
	}
	call := info.Verb + " " + info.APIGroup + " " + strings.TrimSuffix(info.Resource+"/"+info.Subresource, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[call] = true
	if err == nil && answer.StatusCode == http.StatusForbidden {
		c.refused[call+" in "+info.Namespace] = true
	}
	return answer, err
}

func (c *calls) has(call string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[call]
}

// installRights gives a service account what the chart gives the gateway, and nothing else.
func installRights(t *testing.T, client kubernetes.Interface, namespace string) (cluster rbacv1.ClusterRole, own rbacv1.Role) {
	t.Helper()
	chrt, err := load(manifests.Chart())
	noError(t, err)
	in := clientOnly(namespace)
	in.Namespace = namespace
	rel, err := in.RunWithContext(t.Context(), chrt, map[string]any{"gateway": map[string]any{
		"replicaCount": 2, "contextFetchers": map[string]any{"karpenter": true},
	}})
	noError(t, err)
	cluster = rendered[rbacv1.ClusterRole](t, rel.Manifest, "ClusterRole")
	own = rendered[rbacv1.Role](t, rel.Manifest, "Role")
	clusterBinding := rendered[rbacv1.ClusterRoleBinding](t, rel.Manifest, "ClusterRoleBinding")
	binding := rendered[rbacv1.RoleBinding](t, rel.Manifest, "RoleBinding")
	_, err = client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	noError(t, err)
	rbac := client.RbacV1()
	_, err = rbac.ClusterRoles().Create(t.Context(), &cluster, metav1.CreateOptions{})
	noError(t, err)
	_, err = rbac.ClusterRoleBindings().Create(t.Context(), &clusterBinding, metav1.CreateOptions{})
	noError(t, err)
	_, err = rbac.Roles(namespace).Create(t.Context(), &own, metav1.CreateOptions{})
	noError(t, err)
	_, err = rbac.RoleBindings(namespace).Create(t.Context(), &binding, metav1.CreateOptions{})
	noError(t, err)
	return cluster, own
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRightsAreThoseThatAreUsed: a gateway with exactly the chart's rights, on an API server that enforces them, does
// everything that it can do and is refused nothing; and there is no right that it does not use.
func TestRightsAreThoseThatAreUsed(t *testing.T) {
	t.Parallel()
	kube := testkit.Kube(t)
	client, err := kubernetes.NewForConfig(kube)
	noError(t, err)
	const namespace = "aip-k8s-rights"
	cluster, own := installRights(t, client, namespace)

	record := &calls{
		made: map[string]bool{}, refused: map[string]bool{},
		info: &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")},
	}
	account := rest.CopyConfig(kube)
	account.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":" + namespace + "-gateway",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	account.Wrap(func(base http.RoundTripper) http.RoundTripper {
		record.base = base
		return record
	})
	g := runGateway(t, account, namespace)
	g.everything(t, namespace)
	g.stop()

	for call := range record.refused {
		t.Errorf("refused: %s", call)
	}
	for _, rule := range slices.Concat(cluster.Rules, own.Rules) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					if call := verb + " " + group + " " + resource; !record.has(call) && !unused(call) {
						t.Errorf("the gateway never uses its right to %s", call)
					}
				}
			}
		}
	}
}

// unused are rights that this run cannot use: which of the two kinds of events a library writes is its own choice, and this
// API server sends with the watch what those of older versions have to be asked for by list.
func unused(call string) bool {
	return call == "create  events" || call == "create events.k8s.io events" || strings.HasPrefix(call, "list ")
}

// served is a gateway that trusts this machine to say who calls.
type served struct {
	url  string
	stop func()
}

func runGateway(t *testing.T, kube *rest.Config, namespace string) served {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	var log strings.Builder
	server, err := gateway.New(gateway.Options{
		Kube: kube, Listen: func(string, string) (net.Listener, error) { return listener, nil }, LeaderElection: true,
		LeaderElectionNamespace: namespace, TrustedProxies: []string{"127.0.0.0/8"}, LockDuration: time.Second,
		Log:   gateway.NewLogger(&log),
		Roles: authz.Config{AgentSubjects: []string{"agent"}, ReviewerSubjects: []string{"reviewer"}, AdminSubjects: []string{"admin"}},
	})
	noError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	g := served{url: "http://" + listener.Addr().String()}
	g.stop = sync.OnceFunc(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
		if strings.Contains(log.String(), "forbidden") {
			t.Errorf("log:\n%s", log.String())
		}
	})
	t.Cleanup(g.stop)
	g.until(t, "it is ready", func() bool { return g.call(t, "", http.MethodGet, "/readyz", "").status == http.StatusOK })
	return g
}

type answered struct {
	status int
	body   string
}

func (g served) call(t *testing.T, who, method, path, body string) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.url+path, strings.NewReader(body))
	noError(t, err)
	r.Header.Set("X-Remote-User", who)
	answer, err := http.DefaultClient.Do(r)
	noError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	noError(t, err)
	return answered{answer.StatusCode, string(text)}
}

// is calls and compares the status.
func (g served) is(t *testing.T, status int, who, method, path, body string) answered {
	t.Helper()
	got := g.call(t, who, method, path, body)
	if got.status != status {
		t.Errorf("%s %s as %s: %d %s, expected %d", method, path, who, got.status, got.body, status)
	}
	return got
}

func (g served) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(40 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: it did not happen within 40 s", what)
		}
	}
}

// name returns the name of a request that was submitted.
func (a answered) name() string {
	_, rest, _ := strings.Cut(a.body, `"name":"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// registrations registers an agent, and decides about one that asks.
func (g served) registrations(t *testing.T, in string) {
	const registration = `{"metadata":{"name":"rights"},"spec":{"agentIdentity":"rights-agent"}}`
	g.is(t, http.StatusCreated, "admin", http.MethodPost, "/agent-registrations"+in, registration)
	g.is(t, http.StatusOK, "admin", http.MethodPut, "/agent-registrations/rights"+in, registration)
	g.is(t, http.StatusOK, "admin", http.MethodGet, "/agent-registrations"+in, "")
	g.is(t, http.StatusOK, "reviewer", http.MethodPost, "/agent-registrations/rights/deny"+in, "")
	g.is(t, http.StatusNoContent, "admin", http.MethodDelete, "/agent-registrations/rights"+in, "")
}

// everything uses each endpoint, and what the reconciler does of itself.
func (g served) everything(t *testing.T, namespace string) {
	in := "?namespace=" + namespace
	const hold = `request.spec.action == \"rights-hold\" && !target.exists`
	policy := func(name string) string {
		return `{"metadata":{"name":"` + name + `"},"spec":{"rules":[{"name":"r","type":"StateEvaluation","action":"RequireApproval","expression":"` + hold + `"}]}}`
	}
	g.is(t, http.StatusCreated, "admin", http.MethodPost, "/safety-policies"+in, policy("hold"))
	g.is(t, http.StatusOK, "admin", http.MethodPut, "/safety-policies/hold"+in, policy("hold"))
	g.is(t, http.StatusOK, "admin", http.MethodGet, "/safety-policies"+in, "")
	governed := `{"metadata":{"name":"rights"},"spec":{"uriPattern":"**","permittedActions":["rights-hold","rights-free"],"contextFetcher":"k8s-deployment"}}`
	pools := `{"metadata":{"name":"rights-pools"},"spec":{"uriPattern":"k8s://*/*/nodepool/**","permittedActions":["rights-free"],"contextFetcher":"karpenter"}}`
	g.is(t, http.StatusCreated, "admin", http.MethodPost, "/governed-resources", governed)
	g.is(t, http.StatusOK, "admin", http.MethodPut, "/governed-resources/rights", governed)
	g.is(t, http.StatusCreated, "admin", http.MethodPost, "/governed-resources", pools)
	g.until(t, "policy and resource are in force", func() bool {
		return strings.Contains(g.call(t, "admin", http.MethodGet, "/safety-policies/hold"+in, "").body, `"status":"True"`) &&
			strings.Contains(g.call(t, "admin", http.MethodGet, "/governed-resources/rights", "").body, "active-requests")
	})

	g.registrations(t, in)

	submit := func(action, target string) string {
		body := fmt.Sprintf(`{"namespace":%q,"action":%q,"targetURI":%q,"reason":"r"}`, namespace, action, target)
		return g.is(t, http.StatusCreated, "agent", http.MethodPost, "/agent-requests", body).name()
	}
	const target = "k8s://c/default/deployment/rights"
	name := submit("rights-hold", target)
	one := func(verb string) string { return "/agent-requests/" + name + verb + in }
	g.is(t, http.StatusOK, "reviewer", http.MethodPost, one("/approve"), `{"reason":"r"}`)
	g.is(t, http.StatusOK, "agent", http.MethodPost, one("/executing"), "")
	g.is(t, http.StatusOK, "agent", http.MethodPost, one("/heartbeat"), "")
	g.is(t, http.StatusOK, "agent", http.MethodPut, one("/result"), `{"url":"https://x.example","summary":"s"}`)
	g.is(t, http.StatusOK, "agent", http.MethodPost, one("/completed"), "")
	g.is(t, http.StatusOK, "agent", http.MethodGet, one(""), "")
	// An agent that dies loses its target.
	name = submit("rights-free", target)
	g.is(t, http.StatusOK, "agent", http.MethodPost, one("/executing"), "")
	g.until(t, "the lock expires", func() bool {
		return strings.Contains(g.call(t, "agent", http.MethodGet, one(""), "").body, `"phase":"Failed"`)
	})
	submit("rights-free", "k8s://c/karpenter.sh/nodepool/rights")
	g.trust(t, namespace, in)
	g.is(t, http.StatusForbidden, "agent", http.MethodPost, "/agent-requests", `{"namespace":"`+namespace+`","action":"other","targetURI":"u","reason":"r"}`)
	g.until(t, "the trail is there", func() bool {
		return strings.Contains(g.call(t, "admin", http.MethodGet, "/audit-records"+in, "").body, "request.failed")
	})
	g.is(t, http.StatusNoContent, "admin", http.MethodDelete, "/safety-policies/hold"+in, "")
	if got := g.call(t, "admin", http.MethodDelete, "/governed-resources/rights", ""); got.status != http.StatusNoContent && got.status != http.StatusAccepted {
		t.Errorf("%d %s", got.status, got.body)
	}
	g.until(t, "the GovernedResource is gone", func() bool {
		return g.call(t, "admin", http.MethodGet, "/governed-resources/rights", "").status == http.StatusNotFound
	})
}

// trust lets an agent be graded and rise, with all that is shown of it.
func (g served) trust(t *testing.T, namespace, in string) {
	const policy = `{"spec":{"evaluationWindow":{"count":1},"levels":[{"name":"Observer","canExecute":false},{"name":"Advisor","canExecute":true,"accuracy":{"min":1}}],"demotionPolicy":{"accuracyDropThreshold":0,"windowSize":1}}}`
	g.is(t, http.StatusCreated, "admin", http.MethodPost, "/agent-graduation-policies"+in, policy)
	g.is(t, http.StatusOK, "admin", http.MethodPut, "/agent-graduation-policies/default"+in, policy)
	g.is(t, http.StatusOK, "admin", http.MethodGet, "/agent-graduation-policies/default"+in, "")
	soak := `{"metadata":{"name":"rights-soak"},"spec":{"uriPattern":"soak://**","permittedActions":["soak"],"soakMode":true}}`
	g.is(t, http.StatusCreated, "admin", http.MethodPost, "/governed-resources", soak)
	var name string
	g.until(t, "the request is to be graded", func() bool {
		got := g.call(t, "agent", http.MethodPost, "/agent-requests", fmt.Sprintf(`{"namespace":%q,"action":"soak","targetURI":"soak://x","reason":"r"}`, namespace))
		name = got.name()
		return strings.Contains(got.body, "AwaitingVerdict")
	})
	g.is(t, http.StatusOK, "reviewer", http.MethodPatch, "/agent-requests/"+name+"/verdict"+in, `{"verdict":"correct"}`)
	g.until(t, "the agent is an Advisor", func() bool {
		return strings.Contains(g.call(t, "agent", http.MethodGet, "/agent-trust-profiles"+in, "").body, `"trustLevel":"Advisor"`)
	})
	g.is(t, http.StatusOK, "reviewer", http.MethodPost, "/agent-requests/recompute-accuracy"+in, "")
	g.is(t, http.StatusNoContent, "admin", http.MethodDelete, "/agent-graduation-policies/default"+in, "")
	if got := g.call(t, "admin", http.MethodDelete, "/governed-resources/rights-soak", ""); got.status != http.StatusNoContent && got.status != http.StatusAccepted {
		t.Errorf("%d %s", got.status, got.body)
	}
}
