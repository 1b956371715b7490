package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// askers is how many questions are asked at once.
const askers = 8

// MissingRightsError says which rights the user of the context lacks.
type MissingRightsError struct {
	// Rights are such as "create namespaces" and "get, create deployments.apps in namespace keycloak".
	Rights []string
}

// Error lists the rights, one resource a line.
func (e *MissingRightsError) Error() string {
	return "the user of the context may not\n  " + strings.Join(e.Rights, "\n  ")
}

// right is a set of verbs on a resource of a group, in one namespace or, when that is empty, in the whole cluster.
type right struct{ verbs, group, resource, namespace string }

// cluster is what has to be known of a cluster to say which rights are needed in it.
type inventory struct {
	// namespaces and definitions report whether all of them are there, so that none has to be made.
	namespaces, definitions bool
}

// needed returns the rights that up and down use. Those on the kinds of governance.aip.io are the gateway's own: who
// gives them to it has to have them.
// Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
func needed(e bootstrap.Environment, has inventory) []right {
	const all, apply = "get list watch create patch delete", "get list create patch delete"
	rights := []right{
		{"get", "", "namespaces", ""},
		{"get list", "apiextensions.k8s.io", "customresourcedefinitions", ""},
		{apply, "rbac.authorization.k8s.io", "clusterroles", ""},
		{apply, "rbac.authorization.k8s.io", "clusterrolebindings", ""},
		{all + " update", "governance.aip.io", "agentrequests", ""},
		{"update", "governance.aip.io", "agentrequests/status", ""},
		{all + " update", "governance.aip.io", "safetypolicies", ""},
		{all + " update", "governance.aip.io", "governedresources", ""},
		{all + " update", "governance.aip.io", "agentregistrations", ""},
		{all + " update", "governance.aip.io", "agentgraduationpolicies", ""},
		{all, "governance.aip.io", "auditrecords", ""},
		{"list watch create", "governance.aip.io", "agenttrustprofiles", ""},
		{"list watch create", "governance.aip.io", "diagnosticaccuracysummaries", ""},
		{"get", "apps", "deployments", ""},
		{"list", "discovery.k8s.io", "endpointslices", ""},
		{"list", "", "services", ""},
		{"update", "governance.aip.io", "safetypolicies/status", ""},
		{"update", "governance.aip.io", "agentregistrations/status", ""},
		{"update", "governance.aip.io", "agenttrustprofiles/status", ""},
		{"update", "governance.aip.io", "diagnosticaccuracysummaries/status", ""},
		{"create", "", "events", ""},
		{"create", "events.k8s.io", "events", ""},
		{"get list watch create update delete", "coordination.k8s.io", "leases", Namespace},
		{apply, "rbac.authorization.k8s.io", "roles", Namespace},
		{apply, "rbac.authorization.k8s.io", "rolebindings", Namespace},
		{apply, "", "serviceaccounts", Namespace},
		{apply + " update", "", "secrets", Namespace},
	}
	if !has.namespaces {
		rights = append(rights, right{"create patch delete", "", "namespaces", ""})
	}
	if !has.definitions {
		rights = append(rights, right{"create patch delete", "apiextensions.k8s.io", "customresourcedefinitions", ""})
	}
	spaces := []string{Namespace}
	if !e.External() {
		spaces = append(spaces, IdentityNamespace)
		rights = append(rights, right{apply, "", "secrets", IdentityNamespace})
	}
	for _, space := range spaces {
		rights = append(rights,
			right{all, "apps", "deployments", space}, right{all, "", "services", space}, right{"get list watch", "", "pods", space})
		if space == IdentityNamespace || e.Existing.GatewayURL == "" {
			rights = append(rights, right{"create", "", "pods/portforward", space})
		}
	}
	return rights
}

// questions returns one question per verb.
func questions(rights []right) []authorizationv1.ResourceAttributes {
	var out []authorizationv1.ResourceAttributes
	for _, r := range rights {
		resource, sub, _ := strings.Cut(r.resource, "/")
		for verb := range strings.SplitSeq(r.verbs, " ") {
			out = append(out, authorizationv1.ResourceAttributes{
				Verb: verb, Group: r.group, Resource: resource, Subresource: sub, Namespace: r.namespace,
			})
		}
	}
	return out
}

// mustBeAllowed asks the API server for each right and returns a MissingRightsError that lists what is refused.
func mustBeAllowed(ctx context.Context, config *rest.Config, rights []right) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	asked := questions(rights)
	refused := make([]bool, len(asked))
	failures := make([]error, len(asked))
	free := make(chan struct{}, askers)
	var all sync.WaitGroup
	for i := range asked {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &asked[i]},
			}, metav1.CreateOptions{})
			if err != nil {
				failures[i] = err
				return
			}
			refused[i] = !review.Status.Allowed
		})
	}
	all.Wait()
	if i := slices.IndexFunc(failures, func(err error) bool { return err != nil }); i >= 0 {
		return fmt.Errorf("ask the API server for the user's rights: %w", failures[i])
	}
	if missing := inWords(asked, refused); len(missing) > 0 {
		return &MissingRightsError{Rights: missing}
	}
	return nil
}

// inWords names the refused rights, those on one resource together.
func inWords(asked []authorizationv1.ResourceAttributes, refused []bool) []string {
	var resources []string
	verbs := map[string][]string{}
	for i := range asked {
		if !refused[i] {
			continue
		}
		on := resourceOf(asked[i])
		if len(verbs[on]) == 0 {
			resources = append(resources, on)
		}
		verbs[on] = append(verbs[on], asked[i].Verb)
	}
	for i, on := range resources {
		resources[i] = strings.Join(verbs[on], ", ") + " " + on
	}
	return resources
}

// resourceOf names a resource as kubectl auth can-i spells it.
func resourceOf(a authorizationv1.ResourceAttributes) string {
	what := a.Resource
	if a.Group != "" {
		what += "." + a.Group
	}
	if a.Subresource != "" {
		what += "/" + a.Subresource
	}
	if a.Namespace != "" {
		what += " in namespace " + a.Namespace
	}
	return what
}
