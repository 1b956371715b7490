package authn

import (
	"fmt"
	"slices"
	"strings"
)

// Preset is how the access tokens of a kind of OIDC provider say who calls.
type Preset struct {
	// Name is what --oidc-preset takes.
	Name string
	// IdentityClaim is the claim that names the client which a token by client credentials was issued to, in the form of
	// Options.IdentityClaim.
	IdentityClaim string
	// GroupsClaim is the claim that lists what the provider lets a client be a member of.
	GroupsClaim string
	// Documentation is the provider's page about the claims of its tokens.
	Documentation string
}

// Presets returns the providers of the guide's table. Where the guide leaves a choice, or the provider's documentation
// says more than the guide, the documentation decides:
//
//   - Azure AD names the client in appid in tokens of version 1.0 only; version 2.0, whose issuer ends with /v2.0, names
//     it in azp. Both hold the same application id.
//   - PingOne leaves sub out of tokens by client credentials; client_id is always there.
//   - Google names a service account in email, next to email_verified.
func Presets() []Preset {
	return []Preset{
		{"keycloak", "azp", "realm_access.roles", "https://www.keycloak.org/docs/latest/server_admin/#_protocol-mappers"},
		{"okta", "sub", "groups", "https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/#access-token-payload"},
		{"auth0", "sub", "permissions", "https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles"},
		{"azure", "appid,azp", "roles", "https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference"},
		{"ping", "client_id", "p1.permissions", "https://apidocs.pingidentity.com/pingone/main/v1/api/src/authentication-concepts/access-tokens-and-id-tokens/token-claims/"},
		{"google", "email", "groups", "https://cloud.google.com/docs/authentication/token-types"},
	}
}

// PresetNames returns the names of Presets.
func PresetNames() []string {
	names := make([]string, 0, len(Presets()))
	for _, p := range Presets() {
		names = append(names, p.Name)
	}
	return names
}

// apply fills in the claims that o leaves open: those of the preset, else Keycloak's client.
func (o *Options) apply() error {
	var preset Preset
	if o.Preset != "" {
		at := slices.Index(PresetNames(), o.Preset)
		if at < 0 {
			return fmt.Errorf("preset %s: expected one of %s", quote(o.Preset), strings.Join(PresetNames(), ", "))
		}
		preset = Presets()[at]
	}
	if o.IdentityClaim == "" {
		o.IdentityClaim = preset.IdentityClaim
	}
	if o.IdentityClaim == "" {
		o.IdentityClaim = DefaultIdentityClaim
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = preset.GroupsClaim
	}
	for claim := range strings.SplitSeq(o.IdentityClaim, ",") {
		if strings.TrimSpace(claim) == "" {
			return fmt.Errorf("identity claim %s: expected the name of a claim, or names separated by commas", quote(o.IdentityClaim))
		}
	}
	return nil
}

// Effective returns o with the claims that a Verifier of these options works with, or says what is wrong with them.
func Effective(o Options) (Options, error) {
	err := o.apply()
	return o, err
}
