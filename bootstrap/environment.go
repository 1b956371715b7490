package bootstrap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// DefaultName is the name of the environment when none is given.
const DefaultName = "aip"

// EnvironmentVersion is the version of Environment that this program reads.
const EnvironmentVersion = "aip-dev/v1"

// The places where an environment can live.
const (
	ClusterAuto     = "auto"
	ClusterEmbedded = "embedded"
	ClusterKind     = "kind"
	ClusterExisting = "existing"
)

// Ports that are taken when none is asked for, if they are free.
const (
	DefaultGatewayPort = 8080
	DefaultIssuerPort  = 8090
)

// Environment describes what `up` brings about. The zero value is not valid; start from Default. It may be written
// as YAML (aip-dev.yaml); flags set fields of it.
type Environment struct {
	// Version is EnvironmentVersion.
	Version string `json:"version"`
	// Name tells environments apart; it names the state folder, so it is a DNS label.
	Name string `json:"name"`
	// Cluster is where the environment lives: auto, embedded, kind or existing.
	Cluster string `json:"cluster"`
	// Ports on loopback.
	Ports Ports `json:"ports"`
	// Realm and Clients are the identities.
	Realm   string   `json:"realm"`
	Clients []Client `json:"clients"`
	// Audience is the aud claim that the gateway asks for.
	Audience string `json:"audience"`
	// SamplePolicies installs the sample SafetyPolicies when true.
	SamplePolicies bool `json:"samplePolicies"`
	// Images are the container images, for clusters that run containers.
	Images Images `json:"images,omitzero"`
	// Kind is what only a kind cluster has.
	Kind Kind `json:"kind,omitzero"`
	// Existing is what only an existing cluster has.
	Existing Existing `json:"existing,omitzero"`
	// Keycloak is how a Keycloak of the environment's own runs, where it runs in containers.
	Keycloak Keycloak `json:"keycloak,omitzero"`
	// Identity is an OIDC provider that is there already; the zero Provider means a Keycloak of the environment's own.
	Identity Provider `json:"identity,omitzero"`
}

// Images are references of container images. Empty means the default.
type Images struct {
	// Node is the image of a kind node; the default is that of the kind library.
	Node string `json:"node,omitempty"`
	// Gateway is the gateway's image; the default is made of the running program.
	Gateway string `json:"gateway,omitempty"`
}

// Kind describes a kind cluster beyond what every environment has.
type Kind struct {
	// Mounts are folders of this machine in the node: host path by path in the node.
	Mounts map[string]string `json:"mounts,omitempty"`
	// ConfigPatches are kubeadm configuration patches in YAML.
	// Source: https://kind.sigs.k8s.io/docs/user/configuration/#kubeadm-config-patches
	ConfigPatches []string `json:"configPatches,omitempty"`
}

// Ports on loopback. 0 means the default port, or the next free one when that is taken; another number means
// exactly that port.
type Ports struct {
	Gateway int `json:"gateway,omitempty"`
	Issuer  int `json:"issuer,omitempty"`
}

// Roles that a client may have at the gateway.
const (
	RoleAgent    = "agent"
	RoleReviewer = "reviewer"
	RoleAdmin    = "admin"
)

// Roles returns the roles that a client may have.
func Roles() []string { return []string{RoleAgent, RoleReviewer, RoleAdmin} }

// Client is one machine identity: a client of the realm with a service account.
type Client struct {
	// ID is the client id, and so the azp claim of its tokens.
	ID string `json:"id"`
	// Role is what the gateway lets it do: agent, reviewer or admin.
	Role string `json:"role"`
	// Secret is its client secret. The defaults are the well-known ones of the guide, for development only. Empty
	// keeps the secret that Kubernetes holds, or makes a random one.
	Secret string `json:"secret,omitempty"`
	// SecretFile is a file whose first line is the client secret.
	SecretFile string `json:"secretFile,omitempty"`
	// SecretName names a Kubernetes Secret that is there already, in the gateway's namespace, with the client secret of
	// an external provider's client under the key client-secret. It is read and never changed.
	SecretName string `json:"secretName,omitempty"`
	// Added says that `aip-dev agent add` made it. A description that does not list it leaves it where it is.
	Added bool `json:"added,omitempty"`
}

// Fault says everything that is wrong with c as a client of a realm of ours, or returns nil.
func (c Client) Fault() error { return errors.Join(c.faults(false)...) }

// faults lists what is wrong with c. With a provider of others, an id is what that provider calls it.
func (c Client) faults(external bool) []error {
	var faults []error
	switch {
	case external && (!externalID.MatchString(c.ID) || utf8.RuneCountInString(c.ID) > maxExternalID):
		faults = append(faults, fmt.Errorf("id: found %q, expected what the provider calls it, without space and comma", c.ID))
	case external:
	case !clientID.MatchString(c.ID) || len(c.ID) > maxClientID:
		faults = append(faults, fmt.Errorf("id: found %q, expected lower-case letters, digits, '-' and '.', at most %d, as in a host name", c.ID, maxClientID))
	case slices.Contains(providersOwn(), c.ID):
		faults = append(faults, fmt.Errorf("id: %q is a client of the provider's own, expected another", c.ID))
	}
	if !slices.Contains(Roles(), c.Role) {
		faults = append(faults, fmt.Errorf("role: found %q, expected agent, reviewer or admin", c.Role))
	}
	if sources := c.secretSources(); len(sources) > 1 {
		faults = append(faults, fmt.Errorf("secrets: found %s, expected one of them", strings.Join(sources, " and ")))
	}
	return faults
}

