package client

import (
	"context"
	"net/http"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// SafetyPolicies returns the policies of a namespace; empty means default.
func (c *Client) SafetyPolicies(ctx context.Context, namespace string) ([]v1alpha1.SafetyPolicy, error) {
	var out v1alpha1.SafetyPolicyList
	err := c.call(ctx, http.MethodGet, "/safety-policies", inNamespace(namespace), nil, &out)
	return out.Items, err
}

// GovernedResources returns what may be asked for, in the whole cluster.
func (c *Client) GovernedResources(ctx context.Context) ([]v1alpha1.GovernedResource, error) {
	var out v1alpha1.GovernedResourceList
	err := c.call(ctx, http.MethodGet, "/governed-resources", nil, nil, &out)
	return out.Items, err
}
