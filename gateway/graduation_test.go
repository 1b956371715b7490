package gateway

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// ladder is a policy by which one right diagnosis makes an Advisor and one execution a Trusted agent.
const ladder = `{"spec":{"evaluationWindow":{"count":5},"levels":[{"name":"Observer","canExecute":false},
	{"name":"Advisor","canExecute":true,"requiresHumanApproval":true,"accuracy":{"min":0.7,"demotionBuffer":0.02}},
	{"name":"Trusted","canExecute":true,"accuracy":{"min":0.9},"executions":{"min":1}}],
	"demotionPolicy":{"accuracyDropThreshold":0.1,"windowSize":5,"gracePeriod":"24h"}}}`

// TestGraduationPolicies: administrators keep the one policy of a namespace over HTTP.
func TestGraduationPolicies(t *testing.T) { //nolint:paralleltest // see start
	w := start(t)
	path, in := "/agent-graduation-policies", "?namespace="+w.ns
	w.as(t, admin1, "GET", path+in, "").want(t, http.StatusOK, "[]")
	w.as(t, admin1, "GET", path+"/default"+in, "").want(t, http.StatusNotFound, "AgentGraduationPolicy not found")
	w.as(t, admin1, "POST", path+in, strings.Replace(ladder, "{", `{"metadata":{"name":"mine"},`, 1)).
		want(t, http.StatusBadRequest, `AgentGraduationPolicy name must be \"default\", got \"mine\"`)
	w.as(t, admin1, "POST", path+in, strings.Replace(ladder, `"24h"`, `"99999999h"`, 1)).
		want(t, http.StatusUnprocessableEntity, "invalid spec.demotionPolicy.gracePeriod: ")
	w.as(t, admin1, "POST", path+in, strings.Replace(ladder, `0.02`, `0.9`, 1)).want(t, http.StatusBadRequest, "the level could never be lost")
	w.as(t, admin1, "POST", path+in, ladder).want(t, http.StatusCreated, `"name":"default"`)
	w.as(t, admin1, "POST", path+in, ladder).want(t, http.StatusConflict, "already exists")
	w.as(t, admin1, "PUT", path+"/other"+in, ladder).want(t, http.StatusNotFound, "AgentGraduationPolicy not found")
	w.as(t, admin1, "PUT", path+"/default"+in, strings.Replace(ladder, `"count":5`, `"count":7`, 1)).want(t, http.StatusOK, `"count":7`)
	w.as(t, admin1, "GET", path+"/default"+in, "").want(t, http.StatusOK, `"count":7`)
	eventually(t, func() bool {
		got := w.as(t, admin1, "GET", path+in, "").want(t, http.StatusOK, `[{"kind":"AgentGraduationPolicy"`)
		return strings.Contains(got.body, `"count":7`)
	})
	everywhere := w.as(t, admin1, "GET", path+"?allNamespaces=true", "").want(t, http.StatusOK, "")
	if !strings.Contains(everywhere.body, `"namespace":"`+w.ns+`"`) {
		t.Errorf("no policy of namespace %s in %s", w.ns, everywhere.body)
	}
	for _, subject := range []string{agent1, reviewer1} {
		w.as(t, subject, "GET", path+in, "").want(t, http.StatusForbidden, "admin role required")
	}
	w.as(t, admin1, "DELETE", path+"/default"+in, "").want(t, http.StatusNoContent, "")
}

// TestSampleOfTrust: what docs/trust.md shows can be applied as it stands.
func TestSampleOfTrust(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/trust.md")
	check(t, err)
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	sample, _, _ := strings.Cut(rest, "```")
	config := testkit.Kube(t)
	live, err := client.New(config, client.Options{})
	check(t, err)
	parts := strings.Split(sample, "\n---\n")
	for _, part := range parts {
		o := &unstructured.Unstructured{}
		check(t, yaml.UnmarshalStrict([]byte(part), &o.Object))
		check(t, live.Create(t.Context(), o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)))
	}
	if len(parts) != 2 {
		t.Errorf("%d objects", len(parts))
	}
}

