package kindcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/exec"
)

// lookEvery is how often a node that is being made is looked at.
const lookEvery = 200 * time.Millisecond

// WaitForImages waits until the node takes images, which it does long before its API server answers.
func (c *Cluster) WaitForImages(ctx context.Context) error {
	for {
		n, err := c.node()
		if err == nil {
			err = n.CommandContext(ctx, "ctr", "--namespace=k8s.io", "version").SetStdout(io.Discard).SetStderr(io.Discard).Run()
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a node of cluster %s: %w", c.Name, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// HasImage reports whether the node holds an image of this reference.
func (c *Cluster) HasImage(ctx context.Context, reference string) (bool, error) {
	n, err := c.node()
	if err != nil {
		return false, err
	}
	lines, err := exec.OutputLines(n.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "list", "--quiet", "name=="+qualified(reference)))
	if err != nil {
		return false, fmt.Errorf("list the images of cluster %s: %w", c.Name, err)
	}
	return len(lines) > 0, nil
}

// LoadImages reads an archive of images into the node. It ends when the archive does.
func (c *Cluster) LoadImages(archive io.Reader) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	if err := nodeutils.LoadImageArchive(n, archive); err != nil {
		return fmt.Errorf("load images into cluster %s: %w", c.Name, err)
	}
	return nil
}

// qualified is a reference as a node stores it: with a registry and a tag.
// Source: https://pkg.go.dev/github.com/distribution/reference#ParseNormalizedNamed
func qualified(reference string) string {
	first, rest, found := strings.Cut(reference, "/")
	switch {
	case !found:
		reference = "docker.io/library/" + reference
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		reference = "docker.io/" + first + "/" + rest
	}
	if !strings.Contains(reference[strings.LastIndexByte(reference, '/'):], ":") && !strings.Contains(reference, "@") {
		reference += ":latest"
	}
	return reference
}

// SameImage reports whether two references name the same image. Engines write them in their short or in their whole form.
func SameImage(a, b string) bool { return qualified(a) == qualified(b) }

// ImageIDs returns the digests by which the node knows an image: of its manifest and of its configuration. It returns
// none when the node has no image of this reference.
func (c *Cluster) ImageIDs(ctx context.Context, reference string) ([]string, error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	lines, err := exec.OutputLines(n.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "list", "name=="+qualified(reference)))
	if err != nil {
		return nil, fmt.Errorf("list the images of cluster %s: %w", c.Name, err)
	}
	var ids []string
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(fields[2], "sha256:") { // REF TYPE DIGEST ...
			ids = append(ids, fields[2])
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	config, err := configOf(ctx, n, ids[0])
	if err != nil {
		return nil, fmt.Errorf("read image %s of cluster %s: %w", reference, c.Name, err)
	}
	return append(ids, config), nil
}

// descriptor names content by its digest.
type descriptor struct {
	Digest string `json:"digest"`
}

// configOf returns the digest of the configuration of an image in a node; of several platforms it takes the first.
// Source: https://github.com/opencontainers/image-spec/blob/main/manifest.md
func configOf(ctx context.Context, n nodes.Node, digest string) (string, error) {
	for range 2 { // an index, and a manifest in it
		var out bytes.Buffer
		if err := n.CommandContext(ctx, "ctr", "--namespace=k8s.io", "content", "get", digest).SetStdout(&out).Run(); err != nil {
			return "", err
		}
		var said struct {
			Config    descriptor   `json:"config"`
			Manifests []descriptor `json:"manifests"`
		}
		if err := json.Unmarshal(out.Bytes(), &said); err != nil {
			return "", err
		}
		if len(said.Manifests) == 0 {
			return said.Config.Digest, nil
		}
		digest = said.Manifests[0].Digest
	}
	return digest, nil
}
