package images

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Available reports whether the registry of an image answers and has it. No access is asked for and nothing is pulled.
func Available(ctx context.Context, reference string) bool {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return false
	}
	_, err = remote.Head(ref, remote.WithContext(ctx))
	return err == nil
}
