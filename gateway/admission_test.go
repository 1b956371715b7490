package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// TestAdmission: what GovernedResources do not permit is refused before it is stored, and leaves bounded evidence.
func TestAdmission(t *testing.T) { //nolint:paralleltest // see start; GovernedResources count for all requests
	w := start(t)
	w.governed(t, "shop", v1alpha1.GovernedResourceSpec{URIPattern: "k8s://prod/*/deployment/*", PermittedActions: []string{"scale"}, PermittedAgents: []string{agent1}})
	w.governed(t, "whole-shop", v1alpha1.GovernedResourceSpec{URIPattern: "k8s://prod/**", PermittedActions: []string{"read"}})
	w.governed(t, "vault", v1alpha1.GovernedResourceSpec{
		URIPattern: "vault://**", PermittedActions: []string{"read"}, TrustRequirements: &v1alpha1.TrustRequirements{MinTrustLevel: "Trusted", MaxAutonomyLevel: "Trusted"},
	})
	w.governed(t, "diary", v1alpha1.GovernedResourceSpec{
		URIPattern: "diary://**", PermittedActions: []string{"read"}, TrustRequirements: &v1alpha1.TrustRequirements{MinTrustLevel: "Observer", MaxAutonomyLevel: "Trusted"},
	})
	eventually(t, func() bool {
		list, err := w.server.store.GovernedResources(t.Context())
		return err == nil && len(list) == 4
	})
	ask := func(subject, action, uri string) reply {
		return w.as(t, subject, "POST", "/agent-requests", fmt.Sprintf(`{"namespace":%q,"action":%q,"targetURI":%q,"reason":"r"}`, w.ns, action, uri))
	}
	const api = "k8s://prod/default/deployment/api"
	ask(agent1, "scale", api).want(t, http.StatusCreated, `"phase"`)
	ask(agent2, "read", "k8s://prod/default/pod/x").want(t, http.StatusCreated, `"phase"`)
	for range 3 {
		ask(agent2, "scale", api).want(t, http.StatusForbidden, `{"error":"IDENTITY_INVALID: `)
		ask(agent1, "delete", api).want(t, http.StatusForbidden, `{"error":"ACTION_NOT_PERMITTED: action \"delete\" is not permitted by GovernedResource \"shop\"`)
		ask(agent1, "read", "k8s://test/default/pod/x").want(t, http.StatusForbidden, `{"error":"ACTION_NOT_PERMITTED: no GovernedResource matches`)
	}
	ask(agent1, "read", "vault://secret").want(t, http.StatusForbidden, `INSUFFICIENT_TRUST: GovernedResource \"vault\" asks for trust level Trusted`)
	ask(agent1, "read", "diary://today").want(t, http.StatusCreated, `"phase":"AwaitingVerdict"`)
	w.as(t, agent1, "POST", "/agent-requests", fmt.Sprintf(`{"namespace":%q,"action":"read","targetURI":"vault://x","reason":"r","mode":"observe"}`, w.ns)).
		want(t, http.StatusCreated, `"phase":"Observed"`)

	w.as(t, agent1, "POST", "/agent-requests", fmt.Sprintf(`{"namespace":%q,"agentIdentity":%q,"action":"scale","targetURI":%q,"reason":"r"}`, w.ns, agent2, api+"-2")).
		want(t, http.StatusBadRequest, `{"error":"agentIdentity must match authenticated caller"}`)

	codes := map[string]int{}
	for _, name := range w.names(t) {
		r := w.stored(t, name)
		code := r.Annotations[v1alpha1.AnnotationGatewayDenied]
		codes[code]++
		if code == "IDENTITY_MISMATCH" && r.Spec.AgentIdentity != agent1 {
			t.Errorf("evidence about %s, who did not ask", r.Spec.AgentIdentity)
		}
		if r.Spec.Target.URI == api && r.Spec.Action == "scale" && r.Spec.AgentIdentity == agent1 &&
			(r.Spec.GovernedResourceRef == nil || r.Spec.GovernedResourceRef.Name != "shop") {
			t.Errorf("reference %+v", r.Spec.GovernedResourceRef)
		}
		if strings.HasPrefix(r.Spec.Target.URI, "diary") && (r.Annotations[v1alpha1.AnnotationCanExecute] != "false" || r.Annotations[v1alpha1.AnnotationTrustLevel] != "Observer") {
			t.Errorf("annotations %v", r.Annotations)
		}
	}
	if codes["ACTION_NOT_PERMITTED"] != 2 || codes["IDENTITY_INVALID"] != 1 || codes["INSUFFICIENT_TRUST"] != 1 || codes["IDENTITY_MISMATCH"] != 1 {
		t.Errorf("evidence %v, expected one object for each thing that was refused", codes)
	}
	for i := range 2 * perAgentBurst {
		ask(agent1, "read", fmt.Sprintf("k8s://test/default/pod/%d", i)).want(t, http.StatusForbidden, "ACTION_NOT_PERMITTED")
	}
	if got := len(w.names(t)); got > perAgentBurst+10 {
		t.Errorf("%d objects: an agent fills the store with refusals", got)
	}
}

// TestNothingGoverned: without GovernedResources everything may be asked for, unless one is required.
func TestNothingGoverned(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, func(o *Options) { o.RequireGovernedResource = true; o.UnregisteredAgents = unregisteredWarn })
	w.as(t, agent1, "POST", "/agent-requests", w.submission("ungoverned")).want(t, http.StatusForbidden, `{"error":"ACTION_NOT_PERMITTED: `)
}

