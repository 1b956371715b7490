package steps

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/bootstrap/release"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestPlanOfAnExistingCluster(t *testing.T) {
	t.Parallel()
	e := bootstrap.Default()
	e.Cluster = bootstrap.ClusterExisting
	external := e
	external.Identity.IssuerURL = "https://id.example"
	for name, env := range map[string]bootstrap.Environment{"own provider": e, "provider of others": external} {
		plan := InExisting(env, Deps{})
		want := []string{"cluster", "preflight", "forward", "resources", "identity", "gateway", "policies", "proof"}
		if got := plan.Names(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, expected %v", name, got, want)
		}
		var removers []string
		for _, stage := range plan {
			for _, s := range stage {
				if _, ok := s.(bootstrap.Remover); ok {
					removers = append(removers, s.Name())
				}
			}
		}
		if !slices.Equal(removers, []string{"forward", "resources", "identity", "gateway", "policies"}) {
			t.Errorf("%s: removed by down: %v", name, removers)
		}
	}
}

// TestAnotherCluster: a context that leads to another cluster than the last time is refused, whatever its URL says.
func TestAnotherCluster(t *testing.T) {
	t.Parallel()
	facts := onServer(t)
	e := bootstrap.Environment{Name: "x", Existing: bootstrap.Existing{Context: "test", Kubeconfig: facts.Cluster.Kubeconfig}}
	x := existingCluster{env: e, deps: Deps{Dir: t.TempDir()}}
	seen := observed(t, x, bootstrap.Facts{})
	if seen.State != bootstrap.Differs {
		t.Errorf("without a copy: %v", seen.State)
	}
	learned, _ := applied(t, x, bootstrap.Facts{})
	if c := learned.Cluster; c.ID == "" || c.Server == "" || c.Version == "" || c.Kind != bootstrap.ClusterExisting {
		t.Errorf("learned %+v", c)
	}
	if seen := observed(t, x, learned); seen.State != bootstrap.Ready {
		t.Errorf("with a copy: %v %s", seen.State, seen.Detail)
	}
	moved := learned
	moved.Cluster.Server = "https://elsewhere" // the same cluster behind another address
	if seen := observed(t, x, moved); seen.State != bootstrap.Ready {
		t.Errorf("at another address: %v", seen.State)
	}
	moved.Cluster.ID = "of another cluster"
	var other *OtherClusterError
	if _, err := x.Observe(t.Context(), moved); !errors.As(err, &other) || other.Was != "https://elsewhere" {
		t.Errorf("another cluster: %v", err)
	}
}

// TestRights: an administrator lacks none; who has none is told all of them, one resource a line.
func TestRights(t *testing.T) {
	t.Parallel()
	config := testkit.Kube(t)
	e := bootstrap.Default()
	if err := mustBeAllowed(t.Context(), config, needed(e, inventory{})); err != nil {
		t.Errorf("administrator: %v", err)
	}
	nobody := rest.CopyConfig(config)
	nobody.Impersonate = rest.ImpersonationConfig{UserName: "nobody"}
	var missing *MissingRightsError
	if err := mustBeAllowed(t.Context(), nobody, needed(e, inventory{})); !errors.As(err, &missing) {
		t.Fatalf("nobody: %v", err)
	}
	for _, want := range []string{
		"get, create, patch, delete namespaces", "create pods/portforward in namespace keycloak", "get, list, create, patch, delete clusterroles.rbac.authorization.k8s.io",
	} {
		if !slices.Contains(missing.Rights, want) {
			t.Errorf("%q is not among\n%s", want, strings.Join(missing.Rights, "\n"))
		}
	}
	// What is there need not be made, and what is not carried to needs no port.
	e.Identity.IssuerURL, e.Existing.GatewayURL = "https://id.example", "https://gateway.example"
	if err := mustBeAllowed(t.Context(), nobody, needed(e, inventory{namespaces: true, definitions: true})); !errors.As(err, &missing) {
		t.Fatalf("nobody: %v", err)
	}
	for _, right := range missing.Rights {
		if strings.Contains(right, "portforward") || strings.Contains(right, "namespace keycloak") || strings.Contains(right, "create, patch, delete namespaces") {
			t.Errorf("%q is not needed", right)
		}
	}
}

// TestRightsOfTheGateway: whoever installs the chart has to have what its roles give to the gateway, and is asked for all of it.
func TestRightsOfTheGateway(t *testing.T) {
	t.Parallel()
	e := bootstrap.Default()
	manifest, err := release.Render(t.Context(), Release, Namespace, "v1.33.1", gateway{env: e}.spec(bootstrap.Facts{}))
	if err != nil {
		t.Fatal(err)
	}
	asked := questions(needed(e, inventory{}))
	given := 0
	for doc := range strings.SplitSeq(string(manifest), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			policy := authorizationv1.ResourceAttributes{Namespace: role.Namespace}
			for _, policy.Group = range rule.APIGroups {
				for _, resource := range rule.Resources {
					policy.Resource, policy.Subresource, _ = strings.Cut(resource, "/")
					for _, policy.Verb = range rule.Verbs {
						if given++; !slices.Contains(asked, policy) {
							t.Errorf("%s %s is not asked for", policy.Verb, resourceOf(policy))
						}
					}
				}
			}
		}
	}
	if given == 0 {
		t.Error("the chart gives no rights")
	}
}

