package bootstrap

import (
	"reflect"
	"time"
)

// FactsVersion is the version of Facts that this program reads and writes.
const FactsVersion = 1

// Facts say where the things of an environment are. They hold no secret: names of Secrets only. A lost facts file
// costs nothing, because every step can observe its part again. Each section belongs to the step of its name.
type Facts struct {
	Version  int           `json:"version"`
	Name     string        `json:"name"`
	Cluster  ClusterFacts  `json:"cluster"`
	Images   ImagesFacts   `json:"images,omitzero"`
	Identity IdentityFacts `json:"identity"`
	Gateway  GatewayFacts  `json:"gateway"`
	Proof    ProofFacts    `json:"proof"`
	Timing   TimingFacts   `json:"timing"`
}

// ClusterFacts say where the Kubernetes API is.
type ClusterFacts struct {
	// Kind is embedded, kind or existing.
	Kind string `json:"kind,omitempty"`
	// Why says in one line why this kind was taken when auto was asked for.
	Why        string `json:"why,omitempty"`
	Kubeconfig string `json:"kubeconfig,omitempty"`
	Context    string `json:"context,omitempty"`
	// Server is the URL of the API server, and ID the uid of its namespace kube-system, where they are not of our making.
	Server string `json:"server,omitempty"`
	ID     string `json:"id,omitempty"`
	// Engine is the container engine that has the containers of a kind cluster: docker, nerdctl or podman.
	Engine string `json:"engine,omitempty"`
	// Version is the gitVersion of the API server.
	Version string `json:"version,omitempty"`
	// APIPort, GatewayPort and IssuerPort are the ports on loopback that this environment keeps.
	APIPort     int `json:"apiPort,omitempty"`
	GatewayPort int `json:"gatewayPort,omitempty"`
	IssuerPort  int `json:"issuerPort,omitempty"`
}

// Served reports whether the environment needs a process on this machine: an embedded cluster is one, and a cluster that is
// somewhere else and is reached by ports of this machine needs one that carries connections.
func (c ClusterFacts) Served() bool {
	return c.Kind == ClusterEmbedded || c.Kind == ClusterExisting && c.GatewayPort+c.IssuerPort > 0
}

// ImagesFacts say which container images were brought into the cluster.
type ImagesFacts struct {
	// Gateway is the reference of the gateway's image, repository and tag.
	Gateway string `json:"gateway,omitempty"`
}

// IdentityFacts say where the OIDC issuer is and who exists in its realm.
type IdentityFacts struct {
	// IssuerURL is the issuer as it stands in tokens (iss).
	IssuerURL string `json:"issuerURL,omitempty"`
	// Address is the base URL at which the provider is reached from this machine.
	Address string `json:"address,omitempty"`
	Realm   string `json:"realm,omitempty"`
	// Clients are the machine identities.
	Clients []ClientFacts `json:"clients,omitempty"`
	// External says that the provider is not part of the environment. Then Endpoint is where its clients get tokens, and
	// Scope and Resource are what they ask for.
	External bool   `json:"external,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Scope    string `json:"scope,omitempty"`
	Resource string `json:"resource,omitempty"`
}

// ClientSecretKey is the key under which the Kubernetes Secret of a client holds its client secret.
const ClientSecretKey = "client-secret"

// ClientFacts name one machine identity and the Kubernetes Secret that holds its client secret.
type ClientFacts struct {
	ID   string `json:"id"`
	Role string `json:"role"`
	// Secret is empty when nobody told the client's secret.
	Secret string `json:"secret"`
}

// GatewayFacts say where the gateway is.
type GatewayFacts struct {
	URL string `json:"url,omitempty"`
	// Namespace and Release are the Helm release.
	Namespace string `json:"namespace,omitempty"`
	Release   string `json:"release,omitempty"`
	Chart     string `json:"chart,omitempty"`
	Audience  string `json:"audience,omitempty"`
}

// ProofFacts say when the whole way was proven, and for what.
type ProofFacts struct {
	// Of is a digest of what was proven; a change of it asks for a new proof.
	Of string    `json:"of,omitempty"`
	At time.Time `json:"at,omitzero"`
	// Missing says in words what could not be proven, one thing a line.
	Missing string `json:"missing,omitempty"`
	// Unminted says that an external provider gave no client the means to prove more.
	Unminted bool `json:"unminted,omitempty"`
}

// TimingFacts say how long the last complete run took.
type TimingFacts struct {
	Total time.Duration            `json:"total,omitempty"`
	Steps map[string]time.Duration `json:"steps,omitempty"`
	// Critical are the steps that the run waited for, in order: of steps side by side the one that took longest.
	Critical []string `json:"critical,omitempty"`
}

// merge returns base with every section that one of the changed copies changed.
func merge(base Facts, changed ...Facts) Facts {
	out := base
	to, from := reflect.ValueOf(&out).Elem(), reflect.ValueOf(base)
	for _, c := range changed {
		v := reflect.ValueOf(c)
		for i := range v.NumField() {
			if !reflect.DeepEqual(v.Field(i).Interface(), from.Field(i).Interface()) {
				to.Field(i).Set(v.Field(i))
			}
		}
	}
	return out
}
