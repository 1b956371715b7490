package kindcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/cluster"
)

// ErrNoEngine says that no container engine answers. The error that wraps it says what each one said.
var ErrNoEngine = errors.New("no container engine answers")

// ErrPermission says that an engine is there and that this user may not use it.
var ErrPermission = errors.New("this user may not use the container engine")

// ErrEngine says that a command of the engine failed.
var ErrEngine = errors.New("the container engine refused")

// askLimit is how long an engine may take to say what it is.
const askLimit = 10 * time.Second

// Engine is a container engine that answers, by its command line: docker, nerdctl or podman.
type Engine struct {
	// Command is the name of its program.
	Command string
	Info    Info

	provider cluster.ProviderOption
}

// Info is what an engine says of itself.
type Info struct {
	Version string
	// CgroupVersion is 1 or 2; 0 when the engine does not say.
	CgroupVersion int
	// Memory is in bytes; 0 when the engine does not say.
	Memory int64
	CPUs   int
	// Root is the folder that holds its images and containers, on the engine's machine.
	Root string
	// Architecture is that of its containers, as Go names it.
	Architecture string
}

// candidates are the engines in the order in which kind looks for them.
// Source: https://pkg.go.dev/sigs.k8s.io/kind/pkg/cluster#DetectNodeProvider
func candidates() []Engine {
	return []Engine{
		{Command: "docker", provider: cluster.ProviderWithDocker()},
		{Command: "nerdctl", provider: cluster.ProviderWithNerdctl("nerdctl")},
		{Command: "podman", provider: cluster.ProviderWithPodman()},
	}
}

// Detect returns the first engine that answers. only names the one to use, as KIND_EXPERIMENTAL_PROVIDER does for
// kind; empty means any.
func Detect(ctx context.Context, only string) (*Engine, error) {
	var refused, absent []string
	class := ErrNoEngine
	for _, e := range candidates() {
		if only != "" && only != e.Command {
			continue
		}
		err := e.ask(ctx)
		switch {
		case err == nil:
			return &e, nil
		case errors.Is(err, errNotInstalled):
			absent = append(absent, e.Command)
			continue
		case errors.Is(err, ErrPermission):
			class = ErrPermission
		}
		refused = append(refused, err.Error())
	}
	switch {
	case len(refused) > 0:
		return nil, fmt.Errorf("%w %s", class, strings.Join(refused, "; "))
	case len(absent) > 0:
		return nil, fmt.Errorf("%w (not installed: %s)", ErrNoEngine, strings.Join(absent, ", "))
	default:
		return nil, fmt.Errorf("%w: KIND_EXPERIMENTAL_PROVIDER is %q, expected docker, nerdctl or podman", ErrNoEngine, only)
	}
}

// errNotInstalled says that an engine's program is not on PATH.
var errNotInstalled = errors.New("not installed")

// ask fills in what the engine says of itself.
func (e *Engine) ask(ctx context.Context) error {
	if _, err := exec.LookPath(e.Command); err != nil {
		return errNotInstalled
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	format := "{{json .}}"
	if e.Command == "podman" {
		format = "json"
	}
	out, err := e.output(ctx, "info", "--format", format)
	if err == nil {
		e.Info, err = parseInfo(out)
	}
	if err == nil {
		return nil
	}
	if path, unix := dockerSocket(); unix && e.Command == "docker" {
		switch dialed := dial(ctx, path); {
		case errors.Is(dialed, fs.ErrPermission):
			return refusal{ErrPermission, "at " + path}
		case dialed != nil:
			return refusal{ErrNoEngine, "at " + path}
		}
	}
	return refusal{ErrNoEngine, fmt.Sprintf("(%s: %v)", e.Command, err)}
}

// refusal is one engine that does not answer; Detect puts its class in front.
type refusal struct {
	class error
	what  string
}

// Error says where, or what the engine said.
func (r refusal) Error() string { return r.what }

// Unwrap returns ErrNoEngine or ErrPermission.
func (r refusal) Unwrap() error { return r.class }

// dockerSocket returns where Docker's client looks for its daemon, and whether that is a socket of this machine.
// Source: https://docs.docker.com/reference/cli/docker/#environment-variables
func dockerSocket() (path string, unix bool) {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		return "/var/run/docker.sock", true
	}
	return strings.CutPrefix(host, "unix://")
}

// dial returns why this user cannot connect to a socket.
func dial(ctx context.Context, socket string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err == nil {
		_ = conn.Close() // nothing was sent
	}
	return err
}

