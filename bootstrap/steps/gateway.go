package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/bootstrap/release"
	"github.com/aip-dev/aip-dev/manifests"
)

// gateway is the chart, and the gateway available.
type gateway struct {
	env  bootstrap.Environment
	deps Deps
	// in is a client that has to be in the list of its role, out one that must be in none, whatever was done by hand.
	// Empty means nobody.
	in, out string
}

func (gateway) Name() string { return "gateway" }

// spec holds what must be so for the environment to work, and proposes what people change by helm upgrade.
func (g gateway) spec(facts bootstrap.Facts) release.Spec {
	auth := func(values map[string]any) map[string]any {
		return map[string]any{"gateway": map[string]any{"auth": values}}
	}
	// On a developer's machine the same request is sent again and again on purpose.
	proposed := map[string]any{"gateway": map[string]any{"dedupWindow": "0s"}}
	fixed := auth(map[string]any{"oidcIssuerURL": facts.Identity.IssuerURL, "oidcAudience": g.env.Audience})
	values := fixed["gateway"].(map[string]any) //nolint:forcetypeassert // built one line above
	if facts.Images.Gateway != "" {
		values["image"] = image(facts.Images.Gateway)
	}
	if g.env.Existing.GatewayURL == "" { // with an ingress of one's own, who ends TLS is one's own matter
		values["tls"] = map[string]any{"secretName": ""}
	}
	if facts.Cluster.Kind == bootstrap.ClusterKind {
		values["service"] = map[string]any{"type": "NodePort", "nodePort": gatewayNodePort}
	}
	spec := release.Spec{Chart: manifests.Chart(), Defaults: proposed, Values: fixed, Names: g.lists()}
	if facts.Cluster.Kind == bootstrap.ClusterExisting {
		g.inExisting(facts, values)
		spec.Labels = map[string]string{objects.LabelEnvironment: facts.Name}
	}
	return spec
}

// inExisting sets what only an existing cluster has.
func (g gateway) inExisting(facts bootstrap.Facts, values map[string]any) {
	if g.env.Existing.Replicas > 0 {
		values["replicaCount"] = g.env.Existing.Replicas
	}
	if g.env.Images.Gateway != "" {
		values["image"] = image(g.env.Images.Gateway)
	}
	if facts.Identity.External {
		// The preset says the claims of identity and groups. A claim of one's own overrules the former; without one it is empty, so
		// that none that was set for another provider does.
		auth := values["auth"].(map[string]any) //nolint:forcetypeassert // built by spec
		auth["oidcPreset"], auth["oidcIdentityClaim"] = g.env.Identity.Preset, g.env.Identity.Claim
	}
}

// notOurs returns an error when somebody else installed the release.
func notOurs(facts bootstrap.Facts, s release.State) error {
	of := s.Labels[objects.LabelEnvironment]
	if facts.Cluster.Kind != bootstrap.ClusterExisting || s.Phase == release.Absent || of == facts.Name {
		return nil
	}
	return &objects.ForeignError{Object: fmt.Sprintf("Helm release %s in namespace %s", Release, Namespace), Of: of}
}

// lists are those of who has which role. People add to them by helm upgrade, so they are not held to anything.
func (g gateway) lists() []release.Names {
	var lists []release.Names
	for _, role := range bootstrap.Roles() {
		list := release.Names{Path: subjectsPath(role), Proposed: g.env.Subjects(role)}
		if slices.Contains(list.Proposed, g.in) {
			list.In = []string{g.in}
		}
		if g.out != "" {
			list.Out = []string{g.out}
		}
		lists = append(lists, list)
	}
	return lists
}

// subjectsPath leads to the list of a role in the chart's values.
func subjectsPath(role string) []string { return []string{"gateway", "auth", role + "Subjects"} }

// image returns the chart's values for a reference of the form REPOSITORY:TAG.
func image(reference string) map[string]any {
	repository, tag := reference, "latest"
	if colon := strings.LastIndexByte(reference, ':'); colon > strings.LastIndexByte(reference, '/') {
		repository, tag = reference[:colon], reference[colon+1:]
	}
	return map[string]any{"repository": repository, "tag": tag}
}

func (g gateway) manager(facts bootstrap.Facts, log func(string, ...any)) (*release.Manager, error) {
	config, err := kube(facts)
	if err != nil {
		return nil, err
	}
	return release.New(release.Options{Config: config, Namespace: Namespace, Log: log, Now: g.deps.Now})
}

// given returns the values of the chart as they were given.
func (g gateway) given(ctx context.Context, facts bootstrap.Facts) (release.State, error) {
	m, err := g.manager(facts, func(string, ...any) {})
	if err != nil {
		return release.State{}, err
	}
	return m.Given(ctx, Release)
}

func (g gateway) learn(facts bootstrap.Facts, s release.State) bootstrap.Facts {
	facts.Gateway = bootstrap.GatewayFacts{
		URL: fmt.Sprintf("http://localhost:%d", facts.Cluster.GatewayPort), Namespace: Namespace, Release: Release,
		Chart: s.Chart + " " + s.ChartVersion, Audience: g.env.Audience,
	}
	if own := g.env.Existing.GatewayURL; own != "" {
		facts.Gateway.URL = strings.TrimSuffix(own, "/")
	}
	return facts
}

// look compares the chart and its values with what they should be.
func (g gateway) look(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	m, err := g.manager(facts, func(string, ...any) {})
	if err != nil {
		return bootstrap.Observation{}, err
	}
	state, err := m.Observe(ctx, Release, g.spec(facts))
	if err == nil {
		err = notOurs(facts, state)
	}
	if err != nil {
		return bootstrap.Observation{}, err
	}
	facts = g.learn(facts, state)
	if state.Phase != release.Ready {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: state.Detail, Facts: facts}, nil
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: "chart " + facts.Gateway.Chart, Facts: facts}, nil
}

func (g gateway) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	seen, err := g.look(ctx, facts)
	if err != nil || seen.State != bootstrap.Ready {
		return seen, err
	}
	config, err := kube(facts)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	_, ok, err := rolledOut(ctx, config, Namespace, GatewayDeployment)
	if err != nil || !ok {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "the gateway is not available", Facts: seen.Facts}, err
	}
	return seen, nil
}

// install brings the chart and its values about. A rollout that they make necessary has begun when it returns.
func (g gateway) install(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	m, err := g.manager(facts, func(format string, args ...any) { report.Output(fmt.Sprintf(format, args...)) })
	if err != nil {
		return facts, err
	}
	spec := g.spec(facts)
	state, err := m.Observe(ctx, Release, spec)
	if err == nil {
		err = notOurs(facts, state)
	}
	if err != nil {
		return facts, err
	}
	if state.Phase != release.Ready {
		report.Note("chart aip-k8s: installing")
		if state, err = m.Apply(ctx, Release, spec); err != nil {
			return facts, err
		}
	}
	return g.learn(facts, state), nil
}

func (g gateway) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	facts, err := g.install(ctx, facts, report)
	if err != nil {
		return facts, err
	}
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	if err := g.deps.waitRollout(ctx, config, Namespace, GatewayDeployment, report); err != nil {
		return facts, err
	}
	if err := handedOver(ctx, config, Namespace, GatewayDeployment); err != nil {
		return facts, err
	}
	report.Note("chart %s", facts.Gateway.Chart)
	return facts, nil
}
