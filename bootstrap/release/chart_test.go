package release

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/strvals"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/manifests"
)

// render does what `helm template NAME charts/aip-k8s -n aip-k8s-system --set ...` does.
func render(t *testing.T, name string, sets ...string) (string, error) {
	t.Helper()
	vals := map[string]any{}
	for _, s := range sets {
		if err := strvals.ParseInto(s, vals); err != nil {
			return "", err
		}
	}
	chrt, err := load(manifests.Chart())
	if err != nil {
		t.Fatal(err)
	}
	rel, err := clientOnly(name).RunWithContext(t.Context(), chrt, vals)
	if err != nil {
		return "", err
	}
	return rel.Manifest, nil
}

// clientOnly returns an installation that renders and asks no cluster.
func clientOnly(name string) *action.Install {
	in := action.NewInstall(new(action.Configuration))
	in.ClientOnly, in.DryRun = true, true
	in.ReleaseName, in.Namespace = name, "aip-k8s-system"
	in.KubeVersion = &chartutil.KubeVersion{Version: "v1.37.2", Major: "1", Minor: "37"}
	return in
}

// rendered decodes the object of that kind out of a rendered chart.
func rendered[T any](t *testing.T, manifest, kind string) T {
	t.Helper()
	var out T
	for _, doc := range releaseutil.SplitManifests(manifest) {
		if strings.Contains(doc, "\nkind: "+kind+"\n") {
			if err := yaml.UnmarshalStrict([]byte(doc), &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	t.Fatalf("no %s in\n%s", kind, manifest)
	return out
}

func gatewayArgs(t *testing.T, manifest string) []string {
	t.Helper()
	return rendered[appsv1.Deployment](t, manifest, "Deployment").Spec.Template.Spec.Containers[0].Args
}

func TestChartGolden(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"default": nil,
		"full": {
			"gateway.replicaCount=2", "gateway.image.repository=registry.test/gateway", "gateway.image.tag=v9",
			"gateway.image.pullPolicy=Never", "gateway.service.type=NodePort", "gateway.service.port=80",
			"gateway.auth.oidcIssuerURL=http://keycloak.keycloak.svc.cluster.local:8080/realms/aip",
			"gateway.auth.oidcAudience=other", "gateway.auth.oidcIdentityClaim=sub", "gateway.auth.oidcGroupsClaim=roles",
			`gateway.auth.agentSubjects=aip-agent-1\,aip-agent-2`, "gateway.auth.reviewerSubjects={aip-reviewer-1,aip-reviewer-2}",
			"gateway.auth.adminSubjects=aip-admin-1", "gateway.auth.agentGroups=agents", "gateway.auth.reviewerGroups=reviewers",
			"gateway.auth.adminGroups=admins", "gateway.dedupWindow=1h30m", "gateway.waitTimeout=10s",
			"gateway.defaultAction=Deny", "gateway.resources.limits.cpu=2", "gateway.resources.requests=null",
			"gateway.auth.oidcPreset=keycloak", "gateway.auth.requireGovernedResource=true", "gateway.unregisteredAgentPolicy=warn",
			"gateway.controller=false", "gateway.opsLockDuration=10m", "gateway.opsLockWaitTimeout=2m", "gateway.approvedTimeout=1m", "gateway.verifyTimeout=1s",
			"gateway.tls.secretName=gateway-tls", "gateway.service.annotations.a=b", "gateway.podDisruptionBudget.enabled=true",
			"gateway.podDisruptionBudget.maxUnavailable=50%", "gateway.networkPolicy.enabled=true",
			"gateway.networkPolicy.from[0].namespaceSelector.matchLabels.agents=yes", "gateway.networkPolicy.egress[0].ports[0].port=443",
			"gateway.serviceMonitor.enabled=true", "gateway.serviceMonitor.interval=1m", "gateway.serviceMonitor.labels.release=prometheus",
			"gateway.imagePullSecrets[0].name=registry", "gateway.podAnnotations.x=y", "gateway.podLabels.team=shop", "gateway.nodeSelector.disk=ssd",
			"gateway.tolerations[0].operator=Exists", "gateway.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
			"gateway.topologySpreadConstraints[0].maxSkew=1", "gateway.priorityClassName=high",
			"gateway.contextFetchers.k8sDeployment=false", "gateway.contextFetchers.karpenter=true",
			"gateway.contextFetchers.github.apiURL=https://api.github.com", "gateway.contextFetchers.github.tokenSecretName=github-token",
			"gateway.jwtKeyPath=/etc/aip/jwt/signing.pem", "gateway.oidcExchange.clientID=aip-gateway",
			"gateway.oidcExchange.clientSecretRef.name=exchange", "gateway.oidcExchange.clientSecretRef.key=secret",
			"gateway.tokenRequest.serviceAccounts[0].namespace=shop", "gateway.tokenRequest.serviceAccounts[0].name=deployer",
			"gateway.extraVolumes[0].name=more", "gateway.extraVolumeMounts[0].name=more", "gateway.extraVolumeMounts[0].mountPath=/more",
			"gc.enabled=true", "gc.dryRun=false", "gc.hardTTL=720h",
		},
		"scaled": {
			"gateway.autoscaling.enabled=true", "gateway.autoscaling.minReplicas=3", "gateway.autoscaling.maxReplicas=9",
			"gateway.autoscaling.targetCPUUtilizationPercentage=60", "gateway.auth.trustedProxyCIDRs={10.0.0.0/8,10.1.0.0/16}",
		},
	}
	for name, sets := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := render(t, "aip-k8s", sets...)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".golden.yaml")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("rendered chart differs; UPDATE_GOLDEN=1 accepts it (-want +got):\n%s", d)
			}
		})
	}
}

