package token

import (
	"net/url"
	"strings"
)

// Provider is what a token's own words say about where it comes from. Nothing of it was verified.
type Provider struct {
	// Name is that of a preset of `up --oidc-preset`: keycloak, okta, auth0, azure, ping or google; or kubernetes for the token of a
	// ServiceAccount. Empty when the token is of no provider that is known.
	Name string
	// Title is what people call the provider.
	Title string
	// Claim carries the identity of the client, and Identity is its value; empty when none does.
	Claim, Identity string
	// Note says what is particular about the provider's tokens; empty when nothing is.
	Note string
}

// Recognise names the provider of a token, by the form of its issuer and by claims that only that provider makes, and the
// claim that carries the identity, by the guide's table of providers.
// Sources: https://www.keycloak.org/docs/latest/securing_apps/#_oidc-endpoints,
// https://developer.okta.com/docs/concepts/auth-servers/, https://auth0.com/docs/secure/tokens/access-tokens,
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference,
// https://docs.pingidentity.com/pingone/applications_and_protocols/p1_access_token_claims.html,
// https://cloud.google.com/docs/authentication/token-types,
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens.
func Recognise(d Decoded) Provider {
	p := provider(d)
	if _, account := d.Claims["kubernetes.io"]; account {
		p = Provider{Name: "kubernetes", Title: "Kubernetes", Claim: "sub", Note: "a ServiceAccount's, which its pod finds below /var/run/secrets; an agent gets its own from the gateway's issuer"}
	}
	candidates := []string{p.Claim, "azp", "appid", "client_id", "cid", "sub"}
	p.Claim = ""
	for _, name := range candidates {
		if value, ok := d.Claims[name].(string); ok && value != "" {
			p.Claim, p.Identity = name, value
			break
		}
	}
	return p
}

func provider(d Decoded) Provider {
	host, path := "", ""
	if u, err := url.Parse(d.Issuer); err == nil {
		host, path = strings.ToLower(u.Hostname()), u.Path
	}
	under := func(domains ...string) bool {
		for _, domain := range domains {
			if host == domain || strings.HasSuffix(host, "."+domain) {
				return true
			}
		}
		return false
	}
	_, cid := d.Claims["cid"]
	_, gty := d.Claims["gty"]
	switch {
	case under("login.microsoftonline.com", "sts.windows.net", "login.microsoftonline.us"):
		return Provider{Name: "azure", Title: "Azure AD (Entra ID)", Claim: "appid", Note: "version 1.0 names the client in appid, version 2.0 in azp"}
	case under("okta.com", "oktapreview.com", "okta-emea.com") || cid && strings.HasPrefix(path, "/oauth2/"):
		return Provider{Name: "okta", Title: "Okta", Claim: "sub"}
	case under("auth0.com") || gty:
		return Provider{Name: "auth0", Title: "Auth0", Claim: "sub", Note: "its issuer ends with a slash"}
	case under("pingone.com", "pingone.eu", "pingone.ca", "pingone.asia", "pingidentity.com"):
		return Provider{Name: "ping", Title: "Ping Identity", Claim: "client_id", Note: "it leaves sub out of tokens by client credentials"}
	case under("accounts.google.com", "securetoken.google.com"):
		return Provider{Name: "google", Title: "Google", Claim: "email", Note: "a service account gets it by exchange of a signed JWT, not by client credentials"}
	case strings.Contains(path, "/realms/"):
		return Provider{Name: "keycloak", Title: "Keycloak", Claim: "azp"}
	default:
		return Provider{}
	}
}
