package steps

import (
	"context"
	"fmt"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
)

// Stranger makes a client in the realm that no list of the gateway names, with the given secret and audience, for as long as
// use takes, and removes it again. Its tokens are real: they show what the gateway does with a caller that it does not know,
// or with a token that is for somebody else.
func Stranger(ctx context.Context, e bootstrap.Environment, d Deps, facts bootstrap.Facts, id, secret, audience string, use func() error) error {
	if facts.Identity.External {
		return fmt.Errorf("the realm of %s is not part of the environment, so no client is made there", facts.Identity.IssuerURL)
	}
	config, err := kube(facts)
	if err != nil {
		return err
	}
	i := identity{env: e, deps: d}
	if err := i.recall(ctx, config, facts); err != nil {
		return err
	}
	realm := keycloak.Realm{Name: e.Realm, FrontendURL: i.realm(facts).FrontendURL, Clients: []keycloak.Client{{ID: id, Secret: secret, Audience: audience}}}
	admin := i.admin(facts)
	if _, err := admin.Apply(ctx, realm, func(string) {}); err != nil {
		return fmt.Errorf("make client %s: %w", id, err)
	}
	used := use()
	if err := admin.RemoveClient(context.WithoutCancel(ctx), e.Realm, id); err != nil {
		return fmt.Errorf("remove client %s: %w", id, err)
	}
	return used
}
