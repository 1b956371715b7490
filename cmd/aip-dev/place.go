package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/state"
)

// engineVariable names the container engine to use, for kind and for this program.
// Source: https://kind.sigs.k8s.io/docs/user/rootless/#creating-a-kind-cluster-with-rootless-podman
const engineVariable = "KIND_EXPERIMENTAL_PROVIDER"

// engine returns the container engine to ask about an environment: the one that has its containers, for another one would say
// that they are gone, else the one that the user wants.
func (a *app) engine(facts bootstrap.Facts) string {
	return cmp.Or(facts.Cluster.Engine, a.getenv(engineVariable))
}

// engineOf is engine for the environment in a state folder, which need not be there.
func (a *app) engineOf(folder state.Folder) string {
	facts, _ := folder.Facts() // what cannot be read says nothing of an engine
	return a.engine(facts)
}

// registryTimeout is how long auto waits to learn whether the node image can be had.
const registryTimeout = 2 * time.Second

// place resolves where the environment lives: it returns embedded, kind or existing, and why in one line. What was
// asked for explicitly is never replaced by something else, and an environment that is there stays where it is.
func (a *app) place(ctx context.Context, e bootstrap.Environment, folder state.Folder) (kind, why string, err error) {
	has := ""
	if facts, err := folder.Facts(); err == nil {
		has = facts.Cluster.Kind
	}
	switch {
	case has != "" && e.Cluster != bootstrap.ClusterAuto && has != e.Cluster:
		return "", "", failure.New(failure.Conflict, []string{a.command("down") + " && " + a.command("up --cluster "+e.Cluster), "aip-dev up --cluster " + e.Cluster + " --name another"},
			"environment %s lives in %s, expected %s; nothing was changed", folder.Name, has, e.Cluster)
	case has != "" && e.Cluster == bootstrap.ClusterAuto:
		return has, "as before", nil
	case e.Cluster == bootstrap.ClusterEmbedded:
		return bootstrap.ClusterEmbedded, "asked for", nil
	case e.Cluster == bootstrap.ClusterKind:
		if _, err := kindcluster.Detect(ctx, a.engineOf(folder)); err != nil {
			return "", "", a.noEngine(err)
		}
		return bootstrap.ClusterKind, "asked for", nil
	case e.Cluster == bootstrap.ClusterExisting:
		return bootstrap.ClusterExisting, "asked for", nil
	}
	return a.choose(ctx, e)
}

// choose takes a kind cluster when a container engine answers and the node image is there or can be had, else an
// embedded one.
func (a *app) choose(ctx context.Context, e bootstrap.Environment) (kind, why string, err error) {
	engine, err := kindcluster.Detect(ctx, a.getenv(engineVariable))
	if err != nil {
		return bootstrap.ClusterEmbedded, err.Error(), nil // auto falls back, and says why
	}
	image := steps.NodeImage(e)
	there, err := engine.HasImage(ctx, image)
	if err != nil {
		return bootstrap.ClusterEmbedded, err.Error(), nil // auto falls back, and says why
	}
	if there {
		return bootstrap.ClusterKind, engine.Command + " answers and holds the node image", nil
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	if images.Available(ctx, image) {
		return bootstrap.ClusterKind, engine.Command + " answers, and the node image can be pulled", nil
	}
	return bootstrap.ClusterEmbedded, engine.Command + " answers, but node image " + image + " is neither there nor to be had", nil
}

// noEngine explains why there can be no kind cluster.
func (a *app) noEngine(err error) error {
	next := []string{a.command("up --cluster embedded") + "  # needs no engine", steps.EngineFix(err)}
	if errors.Is(err, steps.ErrEnginePermission) {
		slices.Reverse(next)
	}
	return failure.Wrap(err, failure.Failed, next, "%v; nothing was made", err)
}

// placeOf returns where an environment lives.
func placeOf(facts bootstrap.Facts) string {
	if facts.Cluster.Kind == "" {
		return bootstrap.ClusterEmbedded
	}
	return facts.Cluster.Kind
}
