package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/kindcluster"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/safetext"
	"github.com/aip-dev/aip-dev/manifests"
)

func newBundle(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "bundle",
		Short: "All images of a kind cluster in one file, for machines that reach no registry",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newBundleCreate(a), newBundleInfo(a))
	return c
}

// bundling are the flags of bundle create.
type bundling struct {
	file          string
	node, gateway string
	force         bool
}

func newBundleCreate(a *app) *cobra.Command {
	var o bundling
	c := &cobra.Command{
		Use:   "create FILE",
		Short: "Write a bundle from the images of the container engine and this program",
		Long: "Write a bundle: the node image and Keycloak's from the container engine, the gateway's made of this program, the\n" +
			"chart and Keycloak's manifest. `aip-dev up --bundle FILE` then needs no registry.",
		Example: "  aip-dev bundle create aip.bundle\n  aip-dev up --cluster kind --bundle aip.bundle",
		Args:    cobra.ExactArgs(1),
	}
	format := outputFlag(c, formatTable, formatJSON)
	f := c.Flags()
	f.StringVar(&o.node, "node-image", "", "image of a kind node (default: that of the description, else of the kind library)")
	f.StringVar(&o.gateway, "gateway-image", "", "image of the gateway, in the engine (default: made of this program)")
	f.BoolVar(&o.force, "force", false, "overwrite FILE")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.file = args[0]
		if err := a.createBundle(c.Context(), o); err != nil {
			return a.notCreated(err, o)
		}
		b, err := images.OpenBundle(o.file)
		if err != nil {
			return err
		}
		defer func() { _ = b.Close() }() // nothing was written
		return a.printBundle(describe(b), *format)
	}
	return c
}

// createBundle writes the bundle; on failure nothing of it is left.
func (a *app) createBundle(ctx context.Context, o bundling) (err error) {
	if o.node == "" {
		e, err := a.described("")
		if err != nil {
			return err
		}
		o.node = steps.NodeImage(e)
	}
	w, err := images.NewBundle(o.file, version, o.force)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Abandon()) }()
	engine, err := kindcluster.Detect(ctx, a.getenv(engineVariable))
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, reference := range []string{o.node, manifests.KeycloakImage(), o.gateway} {
		if reference == "" {
			continue
		}
		image, there, err := engine.Image(ctx, reference)
		if err != nil {
			return err
		}
		if !there {
			return a.noImage(engine.Command, reference, o)
		}
		sizes[reference] = image.Size
	}
	show := a.newStages("aip-dev bundle create  ·  "+o.file, "node", "keycloak", "gateway", "files")
	defer show.close()
	if err := a.pack(ctx, w, engine, o, sizes, show); err != nil {
		return err
	}
	return w.Finish(o.force)
}

// pack puts everything into the bundle.
func (a *app) pack(ctx context.Context, w *images.BundleWriter, engine *kindcluster.Engine, o bundling, sizes map[string]int64, show *stages) error {
	saved := func(kind images.Kind, reference string) error {
		return show.image(string(kind), reference, sizes[reference], func(told func(int64)) (images.Entry, error) {
			return w.Image(ctx, kind, images.Tagged(reference), func(out io.Writer) error { return engine.Save(ctx, reference, out) }, told)
		})
	}
	if err := saved(images.KindNode, o.node); err != nil {
		return err
	}
	if err := saved(images.KindKeycloak, manifests.KeycloakImage()); err != nil {
		return err
	}
	var err error
	if o.gateway != "" {
		err = saved(images.KindGateway, o.gateway)
	} else {
		err = packProgram(ctx, w, show)
	}
	if err != nil {
		return err
	}
	return show.do("files", func(note func(string)) error {
		chart, keycloak, err := steps.BundledFiles()
		if err != nil {
			return err
		}
		if _, err := w.File(ctx, images.KindChart, "aip-k8s "+manifests.ChartVersion(), chart); err != nil {
			return err
		}
		note("chart and manifest")
		_, err = w.File(ctx, images.KindKeycloakManifest, manifests.KeycloakImage(), keycloak)
		return err
	})
}

// packProgram puts the gateway's image, made of this program, into the bundle.
func packProgram(ctx context.Context, w *images.BundleWriter, show *stages) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	image, tags, err := steps.GatewayImage(program, w.Architecture())
	if err != nil {
		return err
	}
	return show.image(string(images.KindGateway), image.Reference(), image.Size(), func(told func(int64)) (images.Entry, error) {
		return w.Image(ctx, images.KindGateway, image.Reference(), func(out io.Writer) error { return image.Write(out, tags...) }, told)
	})
}

