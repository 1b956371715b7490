package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// SafetyPolicies returns the policies of a namespace; empty means default.
func (c *Client) SafetyPolicies(ctx context.Context, namespace string) ([]v1alpha1.SafetyPolicy, error) {
	var out v1alpha1.SafetyPolicyList
	err := c.call(ctx, http.MethodGet, "/safety-policies", inNamespace(namespace), nil, &out)
	return out.Items, err
}

// AllSafetyPolicies returns the policies of all namespaces. They all apply to every request.
func (c *Client) AllSafetyPolicies(ctx context.Context) ([]v1alpha1.SafetyPolicy, error) {
	var out v1alpha1.SafetyPolicyList
	err := c.call(ctx, http.MethodGet, "/safety-policies", url.Values{"allNamespaces": {"true"}}, nil, &out)
	return out.Items, err
}

// Target looks at the target of a request as it is now, beside what the request has of it. It takes the reviewer role.
func (c *Client) Target(ctx context.Context, namespace, name string) (wire.Target, error) {
	var out wire.Target
	return out, c.call(ctx, http.MethodGet, requestPath(name, "target"), inNamespace(namespace), nil, &out)
}

// GovernedResources returns what may be asked for, in the whole cluster.
func (c *Client) GovernedResources(ctx context.Context) ([]v1alpha1.GovernedResource, error) {
	var out v1alpha1.GovernedResourceList
	err := c.call(ctx, http.MethodGet, "/governed-resources", nil, nil, &out)
	return out.Items, err
}

// TrustProfiles returns how far the agents of a namespace are trusted that the caller may read about; empty means default.
func (c *Client) TrustProfiles(ctx context.Context, namespace string) ([]v1alpha1.AgentTrustProfile, error) {
	var out []v1alpha1.AgentTrustProfile
	return out, c.call(ctx, http.MethodGet, "/agent-trust-profiles", inNamespace(namespace), nil, &out)
}

// AccuracySummaries returns how right those agents were, as reviewers graded them.
func (c *Client) AccuracySummaries(ctx context.Context, namespace string) ([]v1alpha1.DiagnosticAccuracySummary, error) {
	var out []v1alpha1.DiagnosticAccuracySummary
	return out, c.call(ctx, http.MethodGet, "/diagnostic-accuracy-summaries", inNamespace(namespace), nil, &out)
}
