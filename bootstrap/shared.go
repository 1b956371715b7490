package bootstrap

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Existing describes how the environment lives in a cluster that is there already.
type Existing struct {
	// Context names the context of the user's kubeconfig that leads to the cluster.
	Context string `json:"context,omitempty"`
	// Kubeconfig is the file that holds the context; empty means those of $KUBECONFIG, else ~/.kube/config.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Replicas is how many gateways serve; 0 leaves that to the chart.
	Replicas int `json:"replicas,omitempty"`
	// GatewayURL is where the cluster itself lets the gateway be reached, such as an ingress. Empty means that a port of
	// this machine is carried to it.
	GatewayURL string `json:"gatewayURL,omitempty"`
}

// Databases of a Keycloak of the environment's own.
const (
	// DatabaseMemory is Keycloak's development mode: a new pod forgets its realm.
	DatabaseMemory = "memory"
	// DatabasePostgres is production mode with a PostgreSQL that has a volume.
	DatabasePostgres = "postgres"
)

// Keycloak describes the Keycloak of an environment in containers.
type Keycloak struct {
	// Database is where it keeps its realms, DatabaseMemory or DatabasePostgres; empty means the former.
	Database string `json:"database,omitempty"`
}

// keycloakFaults returns the faults of what only a Keycloak of the environment's own has.
func (e Environment) keycloakFaults() []error {
	switch {
	case e.Keycloak.Database == "" || e.Keycloak.Database == DatabaseMemory:
		return nil
	case e.Keycloak.Database != DatabasePostgres:
		return []error{fmt.Errorf("keycloak.database: found %q, expected %s or %s", e.Keycloak.Database, DatabaseMemory, DatabasePostgres)}
	case e.Cluster == ClusterEmbedded:
		return []error{fmt.Errorf("keycloak.database: %s runs in containers, and cluster %s has none; its issuer forgets nothing", DatabasePostgres, ClusterEmbedded)}
	case e.External():
		return []error{fmt.Errorf("keycloak.database: set beside identity.issuerURL, expected a Keycloak of the environment's own")}
	default:
		return nil
	}
}

// Provider describes an OIDC provider that is there already, in place of a Keycloak of the environment's own.
type Provider struct {
	// IssuerURL is the provider's issuer, spelled exactly as in the iss claim of its tokens.
	IssuerURL string `json:"issuerURL,omitempty"`
	// Preset names the kind of provider, one of Presets; it says which claim tells who calls.
	Preset string `json:"preset,omitempty"`
	// Claim is the claim that tells who calls. Empty means the preset's, else azp.
	Claim string `json:"claim,omitempty"`
	// Scope is what is asked for when a token is got by client credentials. Empty means the preset's.
	Scope string `json:"scope,omitempty"`
}

// Preset is what is known of a kind of OIDC provider.
type Preset struct {
	Name string
	// Claim is the claim of an access token that names the client it was issued to; of several, separated by commas, the
	// first that a token has.
	Claim string
	// Scope is asked for with client credentials; {audience} stands for the environment's audience.
	Scope string
	// SendAudience says that the audience has to be named when a token is asked for.
	SendAudience bool
	// Audience explains to people where the provider takes aud from.
	Audience string
}

// Presets returns what is known of kinds of OIDC providers. Claims and audiences are those of the guide's table of providers,
// and of the gateway's own presets; --oidc-claim overrides them. The rest is from the providers' documentation of access tokens:
// https://www.keycloak.org/docs/latest/server_admin/#audience-support,
// https://developer.okta.com/docs/reference/api/oidc/#access-token-payload,
// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles,
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference,
// https://apidocs.pingidentity.com/pingone/main/v1/api/src/authentication-concepts/access-tokens-and-id-tokens/token-claims/,
// https://cloud.google.com/docs/authentication/token-types#id.
func Presets() []Preset {
	return []Preset{
		{Name: "keycloak", Claim: "azp", Scope: "openid", Audience: "a mapper of the type Audience on each client adds it to aud"},
		{Name: "okta", Claim: "sub", Audience: "it is the audience of the authorization server (Security, API); a scope of that server has to be asked for with --oidc-scope"},
		{Name: "auth0", Claim: "sub", SendAudience: true, Audience: "it is the identifier of the API (Applications, APIs); the issuer ends with a slash"},
		{Name: "azure", Claim: "appid,azp", Scope: "{audience}/.default", Audience: "tokens of version 1.0 (issuer https://sts.windows.net/TENANT/) carry the application ID URI, such as api://YOUR_APP_ID, of the gateway's app registration, those of version 2.0 (issuer .../v2.0) its client ID"},
		{Name: "ping", Claim: "client_id", Audience: "it is the audience of the custom resource; a scope of that resource has to be asked for with --oidc-scope"},
		{Name: "google", Claim: "email", Audience: "it is what Identity Platform puts into the ID token; Google has no client credentials for other APIs, so up proves no token"},
	}
}