func TestChartArgs(t *testing.T) {
	t.Parallel()
	base := []string{
		"gateway", "--addr=:8080", "--lock-namespace=aip-k8s-system", "--dedup-window=24h", "--wait-timeout=90s", "--default-action=Allow",
		"--ops-lock-duration=5m", "--ops-lock-wait-timeout=60s", "--approved-timeout=5m", "--verify-timeout=200ms", "--unregistered-agent-policy=allow",
	}
	issuer := slices.Concat(base, []string{"--oidc-issuer-url=http://i", "--oidc-audience=aip-gateway"})
	tests := map[string]struct{ sets, want []string }{
		"default":         {nil, base},
		"issuer":          {[]string{"gateway.auth.oidcIssuerURL=http://i"}, issuer},
		"preset":          {[]string{"gateway.auth.oidcIssuerURL=http://i", "gateway.auth.oidcPreset=azure"}, slices.Concat(issuer, []string{"--oidc-preset=azure"})},
		"claims":          {[]string{"gateway.auth.oidcIssuerURL=http://i", `gateway.auth.oidcIdentityClaim=appid\,azp`}, slices.Concat(issuer, []string{"--oidc-identity-claim=appid,azp"})},
		"proxies":         {[]string{"gateway.auth.trustedProxyCIDRs=10.0.0.0/8"}, slices.Concat(base, []string{"--trusted-proxy-cidrs=10.0.0.0/8"})},
		"issuer, proxies": {[]string{"gateway.auth.oidcIssuerURL=http://i", "gateway.auth.trustedProxyCIDRs=10.0.0.0/8"}, issuer},
		"required":        {[]string{"gateway.auth.requireGovernedResource=true"}, slices.Insert(slices.Clone(base), 3, "--require-governed-resource")},
		"API only":        {[]string{"gateway.controller=false"}, slices.Insert(slices.Clone(base), 3, "--controller=false")},
		"commas":          {[]string{`gateway.auth.agentSubjects=a\,b`}, slices.Concat(base, []string{"--agent-subjects=a,b"})},
		"list":            {[]string{"gateway.auth.agentSubjects={a,b}"}, slices.Concat(base, []string{"--agent-subjects=a,b"})},
		"empty list":      {[]string{"gateway.auth.agentSubjects={}"}, base},
		"dedup off":       {[]string{"gateway.dedupWindow=0"}, slices.Replace(slices.Clone(base), 3, 4, "--dedup-window=0")},
		"left to gateway": {[]string{"gateway.dedupWindow=", "gateway.waitTimeout=null"}, slices.Delete(slices.Clone(base), 3, 5)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := render(t, "aip-k8s", tt.sets...)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, gatewayArgs(t, manifest)); d != "" {
				t.Errorf("args (-want +got):\n%s", d)
			}
		})
	}
}

