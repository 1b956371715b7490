package e2e

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/testkit"
	"github.com/aip-dev/aip-dev/manifests"
)

// bundle returns a command that writes a bundle of small images: bundle FILE VERSION ARCHITECTURE. The words own stand
// for the version of the program and for this machine.
func bundle(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 3 {
			ts.Fatalf("usage: bundle FILE VERSION ARCHITECTURE")
		}
		version, architecture := args[1], args[2]
		if version == "own" {
			c := exec.CommandContext(t.Context(), "../../bin/aip-dev", "version")
			out, err := c.Output()
			ts.Check(err)
			version = strings.TrimSpace(strings.TrimPrefix(string(out), "aip-dev "))
		}
		if architecture == "own" {
			architecture = runtime.GOARCH
		}
		w, err := images.NewBundle(ts.MkAbs(args[0]), version, false)
		ts.Check(err)
		image := func(kind images.Kind, reference string) {
			archive, _ := testkit.ImageArchive(t, reference, architecture, testkit.File{Name: "kind/version", Content: "v1.37.2"})
			_, err := w.Image(t.Context(), kind, reference, func(w io.Writer) error {
				_, err := w.Write(archive)
				return err
			}, func(int64) {})
			ts.Check(err)
		}
		image(images.KindNode, "example.org/node:v1")
		image(images.KindKeycloak, manifests.KeycloakImage())
		image(images.KindGateway, "example.org/gateway:dev-1")
		chart, manifest, err := steps.BundledFiles()
		ts.Check(err)
		_, err = w.File(t.Context(), images.KindChart, "chart", chart)
		ts.Check(err)
		_, err = w.File(t.Context(), images.KindKeycloakManifest, manifests.KeycloakImage(), manifest)
		ts.Check(err)
		ts.Check(w.Finish(false))
	}
}

// damage changes a byte of a file, or cuts it: damage FILE byte|half
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage FILE byte|half")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if args[1] == "half" {
		data = data[:len(data)/2]
	} else {
		data[18<<10+100] ^= 1 // in the node image, which follows the manifest
	}
	ts.Check(os.WriteFile(path, data, 0o600))
}
