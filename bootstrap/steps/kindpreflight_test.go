package steps

import (
	"errors"
	"os"
	"testing"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
)

// TestProgramOfAnotherSystem: a program that the engine's containers cannot run is refused before anything is made or asked
// for; with another image it does not matter.
func TestProgramOfAnotherSystem(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shared := newContainers(bootstrap.Default(), Deps{})
	shared.engine = &kindcluster.Engine{Info: kindcluster.Info{Architecture: "riscv64"}} // that of no release
	_, err = kindPreflight{shared: shared, program: madeInto(bootstrap.Environment{}, Deps{Program: self})}.Observe(t.Context(), bootstrap.Facts{})
	if !errors.Is(err, images.ErrNotLinux) {
		t.Errorf("found %v, expected ErrNotLinux", err)
	}
	for name, program := range map[string]string{
		"another image": madeInto(bootstrap.Environment{Images: bootstrap.Images{Gateway: "example.org/gateway:1"}}, Deps{Program: self}),
		"a bundle":      madeInto(bootstrap.Environment{}, Deps{Program: self, Bundle: &images.Bundle{}}),
	} {
		if program != "" {
			t.Errorf("with %s: the image is made of %s", name, program)
		}
	}
}