func TestChartRefusesValues(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ set, want string }{
		"unknown key":        {"gateway.logLevel=debug", "additional properties 'logLevel' not allowed"},
		"unknown group":      {"controller.replicaCount=1", "additional properties 'controller' not allowed"},
		"not a boolean":      {"gateway.auth.requireGovernedResource=perhaps", "'/gateway/auth/requireGovernedResource': got string, want boolean"},
		"preset":             {"gateway.auth.oidcPreset=moon", "'/gateway/auth/oidcPreset': value must be one of"},
		"claim with a space": {"gateway.auth.oidcIdentityClaim=a b", "'/gateway/auth/oidcIdentityClaim': 'a b' does not match"},
		"in autoscaling":     {"gateway.autoscaling.max=3", "additional properties 'max' not allowed"},
		"in network policy":  {"gateway.networkPolicy.ingress[0].x=y", "additional properties 'ingress' not allowed"},
		"budget":             {"gateway.podDisruptionBudget.maxUnavailable=all", "'/gateway/podDisruptionBudget/maxUnavailable'"},
		"policy of agents":   {"gateway.unregisteredAgentPolicy=ask", "'/gateway/unregisteredAgentPolicy': value must be one of"},
		"number in a label":  {"gateway.podLabels.n=1", "'/gateway/podLabels/n': got number, want string"},
		"misspelt":           {"gateway.auth.oidcIssuerUrl=http://i", "additional properties 'oidcIssuerUrl' not allowed"},
		"type":               {"gateway.replicaCount=two", "'/gateway/replicaCount': got string, want integer"},
		"no replica":         {"gateway.replicaCount=0", "'/gateway/replicaCount': minimum"},
		"enum":               {"gateway.service.type=Tunnel", "'/gateway/service/type': value must be one of"},
		"default action":     {"gateway.defaultAction=Log", "'/gateway/defaultAction': value must be one of"},
		"number as subject":  {"gateway.auth.agentSubjects=12", "'/gateway/auth/agentSubjects': got number, want string"},
		"comma in a list":    {`gateway.auth.agentSubjects={a\,b}`, "'/gateway/auth/agentSubjects/0': 'a,b' does not match"},
		"issuer without URL": {"gateway.auth.oidcIssuerURL=keycloak", "'/gateway/auth/oidcIssuerURL': 'keycloak' does not match"},
		"no audience":        {"gateway.auth.oidcAudience=", "'/gateway/auth/oidcAudience': minLength"},
		"no unit":            {"gateway.dedupWindow=24", "'/gateway/dedupWindow'"},
		"lock for no time":   {"gateway.opsLockDuration=0s", "'/gateway/opsLockDuration'"},
		"start at once":      {"gateway.approvedTimeout=0", "'/gateway/approvedTimeout'"},
		"wait for no time":   {"gateway.opsLockWaitTimeout=0.0m", "'/gateway/opsLockWaitTimeout'"},
		"scan all the time":  {"gc.interval=0s", "'/gc/interval'"},
		"days, of gc":        {"gc.hardTTL=14d", "'/gc/hardTTL'"},
		"dashboard":          {"dashboard.replicaCount=1", "additional properties 'dashboard' not allowed"},
		"key at the root":    {"gateway.jwtKeyPath=/tls.key", "'/gateway/jwtKeyPath': '/tls.key' does not match"},
		"account":            {"gateway.tokenRequest.serviceAccounts[0].name=x", "missing property 'namespace'"},
		"days":               {"gateway.dedupWindow=14d", "'/gateway/dedupWindow': '14d' does not match"},
		// Helm itself refuses what the guide types when it adds an agent: a comma has to be escaped.
		"unescaped comma": {"gateway.auth.agentSubjects=aip-agent-1,aip-agent-2", `key "aip-agent-2" has no value`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := render(t, "aip-k8s", tt.set); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestChartNames(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		release string
		sets    []string
		want    string
	}{
		"release of the guide":  {"aip-k8s", nil, "aip-k8s-gateway"},
		"another release":       {"demo", nil, "demo-aip-k8s-gateway"},
		"name override":         {"demo", []string{"nameOverride=aip"}, "demo-aip-gateway"},
		"full name override":    {"demo", []string{"fullnameOverride=mine"}, "mine-gateway"},
		"as long as Helm takes": {strings.Repeat("x", 53), nil, strings.Repeat("x", 53) + "-a-gateway"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest, err := render(t, tt.release, tt.sets...)
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range releaseutil.SplitManifests(manifest) {
				var obj struct {
					Kind     string
					Metadata struct{ Name string }
				}
				if err := yaml.Unmarshal([]byte(doc), &obj); err != nil {
					t.Fatal(err)
				}
				if obj.Metadata.Name != tt.want || len(obj.Metadata.Name) > 63 {
					t.Errorf("%s is named %q, want %q", obj.Kind, obj.Metadata.Name, tt.want)
				}
			}
		})
	}
}

