package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// registrationNamespace is where the AgentRegistrations of an environment's agents live: where agents ask for theirs.
const registrationNamespace = "default"

// registrationName returns the name of the AgentRegistration of a client.
func registrationName(client string) string {
	return "agent-" + strings.TrimPrefix(SecretName(client), "oidc-client-")
}

// registration is the AgentRegistration of an agent, where the gateway refuses agents without one.
type registration struct {
	env  bootstrap.Environment
	deps Deps
	id   string
}

// needed reports whether the client is an agent and the chart's values say strict.
func (r registration) needed(ctx context.Context, facts bootstrap.Facts) (bool, error) {
	client, _ := r.env.Find(r.id)
	if client.Role != bootstrap.RoleAgent {
		return false, nil
	}
	state, err := gateway{deps: r.deps}.given(ctx, facts)
	return slices.Contains(state.Names("gateway", "unregisteredAgentPolicy"), "strict"), err
}

// manifest returns the registration: the tokens of the environment's issuer that are the client's act as the agent of its name.
func (r registration) manifest(facts bootstrap.Facts) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion": "governance.aip.io/v1alpha1", "kind": "AgentRegistration",
		"metadata": map[string]any{"name": registrationName(r.id), "namespace": registrationNamespace},
		"spec":     map[string]any{"agentIdentity": r.id, "oidc": map[string]any{"issuer": facts.Identity.IssuerURL}},
	})
}

func (registration) Name() string { return "registration" }

func (r registration) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	seen := bootstrap.Observation{State: bootstrap.Ready, Detail: "the gateway asks for none", Facts: facts}
	needed, err := r.needed(ctx, facts)
	if err != nil || !needed {
		return seen, err
	}
	config, err := kube(facts)
	if err != nil {
		return seen, err
	}
	manifest, err := r.manifest(facts)
	if err != nil {
		return seen, fmt.Errorf("write the registration of %s: %w", r.id, err)
	}
	seen.Detail = r.name()
	differences, err := ownerOf(facts).CompareManifests(ctx, config, manifest, registrationNamespace)
	for _, d := range differences {
		if !d.Kept && d.Foreign == nil {
			seen.State, seen.Detail = bootstrap.Differs, d.String()
			break
		}
	}
	return seen, err
}

func (r registration) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	manifest, err := r.manifest(facts)
	if err != nil {
		return facts, fmt.Errorf("write the registration of %s: %w", r.id, err)
	}
	if _, err := ownerOf(facts).ApplyManifests(ctx, config, manifest, registrationNamespace); err != nil {
		return facts, fmt.Errorf("register agent %s: %w", r.id, err)
	}
	report.Note("%s", r.name())
	return facts, nil
}

// name returns the registration as people name it.
func (r registration) name() string {
	return "AgentRegistration " + registrationNamespace + "/" + registrationName(r.id)
}

// remove takes the registration of a client away, if there is one that was made for it.
func (r registration) remove(ctx context.Context, facts bootstrap.Facts) error {
	config, err := kube(facts)
	if err != nil {
		return err
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	in := client.Resource(schema.GroupVersionResource{Group: "governance.aip.io", Version: "v1alpha1", Resource: "agentregistrations"}).Namespace(registrationNamespace)
	if err := in.Delete(ctx, registrationName(r.id), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the registration of %s: %w", r.id, err)
	}
	return nil
}