// PresetNames returns the names of Presets.
func PresetNames() []string {
	var names []string
	for _, p := range Presets() {
		names = append(names, p.Name)
	}
	return names
}

// Known returns the preset that p names; the zero Preset when it names none.
func (p Provider) Known() Preset {
	for _, known := range Presets() {
		if known.Name == p.Preset {
			return known
		}
	}
	return Preset{}
}

// IdentityClaim returns the claim that tells who calls, "" for the chart's own choice.
func (p Provider) IdentityClaim() string {
	if p.Claim != "" {
		return p.Claim
	}
	return p.Known().Claim
}

// AskedScope returns the scope to ask for with client credentials; audience is that of the environment.
func (p Provider) AskedScope(audience string) string {
	scope := p.Scope
	if scope == "" {
		scope = p.Known().Scope
	}
	return strings.ReplaceAll(scope, "{audience}", audience)
}

// External reports whether the identities come from a provider that is there already.
func (e Environment) External() bool { return e.Identity.IssuerURL != "" }

// externalID is what a provider may call a client: no space and no comma, which separates the gateway's subjects. It is
// compiled once and never written again.
var externalID = regexp.MustCompile(`^[^\s,\p{C}]+$`)

// maxExternalID is how many characters it may have. A bound within the pattern would make every start of the program slow.
const maxExternalID = 253

// existingFaults returns the faults of what only an existing cluster has.
func (e Environment) existingFaults() []error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if e.Cluster != ClusterExisting {
		if e.Existing != (Existing{}) {
			fault("existing: set for cluster %s, expected cluster: %s", e.Cluster, ClusterExisting)
		}
		if e.Identity != (Provider{}) {
			fault("identity: set for cluster %s, expected cluster: %s", e.Cluster, ClusterExisting)
		}
		return faults
	}
	if e.Existing.Replicas < 0 {
		fault("existing.replicas: found %d, expected 1 or more", e.Existing.Replicas)
	}
	if err := checkURL(e.Existing.GatewayURL); err != nil {
		fault("existing.gatewayURL: %w", err)
	}
	return append(faults, e.providerFaults()...)
}

func (e Environment) providerFaults() []error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	p := e.Identity
	if p.Preset != "" && !slices.Contains(PresetNames(), p.Preset) {
		fault("identity.preset: found %q, expected one of %s", p.Preset, strings.Join(PresetNames(), ", "))
	}
	if p.IssuerURL == "" {
		if p != (Provider{}) {
			fault("identity.issuerURL: empty, expected the issuer that preset, claim and scope are for")
		}
		for i, c := range e.Clients {
			if c.SecretName != "" {
				fault("clients[%d].secretName: set without identity.issuerURL; the environment's own Keycloak gets its secrets from here", i)
			}
		}
		return faults
	}
	if err := checkURL(p.IssuerURL); err != nil {
		fault("identity.issuerURL: %w", err)
	}
	if strings.ContainsAny(p.Claim, " \t\n") {
		fault("identity.claim: found %q, expected the name of a claim, or names separated by commas", p.Claim)
	}
	if len(e.Clients) == 0 {
		fault("clients: none, expected those of the provider in the file (-f): their id, which is the claim %s, and their role", orClaim(p.IdentityClaim()))
	}
	return faults
}

func orClaim(claim string) string {
	if claim == "" {
		return "azp"
	}
	return claim
}

// checkURL accepts nothing and an absolute http or https URL without user, query and fragment.
func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("found %q, expected http(s)://host/path without user, query and fragment", text)
	}
	return nil
}
