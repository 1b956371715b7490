package steps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
	"github.com/aip-dev/aip-dev/manifests"
)

// chartName is the folder in the packed chart.
const chartName = "aip-k8s"

// BundleFitError says that a bundle, as it was written, is not for this program or this machine.
type BundleFitError struct {
	// What differs, in a few words.
	What            string
	Found, Expected string
}

// Error says what was found and what was expected.
func (e *BundleFitError) Error() string {
	return fmt.Sprintf("the bundle does not fit: %s: found %s, expected %s", e.What, e.Found, e.Expected)
}

// BundledFiles returns what a bundle holds besides images: the chart as Helm packs it, and Keycloak's manifest.
func BundledFiles() (chart, keycloak []byte, err error) {
	chart, err = images.PackChart(manifests.Chart(), chartName)
	return chart, manifests.Keycloak(), err
}

// FitBundle reports why a bundle is not for this program: a *BundleFitError when version, chart or Keycloak's manifest
// are others than this program has. So what a bundle holds is what an environment gets.
func FitBundle(ctx context.Context, b *images.Bundle, version string) error {
	if b.Version != version {
		return &BundleFitError{"version of aip-dev", b.Version, version}
	}
	chart, keycloak, err := BundledFiles()
	if err != nil {
		return err
	}
	differs := func(what string) error {
		return &BundleFitError{what, "another", "that of this program, which was built from other files of the same version"}
	}
	if found, err := b.File(ctx, images.KindChart); err != nil {
		return err
	} else if !images.SameChart(found, chart) {
		return differs("chart")
	}
	if found, err := b.File(ctx, images.KindKeycloakManifest); err != nil {
		return err
	} else if !bytes.Equal(found, keycloak) {
		return differs("manifest of Keycloak")
	}
	if found := b.Entry(images.KindKeycloak).Reference; found != manifests.KeycloakImage() {
		return &BundleFitError{"image of Keycloak", found, manifests.KeycloakImage()}
	}
	return nil
}

// WithBundle returns the description with the images of a bundle. The gateway's is named only when it is not the one
// that program is made into anyway, and own is that one then, "" when there is none.
func WithBundle(e bootstrap.Environment, b *images.Bundle, program string) (with bootstrap.Environment, own string, err error) {
	e.Images = bootstrap.Images{Node: b.Entry(images.KindNode).Reference}
	bundled := b.Entry(images.KindGateway).Reference
	made, err := images.Gateway(program, gatewayRepository, b.Architecture)
	switch {
	case errors.Is(err, images.ErrNotLinux):
		e.Images.Gateway = bundled
		return e, "", nil
	case err != nil:
		return e, "", err
	case made.Reference() != bundled:
		e.Images.Gateway = bundled
	}
	return e, made.Reference(), nil
}

// GatewayImage makes the gateway's image of a program, with the tags that the chart and a release look for.
func GatewayImage(program, architecture string) (image images.Image, tags []string, err error) {
	image, err = images.Gateway(program, gatewayRepository, architecture)
	return image, []string{manifests.ChartVersion()}, err
}

// bundled is the stage of a bundle; without one it is empty.
func bundled(d Deps, shared *containers) bootstrap.Stage {
	if d.Bundle == nil {
		return nil
	}
	return bootstrap.Then(bundle{file: d.Bundle, shared: shared, now: d.Now})
}

// bundle looks whether a bundle is for the engine and as it was written. It makes nothing.
type bundle struct {
	file   *images.Bundle
	shared *containers
	now    func() time.Time
}

func (bundle) Name() string { return "bundle" }

func (b bundle) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	engine, err := b.shared.find(ctx)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if found := engine.Info.Architecture; b.file.Architecture != found {
		return bootstrap.Observation{}, &BundleFitError{"architecture", b.file.Architecture, found + ", that of " + engine.Command}
	}
	_, state, err := b.shared.cluster(ctx, quiet)
	if err != nil {
		return bootstrap.Observation{}, err
	}
	if state.Phase == kindcluster.Absent || state.Phase == kindcluster.Unfinished {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: "not verified yet", Facts: facts}, nil
	}
	if err := b.file.Verify(ctx, func(int64, int64) {}); err != nil {
		return bootstrap.Observation{}, err
	}
	return bootstrap.Observation{State: bootstrap.Ready, Detail: b.detail(), Facts: facts}, nil
}

// Apply reads all of the bundle, before anything is made of it.
func (b bundle) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	told := b.now()
	err := b.file.Verify(ctx, func(done, total int64) {
		if at := b.now(); at.Sub(told) > tellEvery {
			told = at
			report.Note("verifying: %s", amount(done, total))
		}
	})
	if err != nil {
		return facts, err
	}
	report.Note("%s", b.detail())
	return facts, nil
}

func (b bundle) detail() string {
	return fmt.Sprintf("%d MiB verified, Kubernetes %s for linux/%s", b.file.Size/mebibyte, b.file.Kubernetes, b.file.Architecture)
}

// fromBundle is an image in a bundle.
func fromBundle(b *images.Bundle, kind images.Kind) source {
	e := b.Entry(kind)
	return source{reference: e.Reference, size: e.Archive, is: e.Is, write: func(ctx context.Context, w io.Writer) error {
		return b.WriteImage(ctx, kind, w)
	}}
}

// loadNode makes the engine hold the node image of the bundle and returns its reference.
func loadNode(ctx context.Context, engine *kindcluster.Engine, d Deps, report bootstrap.Reporter) (string, error) {
	e := d.Bundle.Entry(images.KindNode)
	held, there, err := engine.Image(ctx, e.Reference)
	if err != nil || there && e.Is(held.ID) {
		return e.Reference, err
	}
	if there {
		report.Warn("%s of %s is not the image of the bundle: found %s, expected %s; the name goes to the bundle's, the other one stays under its id",
			e.Reference, engine.Command, held.ID, e.IDs[0])
	}
	err = pour(ctx, d.Now, fromBundle(d.Bundle, images.KindNode), report, func(archive io.Reader) error { return engine.Load(ctx, archive) })
	if err != nil || !e.Untagged {
		return e.Reference, err
	}
	for _, id := range e.IDs {
		if _, there, err := engine.Image(ctx, id); err != nil {
			return "", err
		} else if there {
			return e.Reference, engine.Tag(ctx, id, e.Reference)
		}
	}
	return "", fmt.Errorf("%w: %s loaded it and knows it by none of %v", ErrNodeImage, engine.Command, e.IDs)
}
