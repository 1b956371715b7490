package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/bootstrap/release"
	"github.com/aip-dev/aip-dev/manifests"
)

// NoImageError says that no image of the gateway was named and that the cluster is not known to have one.
type NoImageError struct{ Default string }

// Error names the image that was looked for.
func (e *NoImageError) Error() string {
	return fmt.Sprintf("no image of the gateway is named, and no node says that it holds %s", e.Default)
}

// Preview is what `up` would do to a cluster that somebody else made. Objects are named by kind, namespace and name.
type Preview struct {
	Context, Server, Version string
	// Creates and Changes are the objects that would be written.
	Creates, Changes []string
	// Uses belong to others and would be used as they are.
	Uses []string
	// Audience explains where the provider takes aud from, "" when the environment's own is used.
	Audience string
}

// Nothing reports whether the cluster would stay as it is.
func (p *Preview) Nothing() bool { return len(p.Creates)+len(p.Changes) == 0 }

// Look says what `up` would do in the cluster that e names, and refuses what cannot work: missing rights, and things of
// others in the way. All that it finds is reported at once. It writes the copy of the context into the state folder and
// nothing else.
func Look(ctx context.Context, e bootstrap.Environment, d Deps, facts bootstrap.Facts) (Preview, bootstrap.Facts, error) {
	x := existingCluster{env: e, deps: d}
	seen, err := x.Observe(ctx, facts)
	if err == nil && seen.State != bootstrap.Ready {
		seen.Facts, err = x.Apply(ctx, seen.Facts, silent{})
	}
	if err != nil {
		return Preview{}, facts, err
	}
	preview, err := existingPreflight{env: e, deps: d}.look(ctx, seen.Facts)
	return preview, seen.Facts, err
}

// silent drops what a step says.
type silent struct{}

func (silent) Note(string, ...any) {}
func (silent) Warn(string, ...any) {}
func (silent) Output(string)       {}

// existingPreflight looks whether everything may be made and nothing of others is in the way. It makes nothing.
type existingPreflight struct {
	env  bootstrap.Environment
	deps Deps
}

func (existingPreflight) Name() string { return "preflight" }

func (p existingPreflight) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	if _, err := p.look(ctx, facts); err != nil {
		return bootstrap.Observation{}, err
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: "everything may be made, nothing is in the way", Facts: facts}, nil
}

// Apply has nothing to do: what is missing is an error.
func (existingPreflight) Apply(_ context.Context, facts bootstrap.Facts, _ bootstrap.Reporter) (bootstrap.Facts, error) {
	return facts, nil
}

// look compares the cluster with what is wanted.
func (p existingPreflight) look(ctx context.Context, facts bootstrap.Facts) (Preview, error) {
	preview := Preview{Context: facts.Cluster.Context, Server: facts.Cluster.Server, Version: facts.Cluster.Version}
	if p.env.External() {
		preview.Audience = p.env.Identity.Known().Audience
	}
	config, err := kube(facts)
	if err != nil {
		return preview, err
	}
	has, spaces, err := p.inventory(ctx, config, facts, &preview)
	if err != nil {
		return preview, err
	}
	// Without the rights, looking further would fail by itself.
	if err := mustBeAllowed(ctx, config, needed(p.env, has)); err != nil {
		return preview, errors.Join(err, spaces)
	}
	faults := []error{spaces, p.image(ctx, config)}
	for _, look := range []func(context.Context, *rest.Config, bootstrap.Facts, *Preview) ([]error, error){
		p.definitions, p.identity, p.chart, p.policies,
	} {
		found, err := look(ctx, config, facts, &preview)
		if err != nil {
			return preview, err
		}
		faults = append(faults, found...)
	}
	return preview, errors.Join(faults...)
}

// inventory looks at the namespaces and definitions. spaces is an error about a namespace in the way.
func (p existingPreflight) inventory(ctx context.Context, config *rest.Config, facts bootstrap.Facts, preview *Preview) (has inventory, spaces, err error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return has, nil, fmt.Errorf("make a client of the API server: %w", err)
	}
	names := []string{Namespace}
	if !p.env.External() {
		names = append(names, IdentityNamespace)
	}
	has.namespaces = true
	var faults []error
	for _, name := range names {
		space, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err): // the rights are asked for next
			has.namespaces = false
		case err != nil:
			return has, nil, fmt.Errorf("%w: read namespace %s: %w", ErrAPIServer, name, err)
		case space.DeletionTimestamp != nil:
			faults = append(faults, fmt.Errorf("%w: namespace %s", ErrEnding, name))
		case ownerOf(facts).Owns(space.Labels):
			has.namespaces = false // it may have to be marked or taken away
		case name == IdentityNamespace:
			faults = append(faults, inTheWay(space))
		default:
			preview.Uses = append(preview.Uses, "Namespace "+name)
		}
	}
	has.definitions, err = p.allTheirs(ctx, config, facts, preview)
	if err != nil {
		return has, nil, err
	}
	return has, errors.Join(faults...), nil
}

// allTheirs looks at the definitions of our kinds, and tells whether all are there and none is ours.
func (p existingPreflight) allTheirs(ctx context.Context, config *rest.Config, facts bootstrap.Facts, preview *Preview) (bool, error) {
	foreign, ours := 0, 0
	for _, resource := range manifests.Kinds() {
		name := resource + ".governance.aip.io"
		labels, there, err := p.labelsOf(ctx, config, name)
		switch {
		case err != nil:
			return false, err
		case there && ownerOf(facts).Owns(labels):
			ours++
		case there:
			foreign++
			preview.Uses = append(preview.Uses, "CustomResourceDefinition "+name)
		}
	}
	return foreign == len(manifests.Kinds()) && ours == 0, nil
}

