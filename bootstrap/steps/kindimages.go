package steps

import (
	"context"
	"io"
	"slices"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
	"github.com/aip-dev/aip-dev/manifests"
)

// gatewayRepository is where the chart looks for the gateway's image.
const gatewayRepository = "ghcr.io/aip-dev/aip-dev"

// kindImages brings the container images into the node that it could not pull by itself, or not as fast: the
// gateway's, made of this program, and those that the engine of this machine holds.
type kindImages struct {
	env    bootstrap.Environment
	deps   Deps
	shared *containers
}

func (kindImages) Name() string { return "images" }

// source is an image and how to get its archive.
type source struct {
	reference string
	// size is in bytes; 0 when it is not known.
	size  int64
	write func(ctx context.Context, w io.Writer) error
	// is says whether one of the node's digests is that of this image; nil means that the name alone tells.
	is func(id string) bool
}

// madeInto returns the program that the gateway's image will be made of, "" when another image is named.
func madeInto(e bootstrap.Environment, d Deps) string {
	if e.Images.Gateway != "" || d.Bundle != nil {
		return ""
	}
	return d.Program
}

// sources returns the images that can be brought, the gateway's first.
func (k kindImages) sources(ctx context.Context) ([]source, error) {
	if b := k.deps.Bundle; b != nil {
		return []source{fromBundle(b, images.KindGateway), fromBundle(b, images.KindKeycloak)}, nil
	}
	engine, err := k.shared.find(ctx)
	if err != nil {
		return nil, err
	}
	fromEngine := func(reference string) source {
		return source{reference: reference, write: func(ctx context.Context, w io.Writer) error { return engine.Save(ctx, reference, w) }}
	}
	var out []source
	if k.env.Images.Gateway != "" {
		out = append(out, fromEngine(k.env.Images.Gateway))
	} else {
		made, err := images.Gateway(k.deps.Program, gatewayRepository, engine.Info.Architecture)
		if err != nil {
			return nil, err
		}
		out = append(out, source{reference: made.Reference(), size: made.Size(), write: func(_ context.Context, w io.Writer) error {
			return made.Write(w, manifests.ChartVersion()) // so that an ordinary helm install finds its image, too
		}})
	}
	out = append(out, fromEngine(manifests.KeycloakImage()))
	if k.env.Keycloak.Database == bootstrap.DatabasePostgres {
		out = append(out, fromEngine(manifests.PostgresImage()))
	}
	return out, nil
}

func (k kindImages) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	sources, err := k.sources(ctx)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	facts.Images.Gateway = sources[0].reference
	phase, err := k.shared.looked(ctx)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if phase != kindcluster.Running {
		return bootstrap.Observation{State: bootstrap.Absent, Facts: facts}, nil
	}
	engine, err := k.shared.find(ctx)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	cluster := engine.Cluster(k.shared.name, quiet)
	missing, err := k.missing(ctx, cluster, sources)
	if err != nil || len(missing) == 0 {
		return bootstrap.Observation{State: bootstrap.Ready, Detail: "in the node", Facts: facts}, err
	}
	return bootstrap.Observation{State: bootstrap.Differs, Detail: missing[0].reference + " is not in the node", Facts: facts}, nil
}

// missing returns the images that the node lacks and that can be brought. The gateway's has to be: if it is not in the
// engine either, the node will pull it.
func (k kindImages) missing(ctx context.Context, cluster *kindcluster.Cluster, sources []source) ([]source, error) {
	engine, err := k.shared.find(ctx)
	if err != nil {
		return nil, err
	}
	var out []source
	for _, s := range sources {
		there, err := s.inNode(ctx, cluster)
		if err != nil {
			return nil, err
		}
		if !there && s.size == 0 {
			held, err := engine.HasImage(ctx, s.reference)
			if err != nil {
				return nil, err
			}
			there = !held
		}
		if !there {
			out = append(out, s)
		}
	}
	return out, nil
}

func (k kindImages) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	sources, err := k.sources(ctx)
	if err != nil {
		return facts, err
	}
	report.Note("waiting for the node")
	if err := k.shared.begun.wait(ctx); err != nil {
		return facts, err
	}
	engine, err := k.shared.find(ctx)
	if err != nil {
		return facts, err
	}
	cluster := engine.Cluster(k.shared.name, quiet)
	if err := cluster.WaitForImages(ctx); err != nil {
		return facts, err
	}
	missing, err := k.missing(ctx, cluster, sources)
	if err != nil {
		return facts, err
	}
	for _, s := range missing {
		if err := k.load(ctx, cluster, s, report); err != nil {
			return facts, err
		}
	}
	facts.Images.Gateway = sources[0].reference
	report.Note("%d brought into the node", len(missing))
	return facts, nil
}

// load streams an image from where it is into the node.
func (k kindImages) load(ctx context.Context, cluster *kindcluster.Cluster, s source, report bootstrap.Reporter) error {
	if s.is != nil {
		if there, err := cluster.HasImage(ctx, s.reference); err != nil {
			return err
		} else if there {
			report.Warn("%s in the node is not the image of the bundle and is replaced; pods that run keep it until they start anew", s.reference)
		}
	}
	return pour(ctx, k.deps.Now, s, report, cluster.LoadImages)
}

// inNode reports whether the node holds the image.
func (s source) inNode(ctx context.Context, cluster *kindcluster.Cluster) (bool, error) {
	if s.is == nil {
		return cluster.HasImage(ctx, s.reference)
	}
	ids, err := cluster.ImageIDs(ctx, s.reference)
	return slices.ContainsFunc(ids, s.is), err
}
