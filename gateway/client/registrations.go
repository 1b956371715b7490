package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Registrations returns AgentRegistrations, by name: those that o chooses by namespace. It takes the reviewer or the admin role.
func (c *Client) Registrations(ctx context.Context, o ListOptions) ([]v1alpha1.AgentRegistration, error) {
	var out v1alpha1.AgentRegistrationList
	err := c.call(ctx, http.MethodGet, "/agent-registrations", ListOptions{Namespace: o.Namespace, AllNamespaces: o.AllNamespaces}.query(), nil, &out)
	return out.Items, err
}

// Register asks for the registration of the agent that the client speaks as; it counts once somebody approves it. An agent
// that has one is ErrConflict.
func (c *Client) Register(ctx context.Context, w wire.RegistrationWish) (v1alpha1.AgentRegistration, error) {
	var out v1alpha1.AgentRegistration
	return out, c.call(ctx, http.MethodPost, registrationPath("self", ""), nil, w, &out)
}

// Registration returns the registration of the agent that the client speaks as, or ErrNotFound.
func (c *Client) Registration(ctx context.Context) (v1alpha1.AgentRegistration, error) {
	var out v1alpha1.AgentRegistration
	return out, c.call(ctx, http.MethodGet, registrationPath("self", ""), nil, nil, &out)
}

// ApproveRegistration lets a registration count and grants its services. It takes the reviewer or the admin role.
func (c *Client) ApproveRegistration(ctx context.Context, namespace, name string, r wire.RegistrationReview) (v1alpha1.AgentRegistration, error) {
	var out v1alpha1.AgentRegistration
	return out, c.call(ctx, http.MethodPost, registrationPath(name, "/approve"), inNamespace(namespace), r, &out)
}

// DenyRegistration lets a registration count no more, until it is removed.
func (c *Client) DenyRegistration(ctx context.Context, namespace, name string, r wire.RegistrationReview) (v1alpha1.AgentRegistration, error) {
	var out v1alpha1.AgentRegistration
	return out, c.call(ctx, http.MethodPost, registrationPath(name, "/deny"), inNamespace(namespace), r, &out)
}

// RemoveRegistration removes a registration; its agent may ask for another. It takes the admin role.
func (c *Client) RemoveRegistration(ctx context.Context, namespace, name string) error {
	return c.call(ctx, http.MethodDelete, registrationPath(name, ""), inNamespace(namespace), nil, nil)
}

func registrationPath(name, verb string) string {
	return "/agent-registrations/" + url.PathEscape(name) + verb
}
