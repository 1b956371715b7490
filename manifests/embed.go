// Package manifests holds what an environment installs, as files inside the program: the Helm chart with its
// CustomResourceDefinitions, the Keycloak manifest and the sample policies. Bootstrap steps read them; people use the
// same files with ordinary helm and kubectl.
package manifests

import (
	"embed"
	"io/fs"
	"strings"
)

// The prefix all: is needed because go:embed leaves out names that start with _ or a dot, such as _helpers.tpl.
//
//go:embed all:charts/aip-k8s policies keycloak-dev.yaml keycloak-postgres.yaml
var files embed.FS

// Chart returns the chart aip-k8s with Chart.yaml at its root. The CustomResourceDefinitions lie in its folder crds,
// where ordinary `helm install` finds them; nowhere else is a copy.
func Chart() fs.FS { return sub("charts/aip-k8s") }

// CRDs returns one YAML file per CustomResourceDefinition, generated from api/v1alpha1.
func CRDs() fs.FS { return sub("charts/aip-k8s/crds") }

// Kinds returns the plural names of the kinds that CRDs define, in the order of the alphabet, such as agentrequests. The files
// are named GROUP_PLURAL.yaml.
func Kinds() []string {
	files, _ := fs.ReadDir(CRDs(), ".") // cannot fail: the compiler checked that the folder is there
	names := make([]string, 0, len(files))
	for _, file := range files {
		_, plural, _ := strings.Cut(strings.TrimSuffix(file.Name(), ".yaml"), "_")
		names = append(names, plural)
	}
	return names
}

// Policies returns one YAML file per sample SafetyPolicy.
func Policies() fs.FS { return sub("policies") }

// Keycloak returns the manifest of a development Keycloak: Namespace, Deployment and Service, all named keycloak.
// It is the file that the guide applies as test/fixtures/keycloak-dev.yaml.
func Keycloak() []byte {
	b, _ := files.ReadFile("keycloak-dev.yaml") // cannot fail: the compiler checked that the file is there
	return b
}

// Postgres returns the manifest of a database for Keycloak: StatefulSet and Service, both named keycloak-postgres. It takes the
// password from the Secret keycloak-database, key password, all in namespace keycloak.
func Postgres() []byte {
	b, _ := files.ReadFile("keycloak-postgres.yaml") // cannot fail: the compiler checked that the file is there
	return b
}

// KeycloakImage returns the reference of the image in the manifest of Keycloak.
func KeycloakImage() string { return imageOf(Keycloak()) }

// PostgresImage returns the reference of the image in the manifest of Postgres.
func PostgresImage() string { return imageOf(Postgres()) }

func imageOf(manifest []byte) string {
	for line := range strings.Lines(string(manifest)) {
		if reference, found := strings.CutPrefix(strings.TrimSpace(line), "image: "); found {
			return reference
		}
	}
	return "" // a test holds that the manifest names one
}

// ChartVersion returns the appVersion of the chart, which is the tag of the gateway's image unless values say otherwise.
func ChartVersion() string { return strings.Trim(chartField("appVersion"), `"`) }

// OldestKubernetes returns the oldest version of Kubernetes that the chart supports, such as 1.30.0.
func OldestKubernetes() string {
	version, _, _ := strings.Cut(strings.Trim(chartField("kubeVersion"), `">=`), "-")
	return version
}

// chartField returns what Chart.yaml says of a field at its root.
func chartField(name string) string {
	data, _ := fs.ReadFile(Chart(), "Chart.yaml") // cannot fail: the compiler checked that the folder is there
	for line := range strings.Lines(string(data)) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return "" // a test holds that the chart says it
}

// sub cannot fail: fs.Sub refuses invalid paths only, and its callers pass constants.
func sub(dir string) fs.FS {
	f, _ := fs.Sub(files, dir)
	return f
}