// Default returns the environment of the guide: realm aip with one agent, one reviewer and one admin.
func Default() Environment {
	return Environment{
		Version: EnvironmentVersion, Name: DefaultName, Cluster: ClusterAuto, Realm: "aip", Audience: "aip-gateway",
		Clients: []Client{
			{ID: "aip-agent-1", Role: RoleAgent, Secret: "agent-1-secret"},
			{ID: "aip-reviewer-1", Role: RoleReviewer, Secret: "reviewer-1-secret"}, //nolint:gosec // the well-known secrets of the guide
			{ID: "aip-admin-1", Role: RoleAdmin, Secret: "admin-1-secret"},
		},
		SamplePolicies: true,
	}
}

// Find returns the client with id.
func (e Environment) Find(id string) (Client, bool) {
	if i := slices.IndexFunc(e.Clients, func(c Client) bool { return c.ID == id }); i >= 0 {
		return e.Clients[i], true
	}
	return Client{}, false
}

// Without returns e without the client with id.
func (e Environment) Without(id string) Environment {
	e.Clients = slices.DeleteFunc(slices.Clone(e.Clients), func(c Client) bool { return c.ID == id })
	return e
}

// KeepAdded returns e with the clients that were added to last by hand and that e does not list.
func (e Environment) KeepAdded(last Environment) Environment {
	e.Clients = slices.Clone(e.Clients)
	for _, c := range last.Clients {
		if _, listed := e.Find(c.ID); c.Added && !listed {
			e.Clients = append(e.Clients, c)
		}
	}
	return e
}

// Subjects returns the ids of the clients with role, in order.
func (e Environment) Subjects(role string) []string {
	var ids []string
	for _, c := range e.Clients {
		if c.Role == role {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// Validate reports every fault of e at once. It does no I/O.
func (e Environment) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if e.Version != EnvironmentVersion {
		fault("version: found %q, expected %q", e.Version, EnvironmentVersion)
	}
	if err := ValidateName(e.Name); err != nil {
		faults = append(faults, err)
	}
	if clusters := []string{ClusterAuto, ClusterEmbedded, ClusterKind, ClusterExisting}; !slices.Contains(clusters, e.Cluster) {
		fault("cluster: found %q, expected one of %s", e.Cluster, strings.Join(clusters, ", "))
	}
	for _, p := range []struct {
		name string
		port int
	}{{"ports.gateway", e.Ports.Gateway}, {"ports.issuer", e.Ports.Issuer}} {
		if p.port < 0 || p.port > 65535 {
			fault("%s: found %d, expected 1 to 65535", p.name, p.port)
		}
	}
	if e.Ports.Gateway != 0 && e.Ports.Gateway == e.Ports.Issuer {
		fault("ports: gateway and issuer are both %d, expected two ports", e.Ports.Gateway)
	}
	if e.Realm == "" || e.Realm == "master" {
		fault("realm: found %q, expected a realm of its own (not master)", e.Realm)
	}
	if e.Audience == "" {
		fault("audience: empty, expected the aud claim that the gateway asks for")
	}
	faults = append(faults, e.clientFaults()...)
	faults = append(faults, e.keycloakFaults()...)
	return errors.Join(append(faults, e.existingFaults()...)...)
}

func (e Environment) clientFaults() []error {
	var faults []error
	seen := map[string]bool{}
	for i, c := range e.Clients {
		for _, err := range c.faults(e.External()) {
			faults = append(faults, fmt.Errorf("clients[%d].%w", i, err))
		}
		if seen[c.ID] {
			faults = append(faults, fmt.Errorf("clients[%d].id: %q is there twice", i, c.ID))
		}
		seen[c.ID] = true
	}
	return faults
}

// secretSources names the fields that say where the secret of c comes from.
func (c Client) secretSources() []string {
	var out []string
	for _, f := range []struct{ name, value string }{{"secret", c.Secret}, {"secretFile", c.SecretFile}, {"secretName", c.SecretName}} {
		if f.value != "" {
			out = append(out, f.name)
		}
	}
	return out
}

// The patterns below are compiled once and never written again.
var (
	dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
	clientID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// maxClientID is how long the id of a client may be: it is the value of a label.
const maxClientID = 63

// providersOwn returns the clients that Keycloak makes in every realm.
// Source: https://www.keycloak.org/docs/latest/server_admin/#_oidc_clients
func providersOwn() []string {
	return []string{"account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console"}
}

// ValidateName checks the name of an environment: a DNS label of at most 32 characters.
func ValidateName(name string) error {
	if !dnsLabel.MatchString(name) {
		return fmt.Errorf("name: found %q, expected a DNS label of at most 32 characters (a-z, 0-9, '-')", name)
	}
	return nil
}