// TestUnregistered: agents without a registration are marked or refused, as configured.
func TestUnregistered(t *testing.T) { //nolint:paralleltest // see start
	w := start(t, func(o *Options) { o.UnregisteredAgents = unregisteredWarn })
	if r := w.stored(t, w.submit(t, agent1, "unregistered").Name); r.Annotations[v1alpha1.AnnotationUnregistered] != "true" {
		t.Errorf("annotations %v", r.Annotations)
	}
	check(t, w.end())
	w = start(t, func(o *Options) { o.UnregisteredAgents = unregisteredStrict })
	w.as(t, agent1, "POST", "/agent-requests", w.submission("unregistered")).want(t, http.StatusForbidden, `{"error":"AGENT_NOT_REGISTERED: agent \"aip-agent-1\" has no AgentRegistration"}`)
	if names := w.names(t); len(names) != 1 || w.stored(t, names[0]).Annotations[v1alpha1.AnnotationGatewayDenied] != "AGENT_NOT_REGISTERED" {
		t.Errorf("evidence %v, expected one object about the refusal", names)
	}
}

// TestGovernedResources: administrators keep GovernedResources over HTTP.
func TestGovernedResources(t *testing.T) { //nolint:paralleltest // see start; GovernedResources count for all requests
	w := start(t)
	const path = "/governed-resources"
	t.Cleanup(func() { w.ungoverned(t, "g") })
	body := func(pattern, schema string) string {
		return fmt.Sprintf(`{"metadata":{"name":"g"},"spec":{"uriPattern":%q,"permittedActions":["scale"],"contextSchema":%s}}`, pattern, schema)
	}
	const schema = `{"type":"object","properties":{"replicas":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}}}}`
	w.as(t, admin1, "POST", path, body("k8s://[", schema)).want(t, http.StatusUnprocessableEntity, "invalid uriPattern")
	w.as(t, admin1, "POST", path, body("k8s://**", `{"type":"object","pattern":"x"}`)).want(t, http.StatusUnprocessableEntity, `invalid contextSchema: contextSchema has the keyword \"pattern\"`)
	w.as(t, admin1, "POST", path, body("k8s://**", `{"type":"date"}`)).want(t, http.StatusUnprocessableEntity, `invalid contextSchema: contextSchema.type is date`)
	w.as(t, admin1, "POST", path, body("k8s://**", schema)).want(t, http.StatusCreated, `"kind":"GovernedResource"`)
	w.as(t, admin1, "POST", path, body("k8s://**", schema)).want(t, http.StatusConflict, "already exists")
	more := strings.Replace(schema, `"replicas":{`, `"zone":{"type":"string"},"replicas":{`, 1)
	w.as(t, admin1, "PUT", path+"/g", body("k8s://*/**", more)).want(t, http.StatusOK, "zone")
	w.as(t, admin1, "PUT", path+"/g", body("k8s://*/**", schema)).want(t, http.StatusConflict, "contextSchema is append-only: .zone was removed")
	w.as(t, admin1, "PUT", path+"/g", body("k8s://*/**", strings.Replace(more, `"items":{"type":"string"}`, `"items":{"type":"number"}`, 1))).
		want(t, http.StatusConflict, "contextSchema is append-only: .tags[] was removed or has another type")
	eventually(t, func() bool {
		return strings.Contains(w.as(t, admin1, "GET", path, "").want(t, http.StatusOK, `"kind":"GovernedResourceList"`).body, `"name":"g"`)
	})
	for _, subject := range []string{agent1, reviewer1} {
		w.as(t, subject, "GET", path, "").want(t, http.StatusForbidden, "admin role required")
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		w.as(t, admin1, method, path+"/nothing", strings.ReplaceAll(body("k8s://**", schema), `"name":"g"`, `"name":"nothing"`)).want(t, http.StatusNotFound, `{"error":"not found"}`)
	}
	got := w.as(t, admin1, "DELETE", path+"/g", "")
	if got.status != http.StatusNoContent && got.status != http.StatusAccepted {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestContextSchemas: resources with one context fetcher agree about its context, and policies are compiled against it.
func TestContextSchemas(t *testing.T) { //nolint:paralleltest // see TestGovernedResources
	w := start(t)
	t.Cleanup(func() { w.ungoverned(t, "first"); w.ungoverned(t, "second") })
	define := func(name, fetcher, kind string) reply {
		return w.as(t, admin1, "POST", "/governed-resources", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"uriPattern":"github://acme/%s","permittedActions":["never"],
			"contextFetcher":%q,"contextSchema":{"type":"object","properties":{"owner":{"type":"object","properties":{"team":{"type":%q}}}}}}}`, name, name, fetcher, kind))
	}
	define("first", "github", "string").want(t, http.StatusCreated, "first")
	eventually(t, func() bool {
		return strings.Contains(w.as(t, admin1, "GET", "/governed-resources", "").body, `"name":"first"`)
	})
	define("second", "github", "integer").want(t, http.StatusConflict, `contextSchema: .owner.team has another type in GovernedResource \"first\" with the same contextFetcher`)
	define("second", "karpenter", "integer").want(t, http.StatusCreated, "second")
	policy := func(expression string) reply {
		return w.as(t, admin1, "POST", "/safety-policies?namespace="+w.namespace(t), fmt.Sprintf(`{"metadata":{"name":"typed"},
			"spec":{"contextType":"github","rules":[{"name":"r","type":"StateEvaluation","action":"Log","expression":%q}]}}`, expression))
	}
	policy(`has(context.owner) && context.owner.team == "shop"`).want(t, http.StatusCreated, "typed")
	policy(`has(context.owner) && context.owner.teem == "shop"`).want(t, http.StatusUnprocessableEntity,
		`CEL type-check failed: rule \"r\", line 1, column 36: undefined field 'teem' (by the contextSchema of GovernedResource \"first\")`)
	policy(`ctxData.owner.team > 3`).want(t, http.StatusUnprocessableEntity, "found no matching overload")
}
