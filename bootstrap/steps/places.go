package steps

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/manifests"
)

// inClusterIssuer is the provider's address for pods, and the one that the guide gives to the gateway.
const inClusterIssuer = "http://keycloak.keycloak.svc.cluster.local:8080"

// issuerBase is what the issuer in tokens begins with. Pods of a real cluster reach the provider by its Service's name
// alone; an embedded one has no pods that resolve names, so there it is the address on this machine (docs/adr/0003).
func issuerBase(c bootstrap.ClusterFacts) string {
	if c.Kind == bootstrap.ClusterEmbedded {
		return issuerAddress(c)
	}
	return inClusterIssuer
}

// issuerAddress is where this machine reaches the provider.
func issuerAddress(c bootstrap.ClusterFacts) string {
	return fmt.Sprintf("http://localhost:%d", c.IssuerPort)
}

// provider returns the provider's manifest as the place needs it: in an embedded cluster its host name is pinned, in a
// kind cluster a port of the node leads to it, and in a cluster that others use its password is no well-known one. In
// containers its data outlives its container.
func provider(c bootstrap.ClusterFacts, k bootstrap.Keycloak) ([]byte, error) {
	var placed []byte
	var err error
	switch c.Kind {
	case bootstrap.ClusterKind:
		placed, err = edit(manifests.Keycloak(), "Service", func(service map[string]any) error { return openPort(service, issuerNodePort) })
	case bootstrap.ClusterExisting:
		placed, err = edit(manifests.Keycloak(), "Deployment", hidePassword)
	default:
		return pinHostname(manifests.Keycloak(), issuerBase(c))
	}
	if err != nil {
		return nil, err
	}
	if k.Database == bootstrap.DatabasePostgres {
		return inProduction(placed)
	}
	return keepData(placed)
}

// The Secret of the password of the provider's database.
const (
	databaseSecret    = "keycloak-database" //nolint:gosec // a name, no credential
	databaseSecretKey = "password"
)

// databaseURL leads to the database of package manifests.
const databaseURL = "jdbc:postgresql://keycloak-postgres:5432/keycloak"

// inProduction runs the provider in production mode, with a database that outlives its pods. TLS ends outside of the cluster,
// and the realm pins its own host name. Source: https://www.keycloak.org/server/configuration-production
func inProduction(manifest []byte) ([]byte, error) {
	provider, err := edit(manifest, "Deployment", func(deployment map[string]any) error {
		waits := []any{map[string]any{
			"name": "wait-for-database", "image": manifests.PostgresImage(), "imagePullPolicy": "IfNotPresent",
			"command": []any{"sh", "-c", "until pg_isready -q -h keycloak-postgres -U keycloak; do sleep 1; done"},
			"securityContext": map[string]any{
				"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}},
			},
		}}
		if err := unstructured.SetNestedSlice(deployment, waits, "spec", "template", "spec", "initContainers"); err != nil {
			return fmt.Errorf("let the provider wait for its database: %w", err)
		}
		return editContainer(deployment, func(container map[string]any) {
			container["args"] = []any{"start"}
			env, _ := container["env"].([]any)
			for _, v := range [][2]string{
				{"KC_DB", "postgres"}, {"KC_DB_URL", databaseURL}, {"KC_DB_USERNAME", "keycloak"},
				{"KC_HTTP_ENABLED", "true"}, {"KC_HOSTNAME_STRICT", "false"},
			} {
				env = append(env, map[string]any{"name": v[0], "value": v[1]})
			}
			container["env"] = append(env, map[string]any{"name": "KC_DB_PASSWORD", "valueFrom": map[string]any{
				"secretKeyRef": map[string]any{"name": databaseSecret, "key": databaseSecretKey},
			}})
		})
	})
	return append(append(provider, "\n---\n"...), manifests.Postgres()...), err
}

// providerData is where Keycloak keeps its database in development mode.
const providerData = "/opt/keycloak/data"