// parseInfo reads what `docker info`, `nerdctl info` and `podman info` print as JSON.
// Sources: https://docs.docker.com/reference/cli/docker/system/info/, https://docs.podman.io/en/latest/markdown/podman-info.1.html
func parseInfo(data []byte) (Info, error) {
	var said struct {
		ServerVersion string   `json:"ServerVersion"`
		CgroupVersion string   `json:"CgroupVersion"`
		DockerRootDir string   `json:"DockerRootDir"`
		Architecture  string   `json:"Architecture"`
		MemTotal      int64    `json:"MemTotal"`
		NCPU          int      `json:"NCPU"`
		ServerErrors  []string `json:"ServerErrors"`

		Host struct {
			CgroupVersion string `json:"cgroupVersion"`
			Arch          string `json:"arch"`
			MemTotal      int64  `json:"memTotal"`
			CPUs          int    `json:"cpus"`
		} `json:"host"`
		Store struct {
			GraphRoot string `json:"graphRoot"`
		} `json:"store"`
		Version json.RawMessage `json:"version"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return Info{}, fmt.Errorf("what it says of itself is not JSON: %w", err)
	}
	info := Info{
		Version: said.ServerVersion, Memory: max(said.MemTotal, said.Host.MemTotal), CPUs: max(said.NCPU, said.Host.CPUs),
		Root: said.DockerRootDir + said.Store.GraphRoot, Architecture: architecture(said.Architecture + said.Host.Arch),
	}
	switch strings.TrimPrefix(said.CgroupVersion+said.Host.CgroupVersion, "v") {
	case "1":
		info.CgroupVersion = 1
	case "2":
		info.CgroupVersion = 2
	}
	if info.Version == "" {
		var podman struct {
			Version string `json:"Version"`
		}
		_ = json.Unmarshal(said.Version, &podman) // only podman has it
		info.Version = podman.Version
	}
	if info.Version == "" {
		return Info{}, fmt.Errorf("%w: %s", ErrEngine, strings.Join(append(said.ServerErrors, "its server does not answer"), "; "))
	}
	return info, nil
}

// architecture translates the kernel's names into Go's.
func architecture(kernel string) string {
	switch kernel {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	default:
		return kernel
	}
}

// HasImage reports whether the engine holds an image of this reference.
func (e *Engine) HasImage(ctx context.Context, reference string) (bool, error) {
	out, err := e.output(ctx, "image", "ls", "--quiet", reference)
	if err != nil {
		return false, err
	}
	if len(bytes.TrimSpace(out)) > 0 {
		return true, nil
	}
	// A reference with a digest is not listed by its tag.
	_, err = e.output(ctx, "image", "inspect", "--format", "{{.Id}}", reference)
	return err == nil, nil
}

// Image is what an engine says of an image that it holds.
type Image struct {
	// ID is a digest, of the image's configuration or of its manifest: engines differ in that.
	ID string `json:"Id"`
	// Size is about what an archive of it takes, in bytes.
	Size int64 `json:"Size"`
}

// Image returns the image of a reference, and whether the engine holds it.
func (e *Engine) Image(ctx context.Context, reference string) (Image, bool, error) {
	there, err := e.HasImage(ctx, reference)
	if err != nil || !there {
		return Image{}, false, err
	}
	out, err := e.output(ctx, "image", "inspect", reference)
	if err != nil {
		return Image{}, false, err
	}
	var said []Image
	if err := json.Unmarshal(out, &said); err != nil {
		return Image{}, false, fmt.Errorf("read what %s says of image %s: %w", e.Command, reference, err)
	}
	if len(said) == 0 {
		return Image{}, false, fmt.Errorf("%s says nothing of image %s", e.Command, reference)
	}
	found := said[0]
	if !strings.Contains(found.ID, ":") {
		found.ID = "sha256:" + found.ID // podman
	}
	return found, true, nil
}

// Tag gives an image of the engine, by its id, a name; an image that had the name before loses it.
func (e *Engine) Tag(ctx context.Context, id, reference string) error {
	_, err := e.output(ctx, "tag", id, reference)
	return err
}

// Pull gets an image from its registry. told receives what the engine says, a line a call.
func (e *Engine) Pull(ctx context.Context, reference string, told func(line string)) error {
	out, err := e.output(ctx, "pull", reference)
	for line := range strings.Lines(string(out)) {
		told(strings.TrimSpace(line))
	}
	return err
}

// Save writes an image of the engine to w, as an archive that nodes can load.
func (e *Engine) Save(ctx context.Context, reference string, w io.Writer) error {
	return e.run(ctx, nil, w, "save", reference)
}

// Load reads an archive of images into the engine.
func (e *Engine) Load(ctx context.Context, archive io.Reader) error {
	return e.run(ctx, archive, io.Discard, "load")
}

// output runs a command of the engine and returns what it printed.
func (e *Engine) output(ctx context.Context, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := e.run(ctx, nil, &out, args...)
	return out.Bytes(), err
}

func (e *Engine) run(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	var said bytes.Buffer
	c := exec.CommandContext(ctx, e.Command, args...) //nolint:gosec // one of three programs, with arguments of this package
	c.Stdin, c.Stdout, c.Stderr = in, out, &said
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s %s: %w", e.Command, args[0], ctx.Err())
		}
		return fmt.Errorf("%w: %s %s: %w: %s", ErrEngine, e.Command, args[0], err, lastLine(said.String()))
	}
	return nil
}

// lastLine returns the last line of text that says something; engines put their reason there.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return "it said nothing"
}
