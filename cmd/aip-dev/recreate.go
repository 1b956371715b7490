package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
)

// countLimit is how long counting what would be lost may take.
const countLimit = 3 * time.Second

// clear takes the environment down so that it can be made anew, after showing what is lost and asking. It returns e with
// the clients that the environment has now. What is not there needs no clearing.
func (a *app) clear(ctx context.Context, e bootstrap.Environment, yes bool) (bootstrap.Environment, error) {
	folder, err := a.folder()
	if err != nil || !folder.Exists() {
		return e, err
	}
	e = a.whole(e)
	facts, err := a.known(folder)
	if err != nil {
		return e, err
	}
	if _, err := io.WriteString(a.errOut, a.losses(ctx, facts, folder)); err != nil {
		return e, fmt.Errorf("show what is lost: %w", err)
	}
	if !yes {
		if err := a.consent(ctx, "--recreate deletes an environment", a.command("up --recreate --yes")+"  # with the flags of this command"); err != nil {
			return e, err
		}
	}
	return e, a.halt(ctx, folder, halting{"up --recreate", bootstrap.Runner.Down, folder.Remove})
}

// losses says what goes with the environment.
func (a *app) losses(ctx context.Context, facts bootstrap.Facts, folder state.Folder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "--recreate deletes environment %s and makes it anew. What is lost:\n\n", folder.Name)
	row := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	switch placeOf(facts) {
	case bootstrap.ClusterKind:
		row("cluster %s with all that is in it", steps.KindName(folder.Name))
	case bootstrap.ClusterExisting:
		row("what this environment made in the cluster of context %s; nothing else there", facts.Cluster.Context)
	default:
		row("the embedded cluster with all that is in it")
	}
	for _, kind := range []struct{ resource, name string }{
		{"agentrequests", "AgentRequests, with their decisions"}, {"auditrecords", "AuditRecords, the trail of the requests"},
		{"safetypolicies", "SafetyPolicies; the samples are made again"}, {"governedresources", "GovernedResources"},
		{"agentregistrations", "AgentRegistrations"}, {"agentgraduationpolicies", "AgentGraduationPolicies"},
	} {
		if n, err := count(ctx, facts, kind.resource); err != nil {
			row("%s: how many cannot be told, the cluster does not answer", kind.name)
		} else {
			row("%d %s", n, kind.name)
		}
	}
	row("realm %s with its keys: tokens made before are refused afterwards", facts.Identity.Realm)
	row("%s", folder.Path)
	b.WriteString("\nThe description of the environment stays, with its clients.\n\n")
	return b.String()
}

// count returns how many objects of a kind of ours there are in the cluster.
func count(ctx context.Context, facts bootstrap.Facts, resource string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	config, err := session.New(session.Options{Facts: facts, Now: time.Now}).Kube()
	if err != nil {
		return 0, err
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		return 0, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	list, err := kube.Resource(v1alpha1.GroupVersion().WithResource(resource)).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, fmt.Errorf("list %s: %w", resource, err)
	}
	return len(list.Items), nil
}
