package steps

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
	"github.com/aip-dev/aip-dev/internal/testkit"
	"github.com/aip-dev/aip-dev/manifests"
)

const bundledNode = "example.org/node:v1.37.2"

// bundling is what goes into a bundle of these tests.
type bundling struct {
	gateway         string
	keycloak        string
	chart, manifest []byte
}

// usual is a bundle that this program would write.
func usual(t *testing.T) bundling {
	t.Helper()
	chart, manifest, err := BundledFiles()
	if err != nil {
		t.Fatal(err)
	}
	return bundling{gateway: "example.org/gateway:dev-1", keycloak: manifests.KeycloakImage(), chart: chart, manifest: manifest}
}

// open writes the bundle, with small images, and opens it.
func (b bundling) open(t *testing.T) *images.Bundle {
	t.Helper()
	path := filepath.Join(t.TempDir(), "aip.bundle")
	w, err := images.NewBundle(path, "v1", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []struct {
		kind      images.Kind
		reference string
	}{{images.KindNode, bundledNode}, {images.KindKeycloak, b.keycloak}, {images.KindGateway, b.gateway}} {
		archive, _ := testkit.ImageArchive(t, i.reference, runtime.GOARCH, testkit.File{Name: "kind/version", Content: "v1.37.2"})
		_, err := w.Image(t.Context(), i.kind, i.reference, func(w io.Writer) error {
			_, err := w.Write(archive)
			return err
		}, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.File(t.Context(), images.KindChart, "chart", b.chart); err != nil {
		t.Fatal(err)
	}
	if _, err := w.File(t.Context(), images.KindKeycloakManifest, "manifest", b.manifest); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(false); err != nil {
		t.Fatal(err)
	}
	opened, err := images.OpenBundle(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

func TestFitBundle(t *testing.T) {
	t.Parallel()
	if err := FitBundle(t.Context(), usual(t).open(t), "v1"); err != nil {
		t.Errorf("its own bundle: %v", err)
	}
	for what, c := range map[string]struct {
		version string
		change  func(b *bundling)
	}{
		"version of aip-dev":   {"v2", func(*bundling) {}},
		"chart":                {"v1", func(b *bundling) { b.chart = []byte("no chart") }},
		"manifest of Keycloak": {"v1", func(b *bundling) { b.manifest = append(b.manifest, '\n') }},
		"image of Keycloak":    {"v1", func(b *bundling) { b.keycloak = "quay.io/keycloak/keycloak:25.0.0" }},
	} {
		b := usual(t)
		c.change(&b)
		var unfit *BundleFitError
		if err := FitBundle(t.Context(), b.open(t), c.version); !errors.As(err, &unfit) || unfit.What != what {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestWithBundle: the gateway is the bundle's. It is named in the description only where this program would not be made
// into the same one.
func TestWithBundle(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := GatewayImage(program, runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	given := bootstrap.Default()
	given.Images = bootstrap.Images{Node: "given/node:1", Gateway: "given/gateway:1"}
	const other = "example.org/gateway:dev-1"
	for name, c := range map[string]struct{ gateway, program, want, own string }{
		"the same build":   {own.Reference(), program, "", own.Reference()},
		"another build":    {other, program, other, own.Reference()},
		"no Linux program": {other, script, other, ""},
	} {
		b := usual(t)
		b.gateway = c.gateway
		e, made, err := WithBundle(given, b.open(t), c.program)
		if want := (bootstrap.Images{Node: bundledNode, Gateway: c.want}); err != nil || e.Images != want || made != c.own {
			t.Errorf("%s: %+v, %q, %v; expected %+v, %q", name, e.Images, made, err, want, c.own)
		}
	}
	if given.Images.Node != "given/node:1" {
		t.Error("the given description was changed")
	}
}

// TestImagesOfBundle: with a bundle nothing comes from anywhere else, and what comes is what was put in.
func TestImagesOfBundle(t *testing.T) {
	t.Parallel()
	b := usual(t).open(t)
	shared := newContainers(bootstrap.Default(), Deps{})
	shared.engine = &kindcluster.Engine{Command: "none"}
	sources, err := kindImages{deps: Deps{Bundle: b}, shared: shared}.sources(t.Context())
	if err != nil || len(sources) != 2 || sources[0].reference != "example.org/gateway:dev-1" || sources[1].reference != manifests.KeycloakImage() {
		t.Fatalf("%+v, %v", sources, err)
	}
	want, id := testkit.ImageArchive(t, manifests.KeycloakImage(), runtime.GOARCH, testkit.File{Name: "kind/version", Content: "v1.37.2"})
	var archive bytes.Buffer
	if err := sources[1].write(t.Context(), &archive); err != nil || !bytes.Equal(archive.Bytes(), want) || sources[1].size != int64(len(want)) || !sources[1].is(id) {
		t.Errorf("%d bytes of %d, %v", archive.Len(), sources[1].size, err)
	}
	if plan := InContainers(bootstrap.Default(), Deps{Bundle: b}).Names(); len(plan) < 2 || plan[1] != "bundle" {
		t.Errorf("the plan is %v, expected the bundle before anything is made", plan)
	}
}

// TestBundleOfAnotherArchitecture is refused before anything is made.
func TestBundleOfAnotherArchitecture(t *testing.T) {
	t.Parallel()
	shared := newContainers(bootstrap.Default(), Deps{})
	shared.engine = &kindcluster.Engine{Command: "docker", Info: kindcluster.Info{Architecture: "s390x"}}
	_, err := bundle{file: usual(t).open(t), shared: shared}.Observe(t.Context(), bootstrap.Facts{})
	var unfit *BundleFitError
	if !errors.As(err, &unfit) || unfit.What != "architecture" || unfit.Found != runtime.GOARCH {
		t.Errorf("%v, expected that the architecture does not fit", err)
	}
}
