package steps

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/testkit"
	"github.com/aip-dev/aip-dev/manifests"
)

// documents splits a manifest into its objects, by kind and name.
func documents(t *testing.T, manifest []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for document := range bytes.SplitSeq(manifest, []byte("\n---\n")) {
		var head metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(document, &head); err != nil {
			t.Fatal(err)
		}
		found[head.Kind+" "+head.Name] = document
	}
	return found
}

func TestPinHostname(t *testing.T) {
	t.Parallel()
	const address = "http://localhost:18090"
	pinned, err := pinHostname(manifests.Keycloak(), address)
	if err != nil {
		t.Fatal(err)
	}
	before, after := documents(t, manifests.Keycloak()), documents(t, pinned)
	if len(before) != len(after) || len(after) < 3 {
		t.Fatalf("%d objects before, %d after", len(before), len(after))
	}
	for name, document := range before {
		if name != "Deployment keycloak" && !bytes.Equal(bytes.TrimSpace(document), bytes.TrimSpace(after[name])) {
			t.Errorf("%s was changed", name)
		}
	}
	var was, is appsv1.Deployment
	if err := yaml.UnmarshalStrict(before["Deployment keycloak"], &was); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(after["Deployment keycloak"], &is); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(was.Spec.Template.Spec.Containers[0].Env), corev1.EnvVar{Name: "KC_HOSTNAME", Value: address})
	if got := is.Spec.Template.Spec.Containers[0].Env; !slices.EqualFunc(got, want, func(a, b corev1.EnvVar) bool { return a.Name == b.Name && a.Value == b.Value }) {
		t.Errorf("environment %v, expected %v", got, want)
	}
}

func TestPinHostnameOfNoManifest(t *testing.T) {
	t.Parallel()
	if pinned, err := pinHostname([]byte("a: ["), "x"); err == nil {
		t.Errorf("got %q, expected an error", pinned)
	}
}

func TestIdentityManifest(t *testing.T) {
	t.Parallel()
	step := identity{env: bootstrap.Default()}
	facts := step.learn(bootstrap.Facts{Cluster: bootstrap.ClusterFacts{Kind: bootstrap.ClusterEmbedded, IssuerPort: 18090}})
	if facts.Identity.IssuerURL != "http://localhost:18090/realms/aip" || facts.Identity.Address != "http://localhost:18090" {
		t.Errorf("learned %+v", facts.Identity)
	}
	manifest, err := step.manifest(facts)
	if err != nil {
		t.Fatal(err)
	}
	objects := documents(t, manifest)
	if _, ok := objects["Namespace "+Namespace]; !ok {
		t.Errorf("no namespace for the Secrets: %d objects", len(objects))
	}
	for i, c := range step.env.Clients {
		if f := facts.Identity.Clients[i]; f.ID != c.ID || f.Role != c.Role || f.Secret != SecretName(c.ID) {
			t.Errorf("facts of %s: %+v", c.ID, f)
		}
		var secret corev1.Secret
		if err := yaml.UnmarshalStrict(objects["Secret "+SecretName(c.ID)], &secret); err != nil {
			t.Fatal(err)
		}
		if secret.Namespace != Namespace || string(secret.Data[bootstrap.ClientSecretKey]) != c.Secret {
			t.Errorf("Secret of %s: %+v", c.ID, secret.ObjectMeta)
		}
	}
	realm := step.realm(facts)
	if realm.Name != "aip" || len(realm.Clients) != 3 || realm.Clients[0].Audience != "aip-gateway" || realm.Clients[1].ID != "aip-reviewer-1" {
		t.Errorf("realm: %d clients of %s", len(realm.Clients), realm.Name)
	}
}

// A client keeps its secret: the one of the description, else the one that Kubernetes holds, else a random one.
func TestWithSecrets(t *testing.T) {
	t.Parallel()
	namespace(t, Namespace)
	secrets := clients(t).CoreV1().Secrets(Namespace)
	_, err := secrets.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: SecretName("kept")}, StringData: map[string]string{bootstrap.ClientSecretKey: "from-kubernetes"},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	asked := []bootstrap.Client{{ID: "said", Secret: "from-description"}, {ID: "kept"}, {ID: "new-1"}, {ID: "new-2"}}
	got, err := withSecrets(t.Context(), testkit.Kube(t), asked)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Secret != "from-description" || got[1].Secret != "from-kubernetes" {
		t.Error("a secret that was known is another one")
	}
	if len(got[2].Secret) < 20 || got[2].Secret == got[3].Secret {
		t.Error("new secrets are short, or the same")
	}
	if asked[1].Secret != "" {
		t.Error("the caller's clients were changed")
	}
}

// Nothing is there: looking says so, and writes nothing.
func TestObserveIdentityBeforeItIsThere(t *testing.T) {
	t.Parallel()
	seen := observed(t, identity{env: bootstrap.Default()}, onServer(t))
	if seen.State != bootstrap.Differs || !strings.HasSuffix(seen.Detail, "is missing") || seen.Facts.Identity.Realm != "aip" {
		t.Errorf("%+v", seen)
	}
	if _, err := clients(t).CoreV1().Namespaces().Get(t.Context(), IdentityNamespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("looking made the namespace %s (%v)", IdentityNamespace, err)
	}
}

// TestInProduction looks at what a Keycloak with a database is made of.
func TestInProduction(t *testing.T) {
	t.Parallel()
	made, err := provider(bootstrap.ClusterFacts{Kind: bootstrap.ClusterKind}, bootstrap.Keycloak{Database: bootstrap.DatabasePostgres})
	if err != nil {
		t.Fatal(err)
	}
	text := string(made)
	for _, want := range []string{"- start\n", "name: KC_DB_PASSWORD", "name: keycloak-database", "kind: StatefulSet", "nodePort: 30090", databaseURL} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, never := range []string{"start-dev", "emptyDir"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in\n%s", never, text)
		}
	}
}

// TestInDevelopment is the default: no database, and data that outlives a container.
func TestInDevelopment(t *testing.T) {
	t.Parallel()
	made, err := provider(bootstrap.ClusterFacts{Kind: bootstrap.ClusterKind}, bootstrap.Keycloak{})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(made); !strings.Contains(text, "emptyDir") || !strings.Contains(text, "start-dev") || strings.Contains(text, "StatefulSet") {
		t.Errorf("found\n%s", text)
	}
}
