package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
)

// sharedOptions are the flags of up for a cluster that is there already.
type sharedOptions struct {
	existing bootstrap.Existing
	provider bootstrap.Provider
	audience string
	secrets  []string
	yes      bool
}

func (o *sharedOptions) bind(f *pflag.FlagSet) {
	f.StringVar(&o.existing.Context, "context", "", "existing: context of the kubeconfig that leads to the cluster")
	f.StringVar(&o.existing.Kubeconfig, "kubeconfig", "", "existing: file that holds the context (default: those of $KUBECONFIG, else ~/.kube/config)")
	f.IntVar(&o.existing.Replicas, "replicas", 0, "existing: how many gateways serve (default: 1)")
	f.StringVar(&o.existing.GatewayURL, "gateway-url", "", "existing: where the cluster lets the gateway be reached (default: a port of this machine)")
	f.StringVar(&o.provider.IssuerURL, "issuer-url", "", "existing: issuer of an OIDC provider that is there already, instead of a Keycloak")
	f.StringVar(&o.provider.Preset, "oidc-preset", "", "existing: kind of that provider: "+strings.Join(bootstrap.PresetNames(), ", "))
	f.StringVar(&o.provider.Claim, "oidc-claim", "", "existing: claim that tells who calls (default: that of --oidc-preset, else azp)")
	f.StringVar(&o.provider.Scope, "oidc-scope", "", "existing: scope to ask that provider's tokens for")
	f.StringVar(&o.audience, "oidc-audience", "", "aud claim that the gateway asks for (default: aip-gateway)")
	f.StringArrayVar(&o.secrets, "client-secret-file", nil, "existing: `CLIENT=FILE` with the secret of a client of that provider; - reads the standard input")
	f.BoolVarP(&o.yes, "yes", "y", false, "existing: agree to what would be made in the cluster")
}

// set sets the fields of e whose flags were given.
func (o *sharedOptions) set(e *bootstrap.Environment, changed func(string) bool) error {
	for flag, field := range map[string]struct {
		to    *string
		value string
	}{
		"context": {&e.Existing.Context, o.existing.Context}, "kubeconfig": {&e.Existing.Kubeconfig, o.existing.Kubeconfig},
		"gateway-url": {&e.Existing.GatewayURL, o.existing.GatewayURL}, "issuer-url": {&e.Identity.IssuerURL, o.provider.IssuerURL},
		"oidc-preset": {&e.Identity.Preset, o.provider.Preset}, "oidc-claim": {&e.Identity.Claim, o.provider.Claim},
		"oidc-scope": {&e.Identity.Scope, o.provider.Scope}, "oidc-audience": {&e.Audience, o.audience},
	} {
		if changed(flag) {
			*field.to = field.value
		}
	}
	if changed("replicas") {
		if o.existing.Replicas < 1 {
			return failure.New(failure.Usage, nil, "--replicas is %d, expected 1 or more", o.existing.Replicas)
		}
		e.Existing.Replicas = o.existing.Replicas
	}
	if e.Cluster != bootstrap.ClusterExisting {
		return nil
	}
	if path := e.Existing.Kubeconfig; path != "" {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return failure.Wrap(err, failure.Usage, nil, "--kubeconfig")
		}
		e.Existing.Kubeconfig = absolute // the next command may be typed in another folder
	}
	return nil
}

// tellSecrets reads the client secrets that are in files. The description keeps none of them, nor the files' names.
func (a *app) tellSecrets(e *bootstrap.Environment, o sharedOptions) error {
	files := map[string]string{}
	for _, text := range o.secrets {
		id, file, ok := strings.Cut(text, "=")
		if !ok || file == "" || !slices.ContainsFunc(e.Clients, func(c bootstrap.Client) bool { return c.ID == id }) {
			return failure.New(failure.Usage, nil, "--client-secret-file is %q, expected CLIENT=FILE with a client of the environment", text)
		}
		files[id] = file
	}
	e.Clients = slices.Clone(e.Clients)
	for i := range e.Clients {
		c := &e.Clients[i]
		file := files[c.ID]
		if file == "" {
			file = c.SecretFile
		}
		c.SecretFile = ""
		if file == "" {
			continue
		}
		secret, err := a.readSecret(file)
		if err != nil {
			return failure.Wrap(err, failure.Usage, nil, "the secret of client %s", c.ID)
		}
		c.Secret, c.SecretName = secret, ""
	}
	return nil
}

// kubeconfigs returns the user's kubeconfig files as kubectl finds them.
// Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
func (a *app) kubeconfigs() []string {
	if list := a.getenv("KUBECONFIG"); list != "" {
		return slices.DeleteFunc(filepath.SplitList(list), func(file string) bool { return file == "" })
	}
	return []string{filepath.Join(a.getenv("HOME"), ".kube", "config")}
}

// fresh reports whether a state folder holds no environment yet.
func fresh(path string) bool {
	_, err := os.Stat(filepath.Join(path, "facts.json"))
	return errors.Is(err, fs.ErrNotExist)
}