// keepData puts the provider's data into a volume of its pod, so that a restart of the container engine, which starts
// every container anew, does not lose the realm. With the pod it still goes.
func keepData(manifest []byte) ([]byte, error) {
	return edit(manifest, "Deployment", func(deployment map[string]any) error {
		err := editContainer(deployment, func(container map[string]any) {
			mounts, _ := container["volumeMounts"].([]any)
			container["volumeMounts"] = append(mounts, map[string]any{"name": "data", "mountPath": providerData})
		})
		if err != nil {
			return err
		}
		volumes := []any{map[string]any{"name": "data", "emptyDir": map[string]any{}}}
		return unstructured.SetNestedSlice(deployment, volumes, "spec", "template", "spec", "volumes")
	})
}

// openPort makes a port of every node lead to the first port of a Service.
func openPort(service map[string]any, port int64) error {
	ports, found, err := unstructured.NestedSlice(service, "spec", "ports")
	if err != nil {
		return fmt.Errorf("read the ports of the provider's Service: %w", err)
	}
	first, ok := map[string]any(nil), found && len(ports) > 0
	if ok {
		first, ok = ports[0].(map[string]any)
	}
	if !ok {
		return errors.New("the provider's Service has no ports")
	}
	first["nodePort"] = port
	if err := unstructured.SetNestedSlice(service, ports, "spec", "ports"); err != nil {
		return fmt.Errorf("open a port of the provider's Service: %w", err)
	}
	return unstructured.SetNestedField(service, "NodePort", "spec", "type")
}

// pinHostname adds KC_HOSTNAME to the provider's Deployment, so that tokens carry one issuer by whatever name they
// were asked for. Source: https://www.keycloak.org/server/hostname
func pinHostname(manifest []byte, address string) ([]byte, error) {
	return edit(manifest, "Deployment", func(deployment map[string]any) error {
		return editContainer(deployment, func(container map[string]any) {
			env, _ := container["env"].([]any)
			container["env"] = append(env, map[string]any{"name": "KC_HOSTNAME", "value": address})
		})
	})
}

// hidePassword makes the provider take its administrator's password from a Secret.
func hidePassword(deployment map[string]any) error {
	return editContainer(deployment, func(container map[string]any) {
		env, _ := container["env"].([]any)
		for _, v := range env {
			variable, ok := v.(map[string]any)
			if name, _ := variable["name"].(string); !ok || !strings.HasSuffix(name, "_PASSWORD") {
				continue
			}
			delete(variable, "value")
			variable["valueFrom"] = map[string]any{"secretKeyRef": map[string]any{"name": adminSecret, "key": adminSecretKey}}
		}
	})
}

// editContainer changes the first container of the provider's Deployment.
func editContainer(deployment map[string]any, change func(container map[string]any)) error {
	path := []string{"spec", "template", "spec", "containers"}
	containers, found, err := unstructured.NestedSlice(deployment, path...)
	if err != nil {
		return fmt.Errorf("read the containers of the provider's Deployment: %w", err)
	}
	if !found || len(containers) == 0 {
		return errors.New("the provider's Deployment has no containers")
	}
	container, ok := containers[0].(map[string]any)
	if !ok {
		return errors.New("the first container of the provider's Deployment is not an object")
	}
	change(container)
	if err := unstructured.SetNestedSlice(deployment, containers, path...); err != nil {
		return fmt.Errorf("change the provider's Deployment: %w", err)
	}
	return nil
}

// edit changes the objects of one kind in a manifest and leaves the others as they are written.
func edit(manifest []byte, kind string, change func(object map[string]any) error) ([]byte, error) {
	const separator = "\n---\n"
	var out []string
	for document := range strings.SplitSeq(string(manifest), separator) {
		var object unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, fmt.Errorf("decode the provider's manifest: %w", err)
		}
		if object.GetKind() == kind {
			if err := change(object.Object); err != nil {
				return nil, err
			}
			changed, err := yaml.Marshal(object.Object)
			if err != nil {
				return nil, fmt.Errorf("encode the provider's manifest: %w", err)
			}
			document = string(changed)
		}
		out = append(out, document)
	}
	return []byte(strings.Join(out, separator)), nil
}
