package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// ErrProvider says that an external OIDC provider does not answer as one.
var ErrProvider = errors.New("the OIDC provider cannot be used")

// ErrNoClientSecret says that a Kubernetes Secret that the description names is not there or lacks the secret.
var ErrNoClientSecret = errors.New("the client's secret is not there")

const (
	discoveryLimit    = 10 * time.Second
	maxDiscovery      = 1 << 20
	clientCredentials = "client_credentials"
)

// externalIdentity is an OIDC provider that is there already. Nothing of it is changed; the clients' secrets, as far
// as they are told, are kept in Kubernetes.
type externalIdentity struct {
	env  bootstrap.Environment
	deps Deps
	// own takes away what an environment's own provider needs as well, such as the clients' Secrets.
	own ownIdentity
}

func (externalIdentity) Name() string { return "identity" }

// discovery is what a provider says of itself.
// Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
type discovery struct {
	Issuer   string   `json:"issuer"`
	Endpoint string   `json:"token_endpoint"`
	Keys     string   `json:"jwks_uri"`
	Grants   []string `json:"grant_types_supported"`
}

// discover asks the provider from this machine; the gateway asks again from the cluster.
func (x externalIdentity) discover(ctx context.Context) (discovery, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryLimit)
	defer cancel()
	url := strings.TrimSuffix(x.env.Identity.IssuerURL, "/") + "/.well-known/openid-configuration"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return discovery{}, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return discovery{}, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	if answer.StatusCode != http.StatusOK {
		return discovery{}, fmt.Errorf("%w: %s answers %s, expected its discovery document", ErrProvider, url, answer.Status)
	}
	var found discovery
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxDiscovery)).Decode(&found); err != nil {
		return discovery{}, fmt.Errorf("%w: %s is no discovery document: %w", ErrProvider, url, err)
	}
	switch {
	case found.Issuer != x.env.Identity.IssuerURL:
		return discovery{}, fmt.Errorf("%w: it calls itself %q, expected %q: the two have to be the same to the letter", ErrProvider, found.Issuer, x.env.Identity.IssuerURL)
	case found.Keys == "":
		return discovery{}, fmt.Errorf("%w: %s names no jwks_uri", ErrProvider, url)
	}
	return found, nil
}

// mints reports whether clients get tokens by client credentials; a provider that does not list its grants may.
func (d discovery) mints() bool {
	return d.Endpoint != "" && (len(d.Grants) == 0 || slices.Contains(d.Grants, clientCredentials))
}

// prepare returns the facts and the manifest: the namespace, and the Secrets of the clients whose secret was told.
func (x externalIdentity) prepare(ctx context.Context, facts bootstrap.Facts, config *rest.Config) (bootstrap.Facts, []byte, error) {
	found, err := x.discover(ctx)
	if err != nil {
		return facts, nil, err
	}
	known := x.env.Identity.Known()
	facts.Identity = bootstrap.IdentityFacts{
		IssuerURL: x.env.Identity.IssuerURL, Address: x.env.Identity.IssuerURL, External: true,
		Scope: x.env.Identity.AskedScope(x.env.Audience),
	}
	if found.mints() {
		facts.Identity.Endpoint = found.Endpoint
	}
	if known.SendAudience {
		facts.Identity.Resource = x.env.Audience
	}
	clients, manifest, err := x.clients(ctx, config)
	facts.Identity.Clients = clients
	return facts, manifest, err
}

// clients returns the clients, and the manifest of the Secrets that are to be made.
func (x externalIdentity) clients(ctx context.Context, config *rest.Config) ([]bootstrap.ClientFacts, []byte, error) {
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("make a client of the API server: %w", err)
	}
	made := []any{namespaceOf(Namespace)}
	var clients []bootstrap.ClientFacts
	var missing []error
	for _, c := range x.env.Clients {
		client := bootstrap.ClientFacts{ID: c.ID, Role: c.Role, Secret: SecretName(c.ID)}
		if c.SecretName != "" {
			client.Secret = c.SecretName
		}
		kept, err := keptSecret(ctx, core, Namespace, client.Secret, bootstrap.ClientSecretKey)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("read the secret of client %s: %w", c.ID, err)
		case c.Secret != "":
			made = append(made, clientSecret(c))
		case kept == "" && c.SecretName != "":
			missing = append(missing, fmt.Errorf("%w: client %s: Secret %s/%s has no key %s", ErrNoClientSecret, c.ID, Namespace, c.SecretName, bootstrap.ClientSecretKey))
		case kept == "":
			client.Secret = ""
		}
		clients = append(clients, client)
	}
	manifest, err := encode(made...)
	return clients, manifest, errors.Join(append(missing, err)...)
}

func (x externalIdentity) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	config, err := kube(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	facts, manifest, err := x.prepare(ctx, facts, config)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	differences, err := ownerOf(facts).CompareManifests(ctx, config, manifest, Namespace)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if detail, err := firstToWrite(differences); err != nil || detail != "" {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: detail, Facts: facts}, err
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: x.detail(facts), Facts: facts}, nil
}

func (externalIdentity) detail(facts bootstrap.Facts) string {
	return fmt.Sprintf("%s, %d clients", facts.Identity.IssuerURL, len(facts.Identity.Clients))
}

func (x externalIdentity) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	facts, manifest, err := x.prepare(ctx, facts, config)
	if err != nil {
		return facts, err
	}
	result, err := ownerOf(facts).ApplyManifests(ctx, config, manifest, Namespace)
	if err != nil {
		return facts, fmt.Errorf("apply the clients' Secrets: %w", err)
	}
	for _, kept := range result.Kept {
		report.Warn("%s was changed by hand and is left as it is", kept)
	}
	report.Note("%s", x.detail(facts))
	return facts, nil
}

// Remove deletes the clients' Secrets and the namespace. The provider stays as it is.
func (x externalIdentity) Remove(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) error {
	return x.own.Remove(ctx, facts, report)
}
