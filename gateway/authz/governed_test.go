package authz_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
)

func governed(name, pattern string, agents ...string) v1alpha1.GovernedResource {
	return v1alpha1.GovernedResource{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 3, UID: "uid"}, Spec: v1alpha1.GovernedResourceSpec{
		URIPattern: pattern, PermittedActions: []string{"scale"}, PermittedAgents: agents,
	}}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	const uri = "k8s://prod/default/deployment/x"
	all := []v1alpha1.GovernedResource{
		governed("broken", "k8s://[", "nobody"), governed("wide", "k8s://**"), governed("b", "k8s://prod/default/*/x", "a1"),
		governed("a", "k8s://prod/default/*/x", "a1"), governed("segment", "git://*"),
	}
	for name, tt := range map[string]struct {
		resources          []v1alpha1.GovernedResource
		required           bool
		agent, action, uri string
		code, resource     string
	}{
		"none, none required":     {agent: "a1", action: "scale", uri: uri},
		"none, one required":      {required: true, agent: "a1", action: "scale", uri: uri, code: "ACTION_NOT_PERMITTED"},
		"longest, first by name":  {resources: all, agent: "a1", action: "scale", uri: uri, resource: "a"},
		"other agent":             {resources: all, agent: "a2", action: "scale", uri: uri, code: "IDENTITY_INVALID", resource: "a"},
		"other action":            {resources: all, agent: "a1", action: "delete", uri: uri, code: "ACTION_NOT_PERMITTED", resource: "a"},
		"any agent":               {resources: all, agent: "a2", action: "scale", uri: "k8s://x/y", resource: "wide"},
		"a star stays in segment": {resources: all, agent: "a2", action: "scale", uri: "git://x/y", code: "ACTION_NOT_PERMITTED"},
		"a broken pattern":        {resources: all[:1], agent: "a1", action: "scale", uri: "k8s://[", code: "ACTION_NOT_PERMITTED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := authz.Admit(tt.resources, tt.required, tt.agent, tt.action, tt.uri)
			resource := ""
			if ref := authz.Reference(got.Resource); ref != nil {
				if resource = ref.Name; ref.Generation != 3 || ref.UID != "uid" {
					t.Errorf("reference %+v", ref)
				}
			}
			if got.Allowed != (tt.code == "") || got.Code != tt.code || resource != tt.resource {
				t.Errorf("got %+v by %q; want code %q by %q", got.Verdict, resource, tt.code, tt.resource)
			}
		})
	}
}