// The gateway reads no Secret and holds no wildcard. It removes what administrators define and locks, never requests or
// their trail.
func TestChartRights(t *testing.T) {
	t.Parallel()
	manifest, err := render(t, "aip-k8s")
	if err != nil {
		t.Fatal(err)
	}
	rules := slices.Concat(rendered[rbacv1.ClusterRole](t, manifest, "ClusterRole").Rules, rendered[rbacv1.Role](t, manifest, "Role").Rules)
	if len(rules) == 0 {
		t.Fatal("no rules")
	}
	for _, rule := range rules {
		all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs)
		for _, bad := range []string{"*", "secrets", "deletecollection", "impersonate", "escalate", "bind"} {
			if slices.Contains(all, bad) {
				t.Errorf("rule %v holds %q", rule, bad)
			}
		}
		for _, resource := range rule.Resources {
			if slices.Contains(rule.Verbs, "delete") && !slices.Contains([]string{"safetypolicies", "governedresources", "agentregistrations", "agentgraduationpolicies", "leases"}, resource) {
				t.Errorf("rule %v holds delete", rule)
			}
		}
	}
}

func TestChartLint(t *testing.T) {
	t.Parallel()
	res := action.NewLint().Run([]string{filepath.Join("..", "..", "manifests", "charts", "aip-k8s")}, nil)
	for _, m := range res.Messages {
		if m.Severity > support.InfoSev {
			t.Error(m)
		}
	}
	if res.TotalChartsLinted != 1 {
		t.Errorf("linted %d charts, want 1", res.TotalChartsLinted)
	}
}