// ErrEnding says that something of an earlier environment is being deleted.
var ErrEnding = errors.New("it is being deleted")

func inTheWay(space *corev1.Namespace) error {
	e := &objects.ForeignError{Object: "Namespace " + space.Name}
	if space.Labels[objects.LabelManagedBy] == objects.FieldManager {
		e.Of = space.Labels[objects.LabelEnvironment]
	}
	return e
}

// labelsOf returns the labels of a definition; one that may not be read counts as absent, and the rights tell.
func (existingPreflight) labelsOf(ctx context.Context, config *rest.Config, name string) (map[string]string, bool, error) {
	in, err := dynamicOf(definitions().Resource)(config)
	if err != nil {
		return nil, false, err
	}
	found, err := in.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("%w: read definition %s: %w", ErrAPIServer, name, err)
	}
	return found.GetLabels(), true, nil
}

// sort puts differences where they belong and returns those that are in the way.
func (p *Preview) sort(differences []objects.Difference) []error {
	var faults []error
	for _, d := range differences {
		switch {
		case d.Foreign != nil:
			faults = append(faults, d.Foreign)
		case d.Kept:
		case d.Absent:
			p.creates(d.Object)
		default:
			p.Changes = append(p.Changes, d.Object)
		}
	}
	return faults
}

func (p *Preview) creates(object string) {
	if !slices.Contains(p.Creates, object) {
		p.Creates = append(p.Creates, object)
	}
}

func (existingPreflight) definitions(ctx context.Context, config *rest.Config, facts bootstrap.Facts, preview *Preview) ([]error, error) {
	differences, err := ownerOf(facts).CompareCRDs(ctx, config, manifests.CRDs())
	return preview.sort(differences), err
}

func (p existingPreflight) identity(ctx context.Context, config *rest.Config, facts bootstrap.Facts, preview *Preview) ([]error, error) {
	var manifest []byte
	var err error
	if p.env.External() {
		_, manifest, err = externalIdentity{env: p.env, deps: p.deps}.prepare(ctx, facts, config)
	} else {
		i := identity{env: p.env, deps: p.deps}
		if err = i.recall(ctx, config, facts); err == nil {
			manifest, err = i.manifest(facts)
		}
	}
	if err != nil {
		return nil, err
	}
	differences, err := ownerOf(facts).CompareManifests(ctx, config, manifest, IdentityNamespace)
	return preview.sort(differences), err
}

// chart compares the release; before it is there, what it would make must not be there either.
func (p existingPreflight) chart(ctx context.Context, config *rest.Config, facts bootstrap.Facts, preview *Preview) ([]error, error) {
	g := gateway{env: p.env, deps: p.deps}
	facts.Identity.External, facts.Identity.IssuerURL = p.env.External(), p.env.Identity.IssuerURL
	if !p.env.External() {
		facts = g.issuerOf(facts)
	}
	m, err := g.manager(facts, func(string, ...any) {})
	if err != nil {
		return nil, err
	}
	spec := g.spec(facts)
	state, err := m.Observe(ctx, Release, spec)
	if err != nil {
		return nil, err
	}
	switch foreign := notOurs(facts, state); {
	case foreign != nil:
		return []error{foreign}, nil //nolint:nilerr // it is a fault of what is there, not of the look
	case state.Phase == release.Ready:
		return nil, nil
	case state.Phase == release.Differs:
		preview.Changes = append(preview.Changes, fmt.Sprintf("Helm release %s/%s: %s", Namespace, Release, state.Detail))
		return nil, nil
	}
	manifest, err := release.Render(ctx, Release, Namespace, facts.Cluster.Version, spec)
	if err != nil {
		return nil, err
	}
	preview.creates(fmt.Sprintf("Helm release %s/%s", Namespace, Release))
	differences, err := ownerOf(facts).CompareManifests(ctx, config, manifest, Namespace)
	return preview.sort(differences), err
}

// issuerOf is what the identity step will learn.
func (g gateway) issuerOf(facts bootstrap.Facts) bootstrap.Facts {
	return identity{env: g.env, deps: g.deps}.learn(facts)
}

func (p existingPreflight) policies(ctx context.Context, config *rest.Config, facts bootstrap.Facts, preview *Preview) ([]error, error) {
	if !p.env.SamplePolicies {
		return nil, nil
	}
	manifest, err := samples()
	if err != nil {
		return nil, err
	}
	differences, err := ownerOf(facts).CompareManifests(ctx, config, manifest, policyNamespace)
	for i := range differences {
		if differences[i].Foreign != nil {
			preview.Uses = append(preview.Uses, differences[i].Object)
			differences[i] = objects.Difference{Kept: true}
		}
	}
	return preview.sort(differences), err
}

// image refuses to go on without an image that the nodes can have.
func (p existingPreflight) image(ctx context.Context, config *rest.Config) error {
	if p.env.Images.Gateway != "" {
		return nil
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	wanted := gatewayRepository + ":" + manifests.ChartVersion()
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(nodes.Items) == 0 {
		return &NoImageError{Default: wanted} // who may not see the nodes has to name an image
	}
	for i := range nodes.Items {
		holds := slices.ContainsFunc(nodes.Items[i].Status.Images, func(image corev1.ContainerImage) bool {
			return slices.ContainsFunc(image.Names, func(name string) bool { return strings.TrimPrefix(name, "docker.io/") == wanted })
		})
		if !holds {
			return &NoImageError{Default: wanted}
		}
	}
	return nil
}
