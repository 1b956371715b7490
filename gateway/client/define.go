package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// CreatePolicy stores a new SafetyPolicy in its namespace, default when it names none. One of its name is ErrConflict,
// one whose rules do not compile ErrInvalid. It takes the admin role, as do the other calls about policies.
func (c *Client) CreatePolicy(ctx context.Context, p v1alpha1.SafetyPolicy) (v1alpha1.SafetyPolicy, error) {
	var out v1alpha1.SafetyPolicy
	return out, c.call(ctx, http.MethodPost, "/safety-policies", inNamespace(p.Namespace), p, &out)
}

// ReplacePolicy stores other rules, labels and annotations for the SafetyPolicy of this name. With a resource version,
// one that changed since is ErrConflict.
func (c *Client) ReplacePolicy(ctx context.Context, p v1alpha1.SafetyPolicy) (v1alpha1.SafetyPolicy, error) {
	var out v1alpha1.SafetyPolicy
	return out, c.call(ctx, http.MethodPut, policyPath(p.Name), inNamespace(p.Namespace), p, &out)
}

// RemovePolicy removes a SafetyPolicy. Where requests still refer to it, it goes once none does.
func (c *Client) RemovePolicy(ctx context.Context, namespace, name string) error {
	return c.call(ctx, http.MethodDelete, policyPath(name), inNamespace(namespace), nil, nil)
}

func policyPath(name string) string { return "/safety-policies/" + url.PathEscape(name) }