// TestChartValuesDoSomething: every value of values.yaml changes what is rendered, or is refused.
func TestChartValuesDoSomething(t *testing.T) {
	t.Parallel()
	chrt, err := load(manifests.Chart())
	if err != nil {
		t.Fatal(err)
	}
	// Some values count together with another one only.
	with := map[string][]string{
		"gateway.auth.oidc": {"gateway.auth.oidcIssuerURL=http://i"}, "gateway.autoscaling.": {"gateway.autoscaling.enabled=true"},
		"gateway.networkPolicy.": {"gateway.networkPolicy.enabled=true"}, "gateway.serviceMonitor.": {"gateway.serviceMonitor.enabled=true"},
		"gc.": {"gc.enabled=true"}, "gateway.oidcExchange.clientSecretRef.": {"gateway.oidcExchange.clientID=x", "gateway.oidcExchange.clientSecretRef.name=y"},
		"gateway.podDisruptionBudget.": {"gateway.podDisruptionBudget.enabled=true"}, "gateway.service.nodePort": {"gateway.service.type=NodePort"},
		"gateway.contextFetchers.github.": {"gateway.contextFetchers.github.apiURL=http://i"},
	}
	other := map[string]string{
		"gateway.service.type": "LoadBalancer", "gateway.image.pullPolicy": "Always", "gateway.defaultAction": "Deny", "gateway.unregisteredAgentPolicy": "warn",
		"gateway.auth.oidcPreset": "okta", "gateway.auth.oidcIssuerURL": "http://other", "gateway.auth.trustedProxyCIDRs": "10.0.0.0/8",
		"gateway.contextFetchers.github.apiURL": "http://other", "gateway.jwtKeyPath": "/etc/jwt/tls.key", "gateway.auth.oidcCA": "-----BEGIN CERTIFICATE-----",
	}
	for _, l := range leaves(chrt.Values) {
		path := l.String()
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			var sets []string
			for prefix, needs := range with {
				if strings.HasPrefix(path, prefix) && path != prefix+"enabled" {
					sets = append(sets, needs...)
				}
			}
			before, err := render(t, "aip-k8s", sets...)
			if err != nil {
				t.Fatal(err)
			}
			var value string
			switch v := l.value.(type) {
			case bool:
				value = map[bool]string{true: "false", false: "true"}[v]
			case float64:
				value = "7"
			case map[string]any:
				path, value = path+".some", "thing"
			case []any:
				if path, value = path+"[0].some", "thing"; strings.Contains(path, "serviceAccounts") {
					path, value = "gateway.tokenRequest.serviceAccounts[0].namespace=n,gateway.tokenRequest.serviceAccounts[0].name", "a"
				}
			default:
				if value = other[path]; value == "" {
					value = "1m" // a duration, a quantity and a name
				}
			}
			after, err := render(t, "aip-k8s", append(sets, path+"="+value)...)
			if err != nil {
				t.Fatal(err)
			}
			if before == after {
				t.Errorf("%s=%s changes nothing", path, value)
			}
		})
	}
}

// TestChartUpgradeReusingValues: values of an older chart, which lack what came since, still render.
func TestChartUpgradeReusingValues(t *testing.T) {
	t.Parallel()
	chrt, err := load(manifests.Chart())
	if err != nil {
		t.Fatal(err)
	}
	gateway := chrt.Values["gateway"].(map[string]any)
	auth := gateway["auth"].(map[string]any)
	for _, key := range []string{
		"autoscaling", "podDisruptionBudget", "networkPolicy", "serviceMonitor", "tls", "imagePullSecrets", "podAnnotations", "podLabels", "nodeSelector",
		"tolerations", "affinity", "topologySpreadConstraints", "priorityClassName", "controller", "unregisteredAgentPolicy", "opsLockDuration",
		"opsLockWaitTimeout", "approvedTimeout", "verifyTimeout", "contextFetchers", "jwtKeyPath",
		"oidcExchange", "tokenRequest", "extraVolumes", "extraVolumeMounts",
	} {
		delete(gateway, key)
	}
	for _, key := range []string{"oidcPreset", "trustedProxyCIDRs", "requireGovernedResource"} {
		delete(auth, key)
	}
	delete(chrt.Values, "gc")
	in := clientOnly("aip-k8s")
	if _, err := in.RunWithContext(t.Context(), chrt, nil); err != nil {
		t.Error(err)
	}
}

// TestChartTest: helm test asks the gateway through its Service, with nothing but the gateway's own image.
func TestChartTest(t *testing.T) {
	t.Parallel()
	chrt, err := load(manifests.Chart())
	if err != nil {
		t.Fatal(err)
	}
	in := clientOnly("aip-k8s")
	rel, err := in.RunWithContext(t.Context(), chrt, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rel.Hooks) != 1 || len(rel.Hooks[0].Events) != 1 || rel.Hooks[0].Events[0] != "test" {
		t.Fatalf("hooks %+v", rel.Hooks)
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(rel.Hooks[0].Manifest), &pod); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(pod.Spec.Containers[0].Args, " "); got != "gateway check http://aip-k8s-gateway.aip-k8s-system.svc:8080" {
		t.Errorf("args %q", got)
	}
	if pod.Labels["app.kubernetes.io/component"] == "gateway" {
		t.Error("the Service would lead to the test")
	}
}
