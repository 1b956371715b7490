package steps

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
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

// The Secret of the administrator's password in a cluster that others use as well.
const (
	adminSecret    = "keycloak-admin" // a name, no credential
	adminSecretKey = "password"
)

// SecretName returns the name of the Kubernetes Secret of a client. What an external provider calls a client may be no
// name for Kubernetes; then a digest stands for it.
func SecretName(client string) string {
	name := "oidc-client-" + client
	if len(validation.IsDNS1123Subdomain(name)) == 0 {
		return name
	}
	sum := sha256.Sum256([]byte(client))
	return "oidc-client-" + hex.EncodeToString(sum[:8])
}

// clientLabel is on the Secret of a client and holds its id.
const clientLabel = "aip-dev/client"

// identity is the OIDC provider, its realm and clients, and the Secrets that hold the clients' secrets.
type identity struct { //nolint:recvcheck // recall completes the copy that Observe and Apply work on
	env  bootstrap.Environment
	deps Deps
	// password is the administrator's, where it is not the well-known one, and database that of the provider's database,
	// where it has one.
	password, database string
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
	password := i.password
	if password == "" {
		password = adminPassword
	}
	// A connection of its own for each call: one that was kept stays with the pod that it once led to.
	once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return keycloak.New(facts.Identity.Address, adminUser, password, once, i.deps.Now)
}

func (i identity) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	facts = i.learn(facts)
	config, err := kube(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if err := i.recall(ctx, config, facts); err != nil {
		return bootstrap.Observation{}, err
	}
	wanted, err := i.manifest(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	differences, err := ownerOf(facts).CompareManifests(ctx, config, wanted, IdentityNamespace)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if detail, err := firstToWrite(differences); err != nil || detail != "" {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: detail, Facts: facts}, err
	}
	if _, ok, err := rolledOut(ctx, config, IdentityNamespace, IdentityName); err != nil || !ok {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "the provider is not available", Facts: facts}, err
	}
	diff, err := i.admin(facts).Observe(ctx, i.realm(facts))
	switch {
	case errors.Is(err, keycloak.ErrUnreachable), errors.Is(err, keycloak.ErrNotKeycloak):
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "the provider does not answer", Facts: facts}, nil
	case err != nil:
		return bootstrap.Observation{}, err
	case !diff.Empty():
		return bootstrap.Observation{State: bootstrap.Differs, Detail: diff.String(), Facts: facts}, nil
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: i.summary(), Facts: facts}, nil
}

// firstToWrite returns what the first object says that has to be written, "" when none has. An object of others is an error.
func firstToWrite(differences []objects.Difference) (string, error) {
	for _, d := range differences {
		if d.Foreign != nil {
			return "", d.Foreign
		}
		if !d.Kept {
			return d.String(), nil
		}
	}
	return "", nil
}

func (i identity) summary() string {
	return fmt.Sprintf("realm %s, %d clients", i.env.Realm, len(i.env.Clients))
}

func (i identity) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	if err := i.recall(ctx, config, facts); err != nil {
		return facts, err
	}
	wanted, err := i.manifest(facts)
	if err != nil {
		return facts, err
	}
	report.Note("provider: applying its manifest")
	result, err := ownerOf(facts).ApplyManifests(ctx, config, wanted, IdentityNamespace)
	if err != nil {
		return facts, fmt.Errorf("apply the identity provider: %w", err)
	}
	for _, kept := range result.Kept {
		report.Warn("%s was changed by hand and is left as it is", kept)
	}
	if err := i.deps.waitRollout(ctx, config, IdentityNamespace, IdentityName, report); err != nil {
		return facts, err
	}
	err = i.deps.onceReached(ctx, facts.Identity.Address, is(keycloak.ErrUnreachable, keycloak.ErrNotKeycloak), report, func() error {
		_, err := i.admin(facts).Apply(ctx, i.realm(facts), func(text string) { report.Note("%s", text) })
		return err
	})
	if err != nil {
		return facts, fmt.Errorf("configure realm %s at %s: %w", i.env.Realm, facts.Identity.Address, err)
	}
	report.Note("%s", i.summary())
	return facts, nil
}

// recall fills in the secrets that are not described: those that Kubernetes keeps, else random ones.
func (i *identity) recall(ctx context.Context, config *rest.Config, facts bootstrap.Facts) (err error) {
	if i.env.Clients, err = withSecrets(ctx, config, i.env.Clients); err != nil {
		return err
	}
	if facts.Cluster.Kind == bootstrap.ClusterExisting {
		if i.password, err = keptOrRandom(ctx, config, IdentityNamespace, adminSecret, adminSecretKey); err != nil {
			return err
		}
	}
	if i.env.Keycloak.Database == bootstrap.DatabasePostgres {
		i.database, err = keptOrRandom(ctx, config, IdentityNamespace, databaseSecret, databaseSecretKey)
	}
	return err
}

// manifest is the provider as the place needs it, and the clients' Secrets.
func (i identity) manifest(facts bootstrap.Facts) ([]byte, error) {
	provider, err := provider(facts.Cluster, i.env.Keycloak)
	if err != nil {
		return nil, err
	}
	var made []any
	if facts.Cluster.Kind == bootstrap.ClusterExisting {
		made = append(made, namespaceOf(IdentityNamespace), secretOf(IdentityNamespace, adminSecret, adminSecretKey, i.password))
	}
	if i.database != "" {
		made = append(made, namespaceOf(IdentityNamespace), secretOf(IdentityNamespace, databaseSecret, databaseSecretKey, i.database))
	}
	first, err := encode(made...)
	if err != nil {
		return nil, err
	}
	made = []any{namespaceOf(Namespace)}
	for _, c := range i.env.Clients {
		made = append(made, clientSecret(c))
	}
	last, err := encode(made...)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{first, provider, last}, []byte("\n---\n")), nil
}

// clientSecret is the Secret that holds a client's secret.
func clientSecret(c bootstrap.Client) corev1.Secret {
	secret := secretOf(Namespace, SecretName(c.ID), bootstrap.ClientSecretKey, c.Secret)
	secret.Labels = map[string]string{objects.LabelManagedBy: "aip-dev"}
	if len(validation.IsValidLabelValue(c.ID)) == 0 {
		secret.Labels[clientLabel] = c.ID
	}
	return secret
}

func namespaceOf(name string) corev1.Namespace {
	return corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func secretOf(namespace, name, key, value string) corev1.Secret {
	return corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Data:       map[string][]byte{key: []byte(value)},
	}
}

// encode returns objects as YAML documents.
func encode(objects ...any) ([]byte, error) {
	var documents [][]byte
	for _, object := range objects {
		document, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("encode a manifest: %w", err)
		}
		documents = append(documents, document)
	}
	return bytes.Join(documents, []byte("\n---\n")), nil
}
