package release

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
)

// Render returns the manifest that an installation of the release name in namespace would apply to a server of version,
// such as v1.33.1. It talks to nobody.
func Render(ctx context.Context, name, namespace, version string, want Spec) ([]byte, error) {
	chrt, err := load(want.Chart)
	if err != nil {
		return nil, err
	}
	server, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return nil, fmt.Errorf("read the server's version: %w", err)
	}
	// A configuration of its own: a dry run without a cluster puts other clients into it.
	in := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	in.ReleaseName, in.Namespace = name, namespace
	in.KubeVersion = server
	in.DryRun, in.ClientOnly, in.SkipCRDs = true, true, true
	rel, err := in.RunWithContext(ctx, chrt, merged(nil, want, nil))
	if err != nil {
		return nil, fmt.Errorf("render release %s: %w", name, err)
	}
	return []byte(rel.Manifest), nil
}
