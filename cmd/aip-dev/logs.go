package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/state"
)

// component is something that writes a log: a Deployment, or a file of the state folder.
type component struct {
	namespace, deployment string
	file                  string
}

func components() map[string]component {
	return map[string]component{
		"gateway": {namespace: steps.Namespace, deployment: steps.GatewayDeployment},
		"issuer":  {namespace: steps.IdentityNamespace, deployment: steps.IdentityName},
		"serve":   {file: "serve"},
		"up":      {file: "up"},
	}
}

func newLogs(a *app) *cobra.Command {
	var follow bool
	var tail int64
	c := &cobra.Command{
		Use:       "logs gateway|issuer|serve|up",
		Short:     "Print the log of a part of the environment",
		Args:      cobra.ExactArgs(1),
		ValidArgs: slices.Sorted(maps.Keys(components())),
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is written from now on (gateway and issuer)")
	c.Flags().Int64Var(&tail, "tail", -1, "only the last lines (gateway and issuer); -1 prints all")
	c.RunE = func(c *cobra.Command, args []string) error {
		part, known := components()[args[0]]
		if !known {
			return failure.New(failure.Usage, nil, "found %q, expected one of %s", args[0], strings.Join(c.ValidArgs, ", "))
		}
		if part.file != "" {
			return a.printLog(part.file)
		}
		return a.podLog(c.Context(), part, &corev1.PodLogOptions{Follow: follow, TailLines: lines(tail)})
	}
	return c
}

func lines(tail int64) *int64 {
	if tail < 0 {
		return nil
	}
	return &tail
}

// printLog copies a log of the state folder; it is there even when nothing runs.
func (a *app) printLog(name string) error {
	folder, err := a.folder()
	if err != nil {
		return err
	}
	if !folder.Exists() {
		return fmt.Errorf("%w: no state in %s", state.ErrNotThere, folder.Path)
	}
	file, err := os.Open(folder.Log(name))
	if err != nil {
		return failure.Wrap(err, failure.NotFound, []string{a.command("up")}, "log %s", name)
	}
	defer func() { _ = file.Close() }() // nothing was written
	if _, err := io.Copy(a.out, file); err != nil {
		return fmt.Errorf("print log %s: %w", name, err)
	}
	return nil
}

// podLog copies the log of the newest pod of a Deployment.
func (a *app) podLog(ctx context.Context, part component, o *corev1.PodLogOptions) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	if s.Facts.Identity.External && part.deployment == steps.IdentityName {
		return failure.New(failure.NotFound, nil, "the issuer %s is not part of this environment", s.Facts.Identity.IssuerURL)
	}
	config, err := s.Kube()
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a Kubernetes client: %w", err)
	}
	d, err := kube.AppsV1().Deployments(part.namespace).Get(ctx, part.deployment, metav1.GetOptions{})
	if err != nil {
		return failure.Wrap(err, failure.NotFound, []string{a.command("up")}, "deployment %s", part.deployment)
	}
	pods, err := kube.CoreV1().Pods(part.namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return fmt.Errorf("list the pods of %s: %w", part.deployment, err)
	}
	if len(pods.Items) == 0 {
		return failure.New(failure.NotFound, []string{a.command("status")}, "deployment %s has no pods", part.deployment)
	}
	newest := &pods.Items[0]
	for i := range pods.Items {
		if newest.CreationTimestamp.Before(&pods.Items[i].CreationTimestamp) {
			newest = &pods.Items[i]
		}
	}
	stream, err := kube.CoreV1().Pods(part.namespace).GetLogs(newest.Name, o).Stream(ctx)
	if err != nil {
		return fmt.Errorf("read the log of pod %s: %w", newest.Name, err)
	}
	defer func() { _ = stream.Close() }() // nothing was written
	if _, err := io.Copy(a.out, stream); err != nil && ctx.Err() == nil {
		return fmt.Errorf("print the log of pod %s: %w", newest.Name, err)
	}
	return nil
}