// TestGraduation: an agent rises by what it does, as far as a target lets it, and what it may do follows at once.
func TestGraduation(t *testing.T) { //nolint:paralleltest // see start; GovernedResources count for all requests
	w := start(t)
	for name, least := range map[string]string{"open": "Observer", "strict": "Trusted"} {
		w.governed(t, name+"-"+w.ns, v1alpha1.GovernedResourceSpec{
			URIPattern: name + "://**", PermittedActions: []string{"scale"},
			TrustRequirements: &v1alpha1.TrustRequirements{MinTrustLevel: least, MaxAutonomyLevel: "Autonomous"},
		})
	}
	w.governed(t, "capped-"+w.ns, v1alpha1.GovernedResourceSpec{
		URIPattern: "capped://**", PermittedActions: []string{"scale"},
		TrustRequirements: &v1alpha1.TrustRequirements{MinTrustLevel: "Observer", MaxAutonomyLevel: "Advisor"},
	})
	in := "?namespace=" + w.ns
	w.as(t, admin1, "POST", "/agent-graduation-policies"+in, ladder).want(t, http.StatusCreated, "")
	eventually(t, func() bool {
		list, err := w.server.store.GovernedResources(t.Context())
		check(t, err)
		policy, err := w.server.store.GraduationPolicy(t.Context(), w.ns)
		return err == nil && policy != nil && len(list) == 3
	})
	n := 0
	ask := func(uri string) reply {
		n++
		return w.as(t, agent1, "POST", "/agent-requests", fmt.Sprintf(`{"namespace":%q,"action":"scale","targetURI":"%s://%d","reason":"r"}`, w.ns, uri, n))
	}
	nameOf := func(r reply) string {
		var out struct{ Name string }
		r.into(t, &out)
		return out.Name
	}
	own := "/agent-trust-profiles/" + store.ProfileName(agent1) + in
	until := func(level string) {
		eventually(t, func() bool { return strings.Contains(w.as(t, agent1, "GET", own, "").body, `"trustLevel":"`+level+`"`) })
	}

	ask("strict").want(t, http.StatusForbidden, `INSUFFICIENT_TRUST: `)
	name := nameOf(ask("open").want(t, http.StatusCreated, `"phase":"AwaitingVerdict"`))
	w.as(t, reviewer1, "PATCH", w.path(name, "/verdict"), `{"verdict":"correct"}`).want(t, http.StatusOK, "")
	until("Advisor")

	ask("strict").want(t, http.StatusForbidden, `asks for trust level Trusted; agent \"aip-agent-1\" is Advisor`)
	name = nameOf(ask("open").want(t, http.StatusCreated, `"type":"RequiresApproval","status":"True"`))
	if a := w.stored(t, name).Annotations; a[v1alpha1.AnnotationRequiresHumanApproval] != "true" || a[v1alpha1.AnnotationTrustLevel] != "Advisor" {
		t.Errorf("annotations %v", a)
	}
	w.as(t, reviewer1, "POST", w.path(name, "/approve"), "").want(t, http.StatusOK, "Approved")
	w.as(t, agent1, "POST", w.path(name, "/executing"), "").want(t, http.StatusOK, "")
	w.as(t, agent1, "POST", w.path(name, "/completed"), "").want(t, http.StatusOK, "")
	until("Trusted")

	name = nameOf(ask("strict").want(t, http.StatusCreated, `"phase":"Approved"`))
	if a := w.stored(t, name).Annotations; a[v1alpha1.AnnotationRequiresHumanApproval] != "false" || a[v1alpha1.AnnotationTrustLevel] != "Trusted" {
		t.Errorf("annotations %v", a)
	}
	w.policy(t, "scale", v1alpha1.ActionRequireApproval)
	ask("strict").want(t, http.StatusCreated, `"reason":"AutoApprovedByTrustGate"`)
	ask("capped").want(t, http.StatusCreated, `"type":"RequiresApproval","status":"True"`)
	w.policy(t, "scale", v1alpha1.ActionDeny)
	ask("strict").want(t, http.StatusCreated, `"phase":"Denied"`)

	// The agent reads in its trail why it rose.
	w.as(t, agent1, "GET", "/audit-records"+in, "").want(t, http.StatusOK, "Trust level changed from Observer to Advisor: accuracy 1.00 over the last 1 of 1 verdicts, 0 executions")
}
