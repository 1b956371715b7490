package steps

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/bootstrap/objects"
)

// The administrator of the development provider, as the guide names it. It is well known on purpose: the provider
// listens on loopback alone.
const (
	adminUser     = "admin"
	adminPassword = "admin"
)

// SecretName returns the name of the Kubernetes Secret of a client.
func SecretName(client string) string { return "oidc-client-" + client }

// clientLabel is on the Secret of a client and holds its id.
const clientLabel = "aip-dev/client"

// identity is the OIDC provider, its realm and clients, and the Secrets that hold the clients' secrets.
type identity struct {
	env  bootstrap.Environment
	deps Deps
}

func (identity) Name() string { return "identity" }

// learn names where the provider is; ports are known once the cluster is.
func (i identity) learn(facts bootstrap.Facts) bootstrap.Facts {
	facts.Identity = bootstrap.IdentityFacts{
		IssuerURL: issuerBase(facts.Cluster) + "/realms/" + i.env.Realm, Address: issuerAddress(facts.Cluster), Realm: i.env.Realm,
	}
	for _, c := range i.env.Clients {
		facts.Identity.Clients = append(facts.Identity.Clients, bootstrap.ClientFacts{ID: c.ID, Role: c.Role, Secret: SecretName(c.ID)})
	}
	return facts
}

func (i identity) realm(facts bootstrap.Facts) keycloak.Realm {
	realm := keycloak.Realm{Name: i.env.Realm}
	if facts.Cluster.Kind != bootstrap.ClusterEmbedded {
		realm.FrontendURL = issuerBase(facts.Cluster)
	}
	for _, c := range i.env.Clients {
		realm.Clients = append(realm.Clients, keycloak.Client{ID: c.ID, Secret: c.Secret, Audience: i.env.Audience})
	}
	return realm
}

func (i identity) admin(facts bootstrap.Facts) *keycloak.Admin {
	return keycloak.New(facts.Identity.Address, adminUser, adminPassword, nil, i.deps.Now)
}

func (i identity) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	facts = i.learn(facts)
	config, err := kube(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if i.env.Clients, err = withSecrets(ctx, config, i.env.Clients); err != nil {
		return bootstrap.Observation{}, err
	}
	wanted, err := i.manifest(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	differences, err := objects.CompareManifests(ctx, config, wanted, IdentityNamespace)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	for _, d := range differences {
		if !d.Kept {
			return bootstrap.Observation{State: bootstrap.Differs, Detail: d.String(), Facts: facts}, nil
		}
	}
	if _, ok, err := rolledOut(ctx, config, IdentityNamespace, IdentityName); err != nil || !ok {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "the provider is not available", Facts: facts}, err
	}
	diff, err := i.admin(facts).Observe(ctx, i.realm(facts))
	switch {
	case errors.Is(err, keycloak.ErrUnreachable):
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "the provider does not answer", Facts: facts}, nil
	case err != nil:
		return bootstrap.Observation{}, err
	case !diff.Empty():
		return bootstrap.Observation{State: bootstrap.Differs, Detail: diff.String(), Facts: facts}, nil
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: i.summary(), Facts: facts}, nil
}

func (i identity) summary() string {
	return fmt.Sprintf("realm %s, %d clients", i.env.Realm, len(i.env.Clients))
}

func (i identity) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	if i.env.Clients, err = withSecrets(ctx, config, i.env.Clients); err != nil {
		return facts, err
	}
	wanted, err := i.manifest(facts)
	if err != nil {
		return facts, err
	}
	report.Note("provider: applying its manifest")
	result, err := objects.ApplyManifests(ctx, config, wanted, IdentityNamespace)
	if err != nil {
		return facts, fmt.Errorf("apply the identity provider: %w", err)
	}
	for _, kept := range result.Kept {
		report.Warn("%s was changed by hand and is left as it is", kept)
	}
	if err := i.deps.waitRollout(ctx, config, IdentityNamespace, IdentityName, report); err != nil {
		return facts, err
	}
	err = i.deps.onceReached(ctx, facts.Identity.Address, keycloak.ErrUnreachable, report, func() error {
		_, err := i.admin(facts).Apply(ctx, i.realm(facts), func(text string) { report.Note("%s", text) })
		return err
	})
	if err != nil {
		return facts, fmt.Errorf("configure realm %s at %s: %w", i.env.Realm, facts.Identity.Address, err)
	}
	report.Note("%s", i.summary())
	return facts, nil
}

// manifest is the provider with its host name pinned, and the clients' Secrets.
func (i identity) manifest(facts bootstrap.Facts) ([]byte, error) {
	provider, err := provider(facts.Cluster)
	if err != nil {
		return nil, err
	}
	documents := [][]byte{provider}
	add := func(object any) error {
		document, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("encode a manifest: %w", err)
		}
		documents = append(documents, document)
		return nil
	}
	if err := add(corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: Namespace},
	}); err != nil {
		return nil, err
	}
	for _, c := range i.env.Clients {
		if err := add(corev1.Secret{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{
				Name: SecretName(c.ID), Namespace: Namespace,
				Labels: map[string]string{"app.kubernetes.io/managed-by": "aip-dev", clientLabel: c.ID},
			},
			Data: map[string][]byte{bootstrap.ClientSecretKey: []byte(c.Secret)},
		}); err != nil {
			return nil, err
		}
	}
	return bytes.Join(documents, []byte("\n---\n")), nil
}