// TestRightsOfATeam: the rights that are asked for are named exactly: who gets them may do all.
func TestRightsOfATeam(t *testing.T) {
	t.Parallel()
	rights := needed(bootstrap.Default(), inventory{})
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "team-installer"}}
	for _, r := range rights {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource}, Verbs: strings.Split(r.verbs, " ")})
	}
	c := clients(t).RbacV1()
	if _, err := c.ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "team-member"}},
	}
	if _, err := c.ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	member := testkit.Kube(t)
	member.Impersonate = rest.ImpersonationConfig{UserName: "team-member"}
	for { // the authorizer learns of roles by watching
		err := mustBeAllowed(t.Context(), member, rights)
		if err == nil {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func oidcProvider(t *testing.T, body string, status int) string {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/t/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(strings.ReplaceAll(body, "SELF", server.URL+"/t"))) // a test's own client
	}))
	t.Cleanup(server.Close)
	return server.URL + "/t"
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
		mints  bool
	}{
		"complete":       {`{"issuer": "SELF", "token_endpoint": "SELF/token", "jwks_uri": "SELF/keys", "grant_types_supported": ["client_credentials"]}`, 200, "", true},
		"no grants told": {`{"issuer": "SELF", "token_endpoint": "SELF/token", "jwks_uri": "SELF/keys"}`, 200, "", true},
		"no such grant":  {`{"issuer": "SELF", "token_endpoint": "SELF/token", "jwks_uri": "SELF/keys", "grant_types_supported": ["implicit"]}`, 200, "", false},
		"other issuer":   {`{"issuer": "SELF/", "jwks_uri": "SELF/keys"}`, 200, "the same to the letter", false},
		"no keys":        {`{"issuer": "SELF"}`, 200, "names no jwks_uri", false},
		"a web page":     {`<html>`, 200, "is no discovery document", false},
		"an error":       {``, 503, "answers 503 Service Unavailable", false},
	} {
		env := bootstrap.Environment{Identity: bootstrap.Provider{IssuerURL: oidcProvider(t, c.body, c.status)}}
		found, err := externalIdentity{env: env}.discover(t.Context())
		if c.want == "" && (err != nil || found.mints() != c.mints) {
			t.Errorf("%s: mints %t, %v", name, found.mints(), err)
		}
		if c.want != "" && (!errors.Is(err, ErrProvider) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
	nobody := externalIdentity{env: bootstrap.Environment{Identity: bootstrap.Provider{IssuerURL: "http://127.0.0.1:1"}}}
	if _, err := nobody.discover(t.Context()); !errors.Is(err, ErrProvider) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestProvable: what cannot be proven is said, and nothing else is.
func TestProvable(t *testing.T) {
	t.Parallel()
	id := bootstrap.IdentityFacts{External: true, Endpoint: "https://id.example/token", Clients: []bootstrap.ClientFacts{
		{ID: "a", Role: bootstrap.RoleAgent, Secret: "s"}, {ID: "r", Role: bootstrap.RoleReviewer, Secret: "s"},
	}}
	untold, mute := id, id
	untold.Clients = []bootstrap.ClientFacts{id.Clients[0], {ID: "r", Role: bootstrap.RoleReviewer}}
	mute.Endpoint = ""
	for name, c := range map[string]struct {
		id      bootstrap.IdentityFacts
		clients int
		missing []string
	}{
		"all":      {id, 2, nil},
		"untold":   {untold, 1, []string{"tokens of r: its secret was not told", "that a request is decided"}},
		"no grant": {mute, 0, []string{"tokens of a: the provider gives none", "tokens of r: the provider gives none", "that a request is decided"}},
	} {
		clients, missing := provable(bootstrap.Facts{Identity: c.id})
		if len(clients) != c.clients || len(missing) != len(c.missing) {
			t.Fatalf("%s: %v, %q", name, clients, missing)
		}
		for i := range missing {
			if !strings.Contains(missing[i], c.missing[i]) {
				t.Errorf("%s: %q, expected %q", name, missing[i], c.missing[i])
			}
		}
	}
}

// TestPasswordOfASharedProvider: nobody can guess it, and it is in a Secret alone.
func TestPasswordOfASharedProvider(t *testing.T) {
	t.Parallel()
	facts := bootstrap.Facts{Name: "x", Cluster: bootstrap.ClusterFacts{Kind: bootstrap.ClusterExisting}}
	i := identity{env: bootstrap.Environment{Clients: []bootstrap.Client{{ID: "c", Secret: "of-c"}}}, password: "unguessable"}
	manifest, err := i.manifest(facts)
	if err != nil {
		t.Fatal(err)
	}
	text := string(manifest)
	if strings.Contains(text, "value: admin\n") && strings.Count(text, "secretKeyRef") != 2 || strings.Contains(text, "unguessable") || strings.Contains(text, "NodePort") {
		t.Errorf("manifest:\n%s", text)
	}
	if strings.Count(text, "name: "+adminSecret) != 3 {
		t.Errorf("the Secret and its two readers are not there:\n%s", text)
	}
}

func TestSecretName(t *testing.T) {
	t.Parallel()
	if got := SecretName("aip-agent-1"); got != "oidc-client-aip-agent-1" {
		t.Error(got)
	}
	odd, other := SecretName("0oA|b@clients"), SecretName("0oa|b@clients")
	if odd == other || !strings.HasPrefix(odd, "oidc-client-") || len(odd) != len("oidc-client-")+16 {
		t.Errorf("%s and %s", odd, other)
	}
}

func TestGatewayInAnExistingCluster(t *testing.T) {
	t.Parallel()
	e := bootstrap.Default()
	e.Existing.Replicas, e.Images.Gateway, e.Identity = 2, "registry.example/aip:7", bootstrap.Provider{IssuerURL: "https://id.example", Preset: "okta"}
	facts := bootstrap.Facts{Name: "team", Cluster: bootstrap.ClusterFacts{Kind: bootstrap.ClusterExisting}, Identity: bootstrap.IdentityFacts{External: true, IssuerURL: "https://id.example"}}
	spec := gateway{env: e}.spec(facts)
	manifest, err := release.Render(t.Context(), Release, Namespace, "v1.33.1", spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"replicas: 2", `image: "registry.example/aip:7"`, "--leader-elect\n", "--leader-elect-namespace=" + Namespace, "--oidc-preset=okta", "--oidc-issuer-url=https://id.example", "type: ClusterIP",
	} {
		if !strings.Contains(string(manifest), want) {
			t.Errorf("%q is not in\n%s", want, manifest)
		}
	}
	// The preset says the claim; what was set for another provider before does not overrule it.
	if strings.Contains(string(manifest), "--oidc-identity-claim") || spec.Values["gateway"].(map[string]any)["auth"].(map[string]any)["oidcIdentityClaim"] != "" {
		t.Errorf("a claim of its own in\n%s", manifest)
	}
	e.Identity.Claim = "cid"
	if manifest, err = release.Render(t.Context(), Release, Namespace, "v1.33.1", gateway{env: e}.spec(facts)); err != nil || !strings.Contains(string(manifest), "--oidc-identity-claim=cid") {
		t.Errorf("%v, and no claim in\n%s", err, manifest)
	}
	if notOurs(facts, release.State{Phase: release.Ready, Labels: spec.Labels}) != nil || notOurs(facts, release.State{Phase: release.Absent}) != nil {
		t.Error("our own release is foreign")
	}
	for of, labels := range map[string]map[string]string{"": nil, "other": {objects.LabelEnvironment: "other"}} {
		var foreign *objects.ForeignError
		if err := notOurs(facts, release.State{Phase: release.Differs, Labels: labels}); !errors.As(err, &foreign) || foreign.Of != of {
			t.Errorf("release of %q: %v", of, err)
		}
	}
}

func TestUnpulledImage(t *testing.T) {
	t.Parallel()
	pod := func(reason string) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Image: "registry.example/aip:7", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}},
		}}}}
	}
	for reason, want := range map[string]string{
		"ErrImagePull": "registry.example/aip:7", "ImagePullBackOff": "registry.example/aip:7", "ContainerCreating": "", "CrashLoopBackOff": "",
	} {
		if got := unpulledImage(pod(reason)); got != want {
			t.Errorf("%s: %q", reason, got)
		}
	}
}

// TestForwardThatNobodyNeeds: with an ingress and a provider of others there is no process.
func TestForwardThatNobodyNeeds(t *testing.T) {
	t.Parallel()
	e := bootstrap.Default()
	e.Existing.GatewayURL, e.Identity.IssuerURL = "https://gateway.example", "https://id.example"
	f := forwarding{env: e, deps: Deps{Dir: t.TempDir()}}
	facts := bootstrap.Facts{Cluster: bootstrap.ClusterFacts{GatewayPort: 8080, IssuerPort: 8090}}
	seen := observed(t, f, facts)
	if seen.State != bootstrap.Ready || seen.Detail != "none needed" || seen.Facts.Cluster.GatewayPort != 0 || seen.Facts.Cluster.IssuerPort != 0 {
		t.Errorf("%+v", seen)
	}
	e.Existing.GatewayURL = ""
	f.env = e
	if err := os.WriteFile(f.deps.ownKubeconfig(), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if seen := observed(t, f, facts); seen.State != bootstrap.Absent {
		t.Errorf("with a port to carry: %v", seen.State)
	}
}