// noImage says which image the engine lacks, and how to get it.
func (a *app) noImage(engine, reference string, o bundling) error {
	return failure.New(failure.NotFound, []string{engine + " pull " + reference, a.again(o)},
		"image %s is not in %s; nothing was written", reference, engine)
}

// again is the command line of a bundle create.
func (a *app) again(o bundling) string {
	line := "aip-dev bundle create " + o.file
	if o.node != "" && o.node != kindcluster.DefaultImage {
		line += " --node-image " + o.node
	}
	return line
}

// notCreated says what people can do about a bundle that was not written.
func (a *app) notCreated(err error, o bundling) error {
	var told *failure.Error
	nothing := "%v; nothing was written"
	switch {
	case errors.As(err, &told) && told.Code != 0:
		return err
	case errors.Is(err, context.Canceled):
		return failure.Wrap(err, failure.Interrupted, []string{a.again(o)}, "interrupted; nothing was written")
	case errors.Is(err, kindcluster.ErrNoEngine), errors.Is(err, kindcluster.ErrPermission):
		return failure.Wrap(err, failure.Failed, []string{"sudo systemctl start docker  # or podman or nerdctl, where the images are"}, nothing, err)
	case errors.Is(err, images.ErrBundleExists):
		return failure.Wrap(err, failure.Conflict, []string{a.again(o) + " --force  # overwrites it"}, nothing, err)
	case errors.Is(err, images.ErrBundleBusy):
		return failure.Wrap(err, failure.Conflict, []string{"aip-dev bundle info " + o.file + "  # when the other process is done"}, nothing, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return failure.Wrap(err, failure.Failed, []string{"df -h " + filepath.Dir(o.file) + "  # a bundle takes about 0.6 GB"}, nothing, err)
	case errors.Is(err, images.ErrUnfit):
		return failure.Wrap(err, failure.Failed, []string{"aip-dev bundle create --help  # names the flags for other images"}, nothing, err)
	case errors.Is(err, images.ErrNotLinux):
		return failure.Wrap(err, failure.Failed, []string{a.again(o) + " --gateway-image REF  # an image in the engine"}, nothing, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return failure.Wrap(err, failure.Usage, []string{"aip-dev bundle create FILE  # in a folder that you can write"}, nothing, err)
	default:
		return failure.Wrap(err, failure.Failed, []string{a.again(o)}, nothing, err)
	}
}

func newBundleInfo(a *app) *cobra.Command {
	var trust bool
	c := &cobra.Command{
		Use:   "info FILE",
		Short: "Say what is in a bundle, and whether it is as it was written",
		Args:  cobra.ExactArgs(1),
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().BoolVar(&trust, "no-verify", false, "read the manifest alone")
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := openBundle(args[0])
		if err != nil {
			return err
		}
		defer func() { _ = b.Close() }() // nothing was written
		found := describe(b)
		var wrong error
		if !trust {
			if wrong, err = a.verify(c.Context(), b, &found); err != nil {
				return err
			}
		}
		if err := a.printBundle(found, *format); err != nil {
			return err
		}
		if wrong == nil && b.Architecture != runtime.GOARCH {
			wrong = &steps.BundleFitError{What: "architecture", Found: b.Architecture, Expected: runtime.GOARCH + ", that of this machine"}
		}
		return wrong
	}
	return c
}

// openBundle opens a bundle that a person named.
func openBundle(path string) (*images.Bundle, error) {
	b, err := images.OpenBundle(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, failure.Wrap(err, failure.Usage, []string{"aip-dev bundle create FILE  # makes one"}, "the bundle cannot be read")
	}
	return b, err
}

// verify fills in which entries are as they were written; wrong joins what is said of the others.
func (a *app) verify(ctx context.Context, b *images.Bundle, found *bundleInfo) (wrong, err error) {
	show := a.newStages("")
	defer show.close()
	var done int64
	var faults []error
	err = show.do("verify", func(note func(string)) error {
		for i, e := range b.Entries {
			err := b.Check(ctx, e.Kind, func(n int64) { show.bytes("verify", "", done+n, b.Size) })
			var sum *images.SumError
			if err != nil && !errors.As(err, &sum) {
				return err
			}
			same := err == nil
			found.Entries[i].Verified = &same
			faults = append(faults, err)
			done += e.Size
		}
		note(amountOf(done))
		return nil
	})
	if errors.Is(err, context.Canceled) {
		err = failure.Wrap(err, failure.Interrupted, []string{"aip-dev bundle info " + b.Path}, "interrupted")
	}
	return errors.Join(faults...), err
}

// unbundle opens the bundle of `up` and returns the description with its images.
func (a *app) unbundle(c *cobra.Command, e bootstrap.Environment, path string) (bootstrap.Environment, *images.Bundle, error) {
	if e.Cluster != bootstrap.ClusterAuto && e.Cluster != bootstrap.ClusterKind {
		return e, nil, failure.New(failure.Usage, []string{a.command("up --cluster kind --bundle " + path)},
			"--bundle holds the images of a kind cluster, found cluster %s", e.Cluster)
	}
	if e.Keycloak.Database == bootstrap.DatabasePostgres {
		return e, nil, failure.New(failure.Usage, []string{a.command("up --cluster kind --keycloak-database memory --bundle " + path)},
			"--bundle holds no image of a database, found keycloak.database: %s", e.Keycloak.Database)
	}
	for _, flag := range []string{"node-image", "gateway-image"} {
		if c.Flags().Changed(flag) {
			return e, nil, failure.New(failure.Usage, []string{a.command("up --cluster kind --bundle " + path)},
				"--bundle brings its own images, found --%s as well", flag)
		}
	}
	b, err := openBundle(path)
	if err != nil {
		return e, nil, err
	}
	if e, err = a.fromBundle(c.Context(), e, b); err != nil {
		_ = b.Close() // nothing was written
		return e, nil, err
	}
	return e, b, nil
}

func (a *app) fromBundle(ctx context.Context, e bootstrap.Environment, b *images.Bundle) (bootstrap.Environment, error) {
	if err := steps.FitBundle(ctx, b, version); err != nil {
		return e, fmt.Errorf("%s: %w", b.Path, err)
	}
	program, err := os.Executable()
	if err != nil {
		return e, fmt.Errorf("find this program: %w", err)
	}
	e, own, err := steps.WithBundle(e, b, program)
	if err != nil {
		return e, err
	}
	e.Cluster = bootstrap.ClusterKind // what the bundle is for
	if e.Images.Gateway != "" && own != "" {
		_, err = fmt.Fprintf(a.errOut, "warning: the gateway in %s was made of another build of version %s (%s) than this program (%s); the bundle's is used\n",
			safetext.Line(b.Path), version, e.Images.Gateway, own)
	}
	return e, err
}

// bundleInfo is what `aip-dev bundle info` tells.
type bundleInfo struct {
	File string `json:"file"`
	Size int64  `json:"size"`
	// SHA256 is the digest of the manifest, which stands for the whole bundle.
	SHA256       string       `json:"sha256"`
	Format       int          `json:"format"`
	Version      string       `json:"version"`
	Architecture string       `json:"architecture"`
	Kubernetes   string       `json:"kubernetes"`
	Entries      []bundleItem `json:"entries"`
}

// bundleItem is an entry of a bundle.
type bundleItem struct {
	images.Entry
	// Verified says whether the content has its checksum; null when nobody looked.
	Verified *bool `json:"verified"`
}

func describe(b *images.Bundle) bundleInfo {
	info := bundleInfo{
		File: b.Path, Size: b.Size, SHA256: b.SHA256, Format: b.Format,
		Version: b.Version, Architecture: b.Architecture, Kubernetes: b.Kubernetes,
	}
	for _, e := range b.Entries {
		info.Entries = append(info.Entries, bundleItem{Entry: e})
	}
	return info
}

func (a *app) printBundle(info bundleInfo, format string) error {
	if format == formatJSON {
		return a.printJSON(info)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s   aip-dev %s   Kubernetes %s   linux/%s   %d MiB\nsha256 %s\n\n",
		safetext.Line(info.File), info.Version, info.Kubernetes, info.Architecture, info.Size>>20, info.SHA256) //nolint:mnd // MiB
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, e := range info.Entries {
		state := ""
		if e.Verified != nil {
			state = map[bool]string{true: "verified", false: "WRONG"}[*e.Verified]
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", e.Kind, safetext.Line(e.Reference), amountOf(e.Size), e.SHA256[:12], state)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	return a.print(b.String())
}

// amountOf writes a size as people do.
func amountOf(size int64) string {
	if size < 1<<20 {
		return fmt.Sprintf("%d KiB", (size+1023)>>10) //nolint:mnd // KiB
	}
	return fmt.Sprintf("%d MiB", size>>20) //nolint:mnd // MiB
}
